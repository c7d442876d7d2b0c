"""One consumer per job type; the file's name is the job type's name."""

from broker.handling import Handler, single
from broker.privacy import Eraser
from broker.renewal import Renewals
from consumers.authorization_refresh import authorization_refresh
from consumers.inventory_export import inventory_export
from consumers.inventory_import import import_from_locations, inventory_import
from consumers.location_export import export_to_locations
from consumers.locations import by_location
from consumers.order_import import order_import
from consumers.order_update import order_update
from consumers.pii_redaction import pii_redaction
from consumers.product_export import product_export
from consumers.product_import import product_import
from consumers.shipment_export import shipment_export
from domain.ports import LocationOpener, Refresher

HANDLERS: dict[str, Handler] = {
    "order_import": single(order_import),
    "order_update": single(order_update),
    "shipment_export": single(shipment_export),
    "inventory_export": inventory_export,
    "inventory_import": single(inventory_import),
    "product_import": single(product_import),
    "product_export": single(product_export),
}
"""Handlers that need no more than what every run is given; those of stock are for shops without locations."""


def all_handlers(
    eraser: Eraser, renewals: Renewals, refresher: Refresher, locations: LocationOpener
) -> dict[str, Handler]:
    """The handlers of all job types, those with tools of their own included."""
    return {
        **HANDLERS,
        "inventory_export": by_location(inventory_export, export_to_locations, locations),
        "inventory_import": by_location(HANDLERS["inventory_import"], import_from_locations, locations),
        "authorization_refresh": authorization_refresh(renewals, refresher),
        "pii_redaction": pii_redaction(eraser),
    }


__all__ = ["HANDLERS", "all_handlers"]
