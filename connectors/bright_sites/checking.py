"""*Test connection*: shop, token, and whether the token may write, without changing anything."""

from __future__ import annotations

from connectors.bright_sites.operations import SHIPPING_METHODS, UPDATE_ORDER
from connectors.http import Caller
from domain.errors import ShopError, ShopRejected
from domain.ports import ConnectionCheck

NO_ORDER = 0
"""An order number no shop gives out."""


async def check(caller: Caller) -> ConnectionCheck:
    """Two calls: a small read, then an empty update of an order that cannot exist.

    The API has no call that tells a token's permission, and no status code is documented. A shop that looks
    at the permission before it looks for the order answers 403 to a read-only token and 404 to the other;
    that order is inferred, and the sentence says so.
    """
    try:
        await caller.call(SHIPPING_METHODS, about="connection test")
    except ShopError as error:
        return ConnectionCheck(False, False, error.sentence)
    probe = "the shop answered a harmless write to an order that cannot exist"
    try:
        await caller.call(UPDATE_ORDER, {"id": NO_ORDER}, about="connection test", body={"order": {}})
    except ShopRejected:
        sentence = f"Shop and token work. The token seems to have Read/Write permission: {probe} with a refusal."
        return ConnectionCheck(True, True, sentence)
    except ShopError as error:
        if error.status == 403:
            sentence = "Shop and token work, but the token may only read. Give it Read/Write permission in the shop."
            return ConnectionCheck(True, False, sentence)
        sentence = "Shop and token work for reading. Whether the token may write could not be found out; test again."
        return ConnectionCheck(True, False, sentence)
    sentence = f"Shop and token work. The token may probably write: {probe} without objection."
    return ConnectionCheck(True, True, sentence)
