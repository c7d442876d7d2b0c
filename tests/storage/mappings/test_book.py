"""Mappings as rows of the database."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import InputError, UnknownName
from domain.mappings import CarrierMapping, ImportMode, MappingKind, MappingRow, SkuMapping, WarehouseMapping
from storage.mapping_tables import mappings as table
from storage.mappings.sql_mappings import SqlMappings
from tests.storage.conftest import Opened
from tests.storage.support import Site

CARRIER, SKU = MappingKind.CARRIER, MappingKind.SKU


@pytest.fixture
def mappings(site: Site) -> SqlMappings:
    return SqlMappings(site.database, site.directory, site.clock)


async def test_rows_of_each_kind_come_back_as_they_were_saved(mappings: SqlMappings) -> None:
    rows: list[MappingRow] = [
        CarrierMapping("UPS*", "Ground", "ups", "03"),
        SkuMapping("MUG-6", "MUG", 6),
        WarehouseMapping("main", "loc-1"),
    ]
    for row in rows:
        await mappings.save("acme", "main", row, "tester")
    for kind, row in zip((CARRIER, SKU, MappingKind.WAREHOUSE), rows, strict=True):
        assert await mappings.rows("acme", "main", kind) == [row]
        assert await mappings.rows("acme", "outlet", kind) == []


async def test_who_saved_a_mapping_and_when_is_remembered(site: Site, mappings: SqlMappings) -> None:
    await mappings.save("acme", "main", SkuMapping("A", "B"), "tester")
    (row,) = site.rows(table)
    assert (row.actor, row.channel_id) == ("tester", site.main)
    channel = await site.ledger.channel(site.main)
    assert channel is not None and channel.mapped_at == row.changed_at > 0


async def test_the_same_channel_code_in_another_letter_case_is_the_same_carrier(mappings: SqlMappings) -> None:
    await mappings.save("acme", "main", CarrierMapping("UPS", "", "a", ""), "tester")
    await mappings.save("acme", "main", CarrierMapping("ups", "", "b", ""), "tester")
    assert await mappings.rows("acme", "main", CARRIER) == [CarrierMapping("ups", "", "b", "")]


async def test_a_row_that_cannot_stand_beside_the_others_is_refused_and_changes_nothing(mappings: SqlMappings) -> None:
    first = CarrierMapping("UPS Ground", "", "ups", "")
    await mappings.save("acme", "main", first, "tester")
    with pytest.raises(InputError, match="which one goes back out"):
        await mappings.save("acme", "main", CarrierMapping("UPS Saver", "", "ups", ""), "tester")
    assert await mappings.rows("acme", "main", CARRIER) == [first]


async def test_what_is_not_there_is_told(mappings: SqlMappings) -> None:
    with pytest.raises(UnknownName, match="'UPS'"):
        await mappings.remove("acme", "main", CARRIER, "UPS", "tester")
    with pytest.raises(UnknownName, match="nowhere"):
        await mappings.rows("acme", "nowhere", CARRIER)


async def test_searching_takes_every_sign_for_itself_and_counts_what_it_does_not_show(mappings: SqlMappings) -> None:
    for at, sku in enumerate(["100%", "100_", "100\\", "1000"]):
        await mappings.save("acme", "main", SkuMapping(sku, f"oms-{at}"), "tester")
    for words, found in (("%", ["100%"]), ("_", ["100_"]), ("\\", ["100\\"]), ("OMS-3", ["1000"])):
        rows, count = await mappings.search("acme", "main", SKU, words)
        assert ([row.code for row in rows], count) == (found, 1)
    rows, count = await mappings.search("acme", "main", SKU, "100", limit=2)
    assert (len(rows), count) == (2, 4)


async def test_two_who_save_at_once_keep_the_rules(open_site: Opened, site: Site) -> None:
    other = open_site()
    one, two = (SqlMappings(each.database, each.directory, site.clock) for each in (site, other))
    answers = await asyncio.gather(
        one.save("acme", "main", CarrierMapping("UPS Ground", "", "ups", ""), "one"),
        two.save("acme", "main", CarrierMapping("UPS Saver", "", "ups", ""), "two"),
        return_exceptions=True,
    )
    assert sum(isinstance(each, InputError) for each in answers) == 1
    assert len(await one.rows("acme", "main", CARRIER)) == 1


CODES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.dictionaries(CODES.filter(str.strip), CODES.filter(str.strip), min_size=1, max_size=5))
def test_an_export_taken_in_again_changes_nothing(site: Site, rows: dict[str, str]) -> None:
    mappings = SqlMappings(site.database, site.directory, site.clock)

    async def there_and_back() -> None:
        for at, (ours, theirs) in enumerate(rows.items()):
            await mappings.save("acme", "main", SkuMapping(ours, theirs, at + 1), "tester")
        sheet = (await mappings.export_sheet("acme", "main", SKU)).encode()
        again = await mappings.import_sheet("acme", "main", SKU, sheet, ImportMode.REPLACE, "tester", dry=False)
        plan = again.plan
        assert not (plan.errors or plan.added or plan.changed or plan.removed)
        assert len(plan.unchanged) >= len(rows)

    asyncio.run(there_and_back())


async def test_what_is_removed_is_the_mapping_of_that_code_and_no_other(mappings: SqlMappings) -> None:
    rows = [CarrierMapping("FedEx", "Ground", "fedex", ""), CarrierMapping("UPS", "Ground", "ups", "")]
    for row in rows:
        await mappings.save("acme", "main", row, "tester")
    for wrong in ("ground", "Ground", "", "UPS"):
        with pytest.raises(UnknownName):
            await mappings.remove("acme", "main", CARRIER, wrong, "tester")
    await mappings.remove("acme", "main", CARRIER, " ups:GROUND", "tester")
    assert await mappings.rows("acme", "main", CARRIER) == rows[:1]
