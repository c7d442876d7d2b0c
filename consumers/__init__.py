"""One consumer per job type; the file's name is the job type's name."""

from broker.handling import Handler, single
from consumers.inventory_export import inventory_export
from consumers.inventory_import import inventory_import
from consumers.order_import import order_import
from consumers.order_update import order_update
from consumers.product_export import product_export
from consumers.product_import import product_import
from consumers.shipment_export import shipment_export

HANDLERS: dict[str, Handler] = {
    "order_import": single(order_import),
    "order_update": single(order_update),
    "shipment_export": single(shipment_export),
    "inventory_export": inventory_export,
    "inventory_import": single(inventory_import),
    "product_import": single(product_import),
    "product_export": single(product_export),
}

__all__ = ["HANDLERS"]
