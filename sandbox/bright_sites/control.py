"""The control API under `/_sandbox/`: reading the ledger and the state. Never counted as API calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from sandbox.bright_sites.ledger import CallRecord, Effect, part
from sandbox.bright_sites.shop import Shop
from sandbox.bright_sites.wire import Json, dumps

PREFIX = "/_sandbox"
DEFAULT_PART = 1000


def reply(document: object, status: int = 200) -> web.Response:
    """A control answer as JSON."""
    return web.Response(text=dumps(document), status=status, content_type="application/json")


class ControlReads:
    """The GET half."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def routes(self) -> list[web.RouteDef]:
        """The routes of this half."""
        return [
            web.get(f"{PREFIX}/calls", self.calls),
            web.get(f"{PREFIX}/effects", self.effects),
            web.get(f"{PREFIX}/summary", self.summary),
            web.get(f"{PREFIX}/orders/{{id:\\d+}}", self.order),
            web.get(f"{PREFIX}/stock", self.stock),
            web.get(f"{PREFIX}/faults", self.faults),
            web.get(f"{PREFIX}/tokens", self.tokens),
            web.get(f"{PREFIX}/state", self.state),
        ]

    async def calls(self, request: web.Request) -> web.Response:
        """GET calls: `after`, `limit`, and filters `method`, `route`, `status`, `fault`."""
        tests = _same(request, ("method", "route", "status", "fault", "token"))
        after, limit = _part_of(request)
        keep: Callable[[CallRecord], bool] | None = (lambda call: _matches(call, tests)) if tests else None
        shown = part(self._shop.ledger.calls, after, limit, keep)
        return _listing("calls", [call.as_document() for call in shown], after, len(self._shop.ledger.calls))

    async def effects(self, request: web.Request) -> web.Response:
        """GET effects: `after`, `limit`, and filters `kind`, `order_id`, `sku`, `call`."""
        tests = _same(request, ("kind", "order_id", "sku", "call"))
        after, limit = _part_of(request)
        keep: Callable[[Effect], bool] | None = (lambda effect: _matches(effect, tests)) if tests else None
        shown = part(self._shop.ledger.effects, after, limit, keep)
        return _listing("effects", [each.as_document() for each in shown], after, len(self._shop.ledger.effects))

    async def summary(self, request: web.Request) -> web.Response:
        """GET summary: calls per route and status, effects per kind."""
        del request
        return reply(self._shop.ledger.summary())

    async def order(self, request: web.Request) -> web.Response:
        """GET orders/<id>: the order and everything that happened to it."""
        order_id = int(request.match_info["id"])
        try:
            order = self._shop.order(order_id)
        except LookupError as error:
            return reply({"error": str(error)}, 404)
        effects = [each.as_document() for each in self._shop.ledger.effects_of_order(order_id)]
        return reply({"order": order, "effects": effects})

    async def stock(self, request: web.Request) -> web.Response:
        """GET stock: inventory by final SKU."""
        del request
        return reply(self._shop.stock())

    async def faults(self, request: web.Request) -> web.Response:
        """GET faults: the rules in force with their counts."""
        del request
        rules = [rule.as_document() for rule in self._shop.faults.all()]
        return reply({"faults": rules, "outage": self._shop.faults.outage})

    async def tokens(self, request: web.Request) -> web.Response:
        """GET tokens: labels, permissions, expiry; never the values."""
        del request
        return reply({"tokens": [token.as_document() for token in self._shop.tokens.all()]})

    async def state(self, request: web.Request) -> web.Response:
        """GET state: settings and counts."""
        del request
        shop = self._shop
        return reply(
            {
                "now": datetime.now(UTC).isoformat(),
                "settings": shop.settings.as_document(),
                "orders": len(shop.memory.orders),
                "products": len(shop.memory.products),
                "stock_rows": len(shop.stock()),
                "calls": len(shop.ledger.calls),
                "effects": len(shop.ledger.effects),
                "faults": len(shop.faults.all()),
                "outage": shop.faults.outage,
            }
        )


def _same(request: web.Request, names: tuple[str, ...]) -> dict[str, str]:
    return {name: request.query[name] for name in names if name in request.query}


def _matches(entry: CallRecord | Effect, tests: dict[str, str]) -> bool:
    return all(str(getattr(entry, name)) == value for name, value in tests.items())


def _part_of(request: web.Request) -> tuple[int, int]:
    try:
        return int(request.query.get("after", 0)), int(request.query.get("limit", DEFAULT_PART))
    except ValueError:
        raise web.HTTPBadRequest(text='{"error":"after and limit must be whole numbers"}') from None


def _listing(root: str, shown: list[Json], after: int, total: int) -> web.Response:
    return reply({root: shown, "next_after": shown[-1]["number"] if shown else after, "total": total})
