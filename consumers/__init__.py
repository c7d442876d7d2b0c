"""One consumer per job type; the file's name is the job type's name."""

from broker.handling import Handler, single
from consumers.inventory_export import inventory_export
from consumers.order_import import order_import
from consumers.order_update import order_update
from consumers.shipment_export import shipment_export

HANDLERS: dict[str, Handler] = {
    "order_import": single(order_import),
    "order_update": single(order_update),
    "shipment_export": single(shipment_export),
    "inventory_export": inventory_export,
}

__all__ = ["HANDLERS"]
