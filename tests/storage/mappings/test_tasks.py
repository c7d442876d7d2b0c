"""Missing mappings: one task for each code, and a release of exactly what waited for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from broker.ledger import Delivery, Settlement, Verdict
from broker.operations import MessageFilter
from domain.errors import InputError, UnknownName
from domain.mappings import CarrierMapping, ImportMode, MappingKind, Missing, Side, SkuMapping, write_sheet
from storage.mapping_tables import mapping_waits
from storage.mappings.sql_mappings import SqlMappings
from tests.storage.support import Site, done, keys, order, park, stock


def carrier(code: str) -> Missing:
    return Missing(MappingKind.CARRIER, Side.OMS, code)


def waits_for(*missing: Missing) -> Callable[[Delivery], Verdict]:
    return lambda delivery: replace(park("mapping")(delivery), missing=missing)


def mapped(code: str) -> CarrierMapping:
    return CarrierMapping(f"{code} of the shop", "", code, "")


@pytest.fixture
def mappings(site: Site) -> SqlMappings:
    return SqlMappings(site.database, site.directory, site.clock)


async def wait(site: Site, *orders: str, missing: tuple[Missing, ...]) -> None:
    """Orders that come in and wait for codes."""
    await site.admit(*(order(number) for number in orders))
    for claim in await site.claim():
        await site.settle(claim, waits_for(*missing))


async def save(mappings: SqlMappings, *codes: str) -> int:
    released = 0
    for code in codes:
        released += (await mappings.save("acme", "main", mapped(code), "tester")).deliveries
    return released


async def test_one_task_shows_all_that_a_code_blocks(site: Site, mappings: SqlMappings) -> None:
    await wait(site, "1", "2", missing=(carrier("UPS"),))
    site.clock.advance(60)
    await wait(site, "3", missing=(carrier("DHL"),))
    ups, dhl = await mappings.tasks("acme")
    assert (ups.code, ups.blocks, ups.business_keys) == ("UPS", 2, ("1", "2"))
    assert (dhl.code, dhl.blocks, dhl.business_keys) == ("DHL", 1, ("3",))
    assert ups.oldest and dhl.oldest and ups.oldest < dhl.oldest
    assert await mappings.tasks("globex") == [] == await mappings.tasks("acme", "outlet")


async def test_saving_a_mapping_releases_exactly_what_waited_for_it_in_the_order_it_came(
    site: Site, mappings: SqlMappings
) -> None:
    for number in ("3", "1", "2"):
        await wait(site, number, missing=(carrier("UPS"),))
        site.clock.advance(1)
    await wait(site, "9", missing=(carrier("DHL"),))
    assert await save(mappings, "UPS") == 3
    assert keys(await site.claim(most=1)) + keys(await site.claim()) == [["3"], ["1"], ["2"]]
    assert [task.code for task in await mappings.tasks(None)] == ["DHL"]


async def test_what_waits_for_two_codes_goes_on_when_both_are_answered(site: Site, mappings: SqlMappings) -> None:
    await wait(site, "1", missing=(carrier("UPS"), carrier("DHL")))
    assert [task.code for task in await mappings.tasks("acme")] == ["DHL", "UPS"]
    assert await save(mappings, "UPS") == 0
    assert await site.claim() == []
    assert await save(mappings, "DHL") == 1
    assert keys(await site.claim()) == [["1"]]


async def test_a_mapping_of_another_channel_or_code_releases_nothing(site: Site, mappings: SqlMappings) -> None:
    await wait(site, "1", missing=(carrier("UPS"),))
    assert (await mappings.save("acme", "outlet", mapped("UPS"), "tester")).deliveries == 0
    assert await save(mappings, "FedEx") == 0
    assert await site.claim() == []


async def test_an_import_releases_as_saving_does(site: Site, mappings: SqlMappings) -> None:
    await wait(site, "1", "2", missing=(carrier("UPS"),))
    sheet = write_sheet(MappingKind.CARRIER, [mapped("UPS"), mapped("DHL")]).encode()
    where = ("acme", "main", MappingKind.CARRIER, sheet, ImportMode.ADD, "tester")
    assert (await mappings.import_sheet(*where, dry=True)).released == 0
    assert await site.claim() == []
    assert (await mappings.import_sheet(*where, dry=False)).released == 2
    assert len(await site.claim()) == 2


async def test_a_code_that_is_ignored_ends_what_waited_for_it_and_only_that(site: Site, mappings: SqlMappings) -> None:
    await wait(site, "1", missing=(carrier("UPS"),))
    await wait(site, "2", missing=(carrier("DHL"),))
    await site.admit(order("1", "order.status_changed", id="behind"))
    task = next(each for each in await mappings.tasks("acme") if each.code == "UPS")
    assert (await mappings.ignore(task.id, "tester")).deliveries == 1
    (behind,) = await site.claim()
    assert (behind.job_type, keys([behind])) == ("order_update", [["1"]])
    channel = await site.ledger.channel(site.main)
    assert channel is not None
    assert (await site.memory.carriers(channel)).ignored == {carrier("UPS")}
    with pytest.raises(InputError, match="answered before"):
        await mappings.ignore(task.id, "tester")
    with pytest.raises(UnknownName):
        await mappings.ignore("nothing", "tester")


async def test_a_run_that_parks_just_when_its_mapping_is_saved_looks_again(site: Site, mappings: SqlMappings) -> None:
    await site.admit(order("1"))
    (claim,) = await site.claim()
    before = await site.ledger.channel(site.main)
    await save(mappings, "UPS")
    verdicts = tuple(waits_for(carrier("UPS"))(each) for each in claim.deliveries)
    await site.ledger.settle("w1", [Settlement(claim, verdicts, channel=before)])
    assert keys(await site.claim()) == [["1"]]


async def test_a_mapping_that_is_taken_away_again_makes_the_code_a_task_again(
    site: Site, mappings: SqlMappings
) -> None:
    await wait(site, "1", missing=(carrier("UPS"),))
    await save(mappings, "UPS")
    (claim,) = await site.claim()
    await site.settle(claim, done)
    await mappings.remove("acme", "main", MappingKind.CARRIER, "UPS of the shop", "tester")
    await wait(site, "2", missing=(carrier("UPS"),))
    (task,) = await mappings.tasks("acme")
    assert (task.code, task.business_keys) == ("UPS", ("2",))


async def test_what_ended_in_another_way_is_no_longer_counted(site: Site, mappings: SqlMappings) -> None:
    await wait(site, "1", missing=(carrier("UPS"),))
    (task,) = await mappings.tasks("acme")
    message = (await site.desk.messages(MessageFilter()))[0]
    assert await site.desk.discard([message.deliveries[0].id], "not needed") == 1
    assert await mappings.tasks("acme") == []
    assert (await mappings.ignore(task.id, "tester")).deliveries == 0
    assert site.rows(mapping_waits) == []


async def test_a_sku_that_the_shop_lacks_is_a_task_of_the_bulk_lane_too(site: Site, mappings: SqlMappings) -> None:
    await site.admit(stock("MUG"))
    claim = await site.take()
    await site.settle(claim, waits_for(Missing(MappingKind.SKU, Side.OMS, "MUG")))
    (task,) = await mappings.tasks("acme")
    assert (task.kind, task.code, task.business_keys) == ("sku", "MUG", ("MUG",))
    released = await mappings.save("acme", "main", SkuMapping("MUG-BLUE", "MUG"), "tester")
    assert released.deliveries == 1
    assert keys(await site.claim()) == [["MUG"]]


async def test_near_codes_are_suggested(site: Site, mappings: SqlMappings) -> None:
    await save(mappings, "UPS Ground", "DHL Express")
    await wait(site, "1", missing=(carrier("UPS Grond"),))
    (task,) = await mappings.tasks("acme")
    assert await mappings.suggestions(task.id) == ("UPS Ground",)
    with pytest.raises(UnknownName):
        await mappings.suggestions("nothing")


async def test_a_worker_that_knows_the_mappings_hears_of_a_code_that_is_ignored(
    site: Site, mappings: SqlMappings
) -> None:
    await wait(site, "1", missing=(carrier("UPS"),))
    before = await site.ledger.channel(site.main)
    assert before is not None and (await site.memory.carriers(before)).ignored == frozenset()
    (task,) = await mappings.tasks("acme")
    await mappings.ignore(task.id, "tester")
    after = await site.ledger.channel(site.main)
    assert after is not None and (await site.memory.carriers(after)).ignored == {carrier("UPS")}


async def test_a_run_that_parks_just_when_its_code_is_ignored_looks_again_and_the_code_stays_ignored(
    site: Site, mappings: SqlMappings
) -> None:
    await wait(site, "1", missing=(carrier("UPS"),))
    await site.admit(order("2"))
    (claim,) = await site.claim()
    before = await site.ledger.channel(site.main)
    (task,) = await mappings.tasks("acme")
    await mappings.ignore(task.id, "tester")
    verdicts = tuple(waits_for(carrier("UPS"))(each) for each in claim.deliveries)
    await site.ledger.settle("w1", [Settlement(claim, verdicts, channel=before)])
    assert keys(await site.claim()) == [["2"]]
    after = await site.ledger.channel(site.main)
    assert after is not None and (await site.memory.carriers(after)).ignored == {carrier("UPS")}
