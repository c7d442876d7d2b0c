"""A house and its sandbox shop together, and what tests of consumers ask of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from broker.operations import DeliveryRow, LogRow
from sandbox.bright_sites import Effect, Fault, Shop, Wish
from tests.house import SmallHouse
from tests.moody import until

PREFIX = "/api/v2.7.0"


@dataclass(frozen=True, slots=True)
class Store:
    """``house`` works, ``shop`` keeps the book of what reached it."""

    house: SmallHouse
    shop: Shop

    def buy(self, *skus: str, **wish: Any) -> int:
        """Let a buyer order one line of each SKU; the order number."""
        return self.shop.buy(1, Wish(skus=skus or None, guest=False, **wish))[0]

    def lines(self, order: int) -> list[dict[str, Any]]:
        """The order's lines as the shop shows them."""
        found: list[dict[str, Any]] = self.shop.order(order)["line_items"]
        return found

    def edit(self, order: int, **changes: Any) -> None:
        """Change an order as somebody at the shop would; the call is not counted among ours."""
        answer = self.shop.call("PUT", f"{PREFIX}/orders/{order}", {"order": changes})
        assert answer.status == 200, answer
        self.shop.ledger.calls.pop()

    def fault(self, kind: str, **settings: Any) -> None:
        """Put a fault rule in force."""
        self.shop.faults.add(Fault.model_validate({"kind": kind, **settings}))

    def calls(self) -> list[str]:
        """``METHOD path`` of every call the shop got, without the API prefix."""
        return [f"{call.method} {call.path.removeprefix(PREFIX)}" for call in self.shop.ledger.calls]

    def effects(self, kind: str) -> list[Effect]:
        """What changed in the shop, of one kind."""
        return [effect for effect in self.shop.ledger.effects if effect.kind == kind]

    async def run(self, message_id: str) -> DeliveryRow:
        """Work everything off; how the delivery of a message stands then."""
        await self.house.work_off()
        return await self.house.delivery(message_id)

    async def run_again(self, message_id: str) -> DeliveryRow:
        """Let an operator replay a delivery, and work it off."""
        await self.house.desk.replay([(await self.house.delivery(message_id)).id])
        return await self.run(message_id)

    async def attempt(self, message_id: str) -> LogRow:
        """The newest log row of a message."""
        return (await self.house.attempts(message_id))[-1]

    async def until_logged(self, message_id: str, code: str) -> LogRow:
        """Wait for a log row of this code."""

        async def there() -> LogRow | None:
            return next((row for row in await self.house.attempts(message_id) if row.code == code), None)

        found: LogRow = await until(there)
        return found

    async def announced(self) -> list[Mapping[str, Any]]:
        """The events for the OMS, oldest first."""
        return [json.loads(body) for _, body in await self.house.desk.announcements("acme", 0, 100)]
