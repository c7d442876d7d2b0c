"""Settings on a database: what counts, from where, its versions, and what channels inherit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from broker.operations.settings import Held
from broker.operations.values import NewChannel
from connectors.bright_sites import MANIFEST
from domain.channels import ChannelSettings
from domain.errors import InputError, UnknownName
from domain.settings import Changes, StaleVersion
from storage.people_tables import audit
from storage.settings_tables import setting_versions
from storage.tables import accounts, sync_log
from tests.storage.conftest import Opened
from tests.storage.support import Site, park

MAIN = ("acme", "main")


async def put(
    site: Site, where: tuple[str, str] = MAIN, *clear: str, expected: int | None = None, **values: Any
) -> int:
    """Put and clear settings of a channel; double underscores stand for dots."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    changes = Changes(named, frozenset(clear), expected)
    return await site.desk.settings.put_channel_settings(where, changes, lambda _: MANIFEST, actor="user:1")


async def put_account(site: Site, *clear: str, expected: int | None = None, **values: Any) -> int:
    named = {name.replace("__", "."): value for name, value in values.items()}
    changes = Changes(named, frozenset(clear), expected)
    return await site.desk.settings.put_account_settings("acme", changes, lambda _: MANIFEST, actor="user:1")


async def held(site: Site, channel: str = "main") -> Held:
    return await site.desk.settings.channel_settings("acme", channel, lambda _: MANIFEST)


async def counts(site: Site, name: str, channel: str = "main") -> tuple[Any, str]:
    """The value that counts, and where it is from."""
    each = (await held(site, channel)).values[name]
    return each.value, str(each.origin)


async def working(site: Site, channel: str = "main") -> ChannelSettings:
    """What a worker that knew the channel before has in hand now."""
    found = await site.ledger.channel(site.channels[channel])
    assert found is not None
    return found.settings


async def period(site: Site, job: str = "order_import", channel: str = "main") -> tuple[str, Any]:
    (row,) = [row for row in await site.desk.schedules("acme") if (row.job, row.channel) == (job, channel)]
    return row.period, row.next_due


async def test_a_value_that_is_put_counts_until_it_is_cleared(site: Site) -> None:
    assert await put(site, stock_buffer=2, calls_per_month=20_000) == 1
    assert await counts(site, "stock_buffer") == (2, "channel")
    assert (await working(site)).calls_per_month == 20_000
    assert await put(site, MAIN, "stock_buffer") == 2
    assert await counts(site, "stock_buffer") == (0, "built_in")
    assert (await working(site)).stock_buffer == 0


async def test_a_default_of_the_account_reaches_its_channels_but_those_with_a_value_of_their_own(site: Site) -> None:
    await put(site, stock_buffer=5)
    await put_account(site, stock_buffer=2, pii_retention_days=90)
    assert await counts(site, "stock_buffer") == (5, "channel")
    assert await counts(site, "stock_buffer", "outlet") == (2, "account")
    assert (await working(site, "outlet")).pii_retention_days == 90
    assert [row.settings.stock_buffer for row in await site.desk.channels("globex")] == [0]
    await put(site, MAIN, "stock_buffer")
    assert await counts(site, "stock_buffer") == (2, "account")
    await put_account(site, "stock_buffer")
    assert await counts(site, "stock_buffer") == (0, "built_in")


async def test_an_empty_value_of_a_channel_is_a_value_and_wins(site: Site) -> None:
    await put_account(site, stock_cap=10)
    await put(site, stock_cap=None)
    assert await counts(site, "stock_cap") == (None, "channel")


async def test_a_worker_of_another_process_sees_a_change_as_soon_as_it_reads_anew(
    site: Site, open_site: Opened
) -> None:
    other = open_site()
    await other.ledger.channel(site.main)
    await put_account(site, unmapped_carrier="stop")
    found = other.database.read(lambda connection: other.directory.of_ids(connection, [site.main], fresh=True))
    assert found.by_id[site.main].settings.unmapped_carrier == "stop"


async def test_a_new_channel_has_what_its_account_says(site: Site) -> None:
    await put_account(site, stock_buffer=2, timezone="Asia/Tokyo", period__order_import="15m")
    chosen = ChannelSettings(stock_cap=7)
    await site.desk.create_channel(
        NewChannel("acme", "fresh", "Fresh", "bright_sites", "fresh.example.com", "token-1", chosen),
        fields=MANIFEST.fields,
    )
    assert await counts(site, "stock_buffer", "fresh") == (2, "account")
    assert await counts(site, "timezone", "fresh") == ("Asia/Tokyo", "account")
    assert await counts(site, "stock_cap", "fresh") == (7, "channel")
    assert (await period(site, channel="fresh"))[0] == "15m"


async def test_every_change_is_a_version_that_tells_who_when_and_what(site: Site) -> None:
    await put(site, stock_buffer=2)
    site.clock.advance(60)
    await put(site, MAIN, "stock_buffer", burst=5)
    newest, first = await site.desk.settings.setting_versions("acme", "main", 10)
    assert (first.version, first.actor, first.changes) == (1, "user:1", {"stock_buffer": {"before": 0, "after": 2}})
    assert (newest.version, newest.at) == (2, site.clock.now)
    assert newest.changes == {
        "burst": {"before": 20, "after": 5},
        "stock_buffer": {"before": 2, "after": 0, "cleared": True},
    }
    assert site.rows(audit)[-1].action == "channel.changed"
    assert site.rows(audit)[-1].detail == {"settings": newest.changes}
    await put_account(site, default_carrier="ups")
    (of_account,) = await site.desk.settings.setting_versions("acme", None, 10)
    assert of_account.changes == {"default_carrier": {"before": None, "after": "ups"}}


async def test_putting_what_is_there_already_makes_no_version(site: Site) -> None:
    assert await put(site, stock_buffer=2) == 1
    assert await put(site, stock_buffer=2) == 1
    assert await put(site, MAIN, "burst") == 1
    assert await put_account(site, timezone="UTC") == 0
    assert len(site.rows(setting_versions)) == 1


async def test_two_who_looked_at_the_same_version_do_not_overwrite_one_another(site: Site) -> None:
    await put(site, stock_buffer=2, expected=0)
    with pytest.raises(StaleVersion, match=r"acme/main.* version 1, not 0"):
        await put(site, stock_buffer=3, expected=0)
    assert await counts(site, "stock_buffer") == (2, "channel")
    await put_account(site, burst=3, expected=0)
    with pytest.raises(StaleVersion):
        await put_account(site, burst=4, expected=0)
    assert await counts(site, "burst") == (3, "account")


async def test_a_default_that_cannot_be_with_a_value_of_a_channel_changes_nothing_at_all(site: Site) -> None:
    await put(site, calls_per_month=100)
    with pytest.raises(InputError, match="With what is put on channel main"):
        await put_account(site, calls_per_day=500, burst=3)
    assert await counts(site, "burst", "outlet") == (20, "built_in")
    assert (await site.desk.settings.account_settings("acme")).version == 0


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"stock_buffer": -1}, "invalid_settings"),
        ({"colour": "blue"}, "unknown_setting"),
        ({"default_carrier": "ups"}, "setting_not_offered"),
        ({"period__product_export": "5m"}, "period_not_allowed"),
    ],
)
async def test_a_setting_of_a_channel_that_cannot_be_is_refused(site: Site, values: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as caught:
        await put(site, **values)
    assert caught.value.code == code
    assert (await held(site)).version == 0


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"name": " "}, "invalid_settings"),
        ({"timezone": "Mars/Olympus"}, "invalid_settings"),
        ({"units_length": "kg"}, "invalid_settings"),
        ({"master_product_source": "attic"}, "unknown_product_source"),
        ({"api_version": "2.7.0"}, "setting_not_offered"),
    ],
)
async def test_a_setting_of_an_account_that_cannot_be_is_refused(site: Site, values: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as caught:
        await put_account(site, **values)
    assert caught.value.code == code


async def test_an_account_is_renamed_and_cannot_be_nameless(site: Site) -> None:
    await put_account(site, name="Acme Gifts", units_weight="lb")
    assert {each.code: each.name for each in await site.desk.accounts()}["acme"] == "Acme Gifts"
    with pytest.raises(InputError, match="needs a name"):
        await put_account(site, "name")


async def test_a_period_of_the_account_is_due_a_period_later_and_never_at_once(site: Site) -> None:
    await put_account(site, period__order_import="15m")
    text, due = await period(site)
    assert text == "15m" and site.clock.now < due <= site.clock.now + timedelta(minutes=15)
    assert await site.ledger.fire_due(10) == 0
    site.clock.advance(7200)
    await put_account(site, period__order_import="5m")
    assert (await period(site))[1] > site.clock.now
    assert await site.ledger.fire_due(10) == 0
    await put(site, period__order_import="none")
    assert await period(site) == ("none", None)
    assert (await period(site, channel="outlet"))[0] == "5m"
    await put(site, MAIN, "period.order_import")
    assert (await period(site))[0] == "5m"


async def test_another_timezone_of_the_account_moves_its_daily_jobs(site: Site) -> None:
    await put(site, period__order_import="daily@06:30")
    assert (await period(site))[1].hour == 6
    await put_account(site, timezone="Asia/Tokyo")
    assert ((await period(site))[1].hour, (await working(site)).timezone) == (21, "Asia/Tokyo")


async def test_a_change_of_the_account_releases_what_waited_for_it(site: Site) -> None:
    from tests.storage.support import order

    await site.admit(order("1"))
    await site.settle(await site.take(), park("mapping"))
    await put_account(site, unmapped_carrier="stop")
    assert len(await site.claim()) == 1


async def test_products_are_not_imported_from_a_channel_that_is_not_the_source(site: Site) -> None:
    with pytest.raises(InputError, match="the Master Product Source of the account is the OMS") as caught:
        await put(site, period__product_import="1h")
    assert caught.value.code == "not_product_source"
    with pytest.raises(InputError, match="not imported from channel main"):
        await site.desk.run_now("acme", "main", "product_import")
    with pytest.raises(InputError, match="not as a default of the account"):
        await put_account(site, period__product_import="1h")
    await put_account(site, master_product_source="main")
    await put(site, period__product_import="1h")
    assert (await period(site, "product_import"))[1] is not None
    with pytest.raises(InputError, match="not exported to channel main"):
        await put(site, period__product_export="1h")
    assert await put(site, period__product_export="none") == 2


async def test_when_the_source_changes_a_job_that_contradicts_it_stops_and_says_so_once(site: Site) -> None:
    await put_account(site, master_product_source="main")
    await put(site, period__product_import="1h")
    before = len(site.rows(sync_log))
    await put_account(site, master_product_source="outlet")
    lines = site.rows(sync_log)[before:]
    told = {(row.channel_id, row.job_type, row.level, row.code) for row in lines}
    assert len(lines) == 2
    assert told == {
        (site.main, "product_import", "Warning", "not_product_source"),
        (site.channels["outlet"], "product_export", "Warning", "not_product_source"),
    }
    assert await period(site, "product_import") == ("1h", None)
    assert "not imported from channel main" in (await held(site)).notes["period.product_import"]
    site.clock.advance(86_400)
    assert await site.ledger.fire_due(10) == 0
    await put_account(site, burst=3)
    assert len(site.rows(sync_log)) == before + 2
    await put_account(site, master_product_source="main")
    assert (await period(site, "product_import"))[1] > site.clock.now


async def test_names_that_do_not_exist_are_told(site: Site) -> None:
    for work in (
        put(site, ("acme", "attic"), burst=1),
        held(site, "attic"),
        site.desk.settings.setting_versions("acme", "attic", 5),
        site.desk.settings.account_settings("nobody"),
    ):
        with pytest.raises(UnknownName):
            await work


async def test_changes_of_a_channel_and_its_account_at_once_lose_neither(postgresql_site: Site) -> None:
    import asyncio

    site = postgresql_site
    await asyncio.gather(
        *(put(site, stock_buffer=number) for number in range(1, 6)),
        *(put_account(site, burst=number) for number in range(1, 6)),
    )
    settings = await working(site)
    assert (await held(site)).version == 5
    assert settings.burst == (await working(site, "outlet")).burst
    assert site.database.read(lambda connection: connection.scalar(select(sync_log.c.id))) is None


async def test_personal_data_is_erased_nightly_where_a_threshold_counts_and_nobody_put_a_period(site: Site) -> None:
    name, job = "period.pii_redaction", "pii_redaction"
    assert await counts(site, name) == ("none", "built_in")
    await put_account(site, pii_retention_days=90)
    nights = [await counts(site, name, channel) for channel in ("main", "outlet")]
    assert {origin for _, origin in nights} == {"built_in"} and all(text[:7] == "daily@0" for text, _ in nights)
    assert (await period(site, job))[0] == nights[0][0] and (await period(site, job))[1] is not None
    await put(site, period__pii_redaction="none")
    assert await counts(site, name) == ("none", "channel")
    assert await period(site, job) == ("none", None)
    await put_account(site, "pii_retention_days")
    assert await counts(site, name, "outlet") == ("none", "built_in")
    assert await period(site, job, "outlet") == ("none", None)
    await put(site, MAIN, name, pii_retention_days=0)
    assert (await period(site, job))[0] == nights[0][0]


async def test_a_default_period_of_the_account_is_when_personal_data_is_erased(site: Site) -> None:
    await put_account(site, pii_retention_days=90, period__pii_redaction="daily@04:30")
    assert await counts(site, "period.pii_redaction") == ("daily@04:30", "account")
    await put_account(site, "period.pii_redaction")
    assert (await counts(site, "period.pii_redaction"))[1] == "built_in"
    assert (await period(site, "pii_redaction"))[0] != "daily@04:30"


async def test_a_new_channel_of_an_account_with_a_threshold_has_its_night(site: Site) -> None:
    await put_account(site, pii_retention_days=90)
    new = NewChannel("acme", "fresh", "Fresh", "bright_sites", "fresh.example.com", "token-1")
    await site.desk.create_channel(new, fields=MANIFEST.fields)
    assert (await period(site, "pii_redaction", "fresh"))[0][:7] == "daily@0"


async def test_the_threshold_of_an_account_stands_in_its_row_for_what_comes_from_no_channel(site: Site) -> None:
    await put_account(site, pii_retention_days=0)
    assert [row.pii_retention_days for row in site.rows(accounts)] == [0, None]
    newest = (await site.desk.settings.setting_versions("acme", None, 1))[0]
    assert newest.changes == {"pii_retention_days": {"before": None, "after": 0}}
    assert (await counts(site, "pii_retention_days"), (await working(site)).pii_retention_days) == ((0, "account"), 0)
    await put(site, pii_retention_days=None)
    assert (await working(site)).pii_retention_days is None, "a channel may keep what its account erases"
    await put_account(site, "pii_retention_days")
    assert [row.pii_retention_days for row in site.rows(accounts)] == [None, None]
