"""The relay lets go what waits for SKUs that turned up."""

from __future__ import annotations

import pytest

from broker import relay
from domain.mappings import MappingKind, Missing, Side
from domain.outcomes import Park
from tests.broker.roles import relay_at_work
from tests.house import SmallHouse, answering
from tests.moody import until

TEE = Missing(MappingKind.SKU, Side.CHANNEL, "TEE")


async def test_what_waits_for_a_sku_becomes_due_when_the_catalogue_gets_it(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "RECOVER_SECONDS", 0.05)
    message = await house.order_event()
    await house.work_off(answering(lambda _: Park("It waits.", "sku_unmapped", "mapping", missing=(TEE,))))
    assert (await house.delivery(message)).state == "parked"
    await house.product_event("TEE")

    async def due() -> bool:
        return (await house.delivery(message)).state == "ready"

    async with relay_at_work(house):
        await until(due)
    assert await house.mappings.tasks("acme") == []
