from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from broker.operations import Finding
from broker.transports.urls import open_transport
from domain.errors import ShopDown
from storage.tables import channels
from tests.house import READ_ONLY, SmallHouse, small_house, sqlite_url
from tests.services.rabbitmq import Vhost


async def found(house: SmallHouse, subject: str) -> Finding:
    """What the doctor says of one subject."""
    (finding,) = [each for each in await house.operations.doctor() if each.subject == subject]
    return finding


async def test_of_a_sound_house_everything_is_said_to_be_well(house: SmallHouse) -> None:
    findings = await house.operations.doctor()
    assert [each.subject for each in findings] == ["database", "transport", "channel acme/main", "backlog"]
    assert all(each.ok for each in findings)
    assert findings[-1].sentence == "The oldest due work waits 0 s."


async def test_work_that_waits_for_long_asks_for_more_workers(house: SmallHouse) -> None:
    await house.order_event(1)
    house.clock.advance(61)
    finding = await found(house, "backlog")
    assert not finding.ok
    assert "waits 61 s" in finding.sentence and "'towpath consume'" in finding.sentence


async def test_a_disabled_channel_is_told(house: SmallHouse) -> None:
    await house.desk.change_channel("acme", "main", enabled=False)
    finding = await found(house, "channel acme/main")
    assert (finding.ok, finding.sentence) == (False, "Disabled by an operator; its work waits.")


async def test_a_channel_whose_token_no_key_opens_is_told_with_what_to_do(house: SmallHouse) -> None:
    await house.execute(update(channels).values(token="v1.00000000.AAAA"))
    finding = await found(house, "channel acme/main")
    assert not finding.ok and "Put the old key back" in finding.sentence


async def test_a_channel_whose_gate_is_closed_is_told_with_the_reason_and_the_time(house: SmallHouse) -> None:
    channel = await house.ledger.channel(house.channel_id)
    assert channel is not None
    for _ in range(9):
        await house.gates.report(channel, ShopDown("The shop is away."))
    finding = await found(house, "channel acme/main")
    assert not finding.ok
    assert finding.sentence.startswith("The shop is away. Next try in ")


async def test_a_channel_whose_token_was_refused_is_told(shop_house: SmallHouse) -> None:
    await shop_house.change(token=READ_ONLY)
    await shop_house.event("order.status_changed", {"external_order_id": "1", "status": "paid"})
    await shop_house.work_off()
    finding = await found(shop_house, "channel acme/main")
    assert not finding.ok and "may not write" in finding.sentence


async def test_a_database_that_is_away_is_told_and_the_rest_is_still_looked_at(house: SmallHouse) -> None:
    house.database.close()
    findings = {each.subject: each for each in await house.operations.doctor()}
    assert not findings["database"].ok and "closed" in findings["database"].sentence
    assert findings["transport"].ok
    assert not findings["ledger"].ok


async def test_a_server_without_our_topology_is_told_how_to_get_it(vhost: Vhost, tmp_path: Path) -> None:
    transport = open_transport(vhost.url)
    async with small_house(sqlite_url(tmp_path), transport=transport) as house:
        finding = await found(house, "transport")
        assert not finding.ok
        assert "towpath.inbox" in finding.sentence and finding.sentence.endswith("Run 'towpath topology declare'.")
        await transport.declare()
        assert (await found(house, "transport")).ok


async def test_readiness_follows_the_transport(house: SmallHouse) -> None:
    assert house.operations.ready
    await house.transport.close()
    assert not house.operations.ready
