"""The directory: what a batch names comes from memory, anew when it is old, forgotten or unknown."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, event, update

from broker.operations.values import NewChannel
from domain.channels import Channel
from domain.errors import UnknownName
from storage.desk.setup import create_channel
from storage.directory import Directory, Name, Snapshot
from storage.settings_tables import own_settings
from storage.tables import accounts, channels
from storage.vault import Vault
from tests.storage.support import KEY, TOKEN, Site, TestClock

MAIN = ("acme", "main")
NEW = NewChannel("acme", "new", "New", "bright_sites", "new.example.com", TOKEN)


class Reads:
    """The statements about channels that a database ran."""

    def __init__(self, site: Site) -> None:
        self.statements: list[tuple[str, Any]] = []
        event.listen(site.database.engine, "after_cursor_execute", self._note)

    @property
    def count(self) -> int:
        return len(self.statements)

    def _note(self, connection: Connection, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        if "JOIN channels" in statement or "FROM channels" in statement:
            self.statements.append((statement, parameters))


class CountingVault(Vault):
    """Counts what it opens."""

    opened = 0

    def open(self, sealed: str, place: str) -> str:
        self.opened += 1
        return super().open(sealed, place)


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> TestClock:
    clock = TestClock()
    monkeypatch.setattr("storage.directory.time", SimpleNamespace(monotonic=lambda: clock().timestamp()))
    return clock


def named(site: Site, directory: Directory, *names: Name, fresh: bool = False) -> Snapshot:
    return site.database.read(lambda connection: directory.named(connection, names, fresh=fresh))


def looked_up(site: Site, directory: Directory, channel_id: str) -> Channel | None:
    return site.database.read(lambda connection: directory.channel(connection, channel_id))


def make(site: Site, *codes: str, account: str = "acme") -> list[str]:
    """More channels, made by another process; their ids."""
    new = [replace(NEW, account=account, code=code, domain=f"{code}.example.com") for code in codes]
    return site.database.write(lambda connection: [create_channel(connection, site.vault, each, 0) for each in new])


def test_what_is_fresh_is_not_read_again_and_what_is_old_is(site: Site, monotonic: TestClock) -> None:
    directory, reads = Directory(site.vault, fresh_for=1.0), Reads(site)
    assert directory.remembered(site.main) is None
    for seconds, expected in ((0, 1), (1, 1), (0.1, 2), (0, 2)):
        monotonic.advance(seconds)
        assert named(site, directory, MAIN).channel(*MAIN).id == site.main
        assert reads.count == expected
    assert directory.remembered(site.main) is not None
    monotonic.advance(1.1)
    assert directory.remembered(site.main) is None


def test_what_was_forgotten_is_read_anew(site: Site) -> None:
    directory, reads = Directory(site.vault, fresh_for=1000), Reads(site)
    named(site, directory, MAIN)
    directory.forget()
    assert directory.remembered(site.main) is None
    named(site, directory, MAIN)
    assert reads.count == 2


def test_a_change_is_seen_at_once_where_that_is_asked(site: Site) -> None:
    directory = Directory(site.vault, fresh_for=1000)
    named(site, directory, MAIN)
    site.run(update(channels).where(channels.c.id == site.main).values(enabled=False))
    assert named(site, directory, MAIN).channel(*MAIN).enabled
    assert not named(site, directory, MAIN, fresh=True).channel(*MAIN).enabled
    assert not named(site, directory, MAIN).channel(*MAIN).enabled
    site.run(update(channels).where(channels.c.id == site.main).values(enabled=True))
    found = site.database.read(lambda connection: directory.of_ids(connection, [site.main], fresh=True))
    assert found.by_id[site.main].enabled


def test_what_was_read_before_somebody_forgot_does_not_count_as_fresh(site: Site) -> None:
    directory = Directory(site.vault, fresh_for=1000)

    def change_meanwhile(*rest: object) -> None:
        directory.forget()

    event.listen(site.database.engine, "after_cursor_execute", change_meanwhile)
    assert named(site, directory, MAIN).channel(*MAIN).id == site.main
    event.remove(site.database.engine, "after_cursor_execute", change_meanwhile)
    assert directory.remembered(site.main) is None


def test_only_what_a_batch_names_is_read_in_one_statement_for_all_names(site: Site) -> None:
    make(site, *(f"more-{n}" for n in range(30)))
    directory, reads = Directory(site.vault, fresh_for=1000), Reads(site)
    found = named(site, directory, *(("acme", f"more-{n}") for n in range(20)), ("globex", "shop"), MAIN)
    assert len(found.by_id) == len(found.channels) == 22
    assert set(found.accounts) == {"acme", "globex"}
    assert reads.count == 1
    named(site, directory, MAIN, ("acme", "more-25"))
    assert reads.count == 2
    assert '"main"' not in str(reads.statements[-1])


def test_an_account_named_without_a_channel_stands_for_all_of_its_channels(site: Site, monotonic: TestClock) -> None:
    directory, reads = Directory(site.vault, fresh_for=1.0), Reads(site)
    for _ in range(2):
        found = named(site, directory, ("acme", None), ("globex", None))
        assert [each.code for each in found.of_account["acme"]] == ["main", "outlet"]
        assert [each.code for each in found.of_account["globex"]] == ["shop"]
        assert found.channel(*MAIN).id == site.main
        assert reads.count == 1
    make(site, "new")
    assert len(named(site, directory, ("acme", None)).of_account["acme"]) == 2
    monotonic.advance(1.1)
    assert [each.code for each in named(site, directory, ("acme", None)).of_account["acme"]] == [
        "main",
        "new",
        "outlet",
    ]


def test_an_account_without_channels_is_known(site: Site) -> None:
    row = {**site.rows(accounts)[0]._mapping, "id": "3", "code": "initech"}
    site.run(accounts.insert().values(row))
    for _ in range(2):
        found = named(site, Directory(site.vault), ("initech", None))
        assert found.account("initech").id == "3"
        assert found.of_account["initech"] == ()


def test_a_channel_knows_the_default_warehouse_and_carrier_of_its_account(site: Site) -> None:
    acme = next(row.id for row in site.rows(accounts) if row.code == "acme")
    put = own_settings.insert().values(owner_id=acme, version=1)
    site.run(put.values(chosen={"default_warehouse": "east", "default_carrier": None, "stock_buffer": 2}))
    with site.database.engine.connect() as connection:
        directory = Directory(site.vault)
        found = [
            directory.named(connection, [MAIN, ("globex", "shop")]),
            directory.named(connection, [("acme", None), ("globex", None)], fresh=True),
            directory.everything(connection),
        ]
        by_id = directory.of_ids(connection, [site.main], fresh=True).by_id[site.main]
    for channel in (by_id, *(each.channel(*MAIN) for each in found)):
        assert (channel.default_warehouse, channel.default_carrier) == ("east", None)
    assert {each.channel("globex", "shop").default_warehouse for each in found} == {None}
    site.run(update(own_settings).values(chosen={"default_carrier": "ups"}))
    changed = named(site, directory, MAIN, fresh=True).channel(*MAIN)
    assert (changed.default_warehouse, changed.default_carrier) == (None, "ups")


def test_a_channel_of_an_account_that_is_disabled_is_disabled(site: Site) -> None:
    site.run(update(accounts).where(accounts.c.code == "acme").values(enabled=False))
    found = named(site, Directory(site.vault), MAIN, ("globex", "shop"))
    assert not found.account("acme").enabled
    assert not found.channel(*MAIN).enabled
    assert found.channel("globex", "shop").enabled


def test_an_unknown_channel_is_looked_up_anew_and_may_not_exist(site: Site) -> None:
    directory, reads = Directory(site.vault, fresh_for=1000), Reads(site)
    named(site, directory, MAIN)
    assert looked_up(site, directory, site.main) is not None
    assert reads.count == 1
    assert looked_up(site, directory, "nope") is None
    assert reads.count == 2
    (made,) = make(site, "new")
    assert named(site, directory, ("acme", "new")).channel("acme", "new").id == made


def test_channels_in_use_are_renewed_together(site: Site, monotonic: TestClock) -> None:
    directory, reads = Directory(site.vault, fresh_for=1.0), Reads(site)
    for seconds, expected in ((0.0, 3), (1.1, 4)):
        monotonic.advance(seconds)
        for channel_id in site.channels.values():
            assert looked_up(site, directory, channel_id) is not None
        assert reads.count == expected


def test_a_name_that_does_not_exist_is_told_with_those_that_do(site: Site) -> None:
    found = named(site, site.directory, ("acme", "attic"), ("globex", "attic"), ("nobody", "main"), (None, "main"))
    with pytest.raises(UnknownName, match=r"'acme' has no channel 'attic' \(channels: main, outlet\)"):
        found.channel("acme", "attic")
    with pytest.raises(UnknownName, match=r"'globex' has no channel 'attic' \(channels: shop\)"):
        found.channel("globex", "attic")
    with pytest.raises(UnknownName, match="no account 'nobody'"):
        found.account("nobody")
    with pytest.raises(UnknownName, match="names no account"):
        found.account(None)


def test_of_many_channels_an_error_lists_the_first_ten(site: Site) -> None:
    make(site, *(f"c-{n:02}" for n in range(12)))
    found = named(site, site.directory, ("acme", "attic"))
    with pytest.raises(UnknownName, match=r"\(channels: c-00, c-01, .*, c-09, …\)"):
        found.channel("acme", "attic")


def test_unknown_names_cost_a_batch_one_look_and_one_list_however_many_events_have_them(site: Site) -> None:
    reads = Reads(site)
    named(site, site.directory, *(("acme", f"attic-{n}") for n in range(50)))
    assert reads.count == 2


def test_what_was_not_asked_for_longest_is_dropped_first(site: Site) -> None:
    first, second, third = make(site, "one", "two", "three")
    directory = Directory(site.vault, fresh_for=1000, most=2)
    for code in ("one", "two", "one", "three"):
        assert named(site, directory, ("acme", code)).channel("acme", code).code == code
    assert [directory.remembered(each) is not None for each in (first, second, third)] == [True, False, True]


def test_an_account_with_more_channels_than_memory_holds_is_still_complete(site: Site) -> None:
    make(site, "one", "two", "three")
    directory = Directory(site.vault, fresh_for=1000, most=2)
    for _ in range(2):
        found = named(site, directory, ("acme", None), ("globex", None))
        assert [each.code for each in found.of_account["acme"]] == ["main", "one", "outlet", "three", "two"]
        assert [each.code for each in found.of_account["globex"]] == ["shop"]


def test_a_token_is_opened_once_as_long_as_its_row_stays_the_same(site: Site) -> None:
    vault = CountingVault([KEY])
    directory = Directory(vault)
    before = named(site, directory, MAIN).channel(*MAIN)
    again = named(site, directory, MAIN, fresh=True).channel(*MAIN)
    assert (again, vault.opened) == (before, 1)
    sealed = site.vault.seal("another-1", f"channel-token/{site.main}/{before.domain}")
    site.run(update(channels).where(channels.c.id == site.main).values(token=sealed))
    changed = named(site, directory, MAIN, fresh=True).channel(*MAIN)
    assert changed != before
    assert (changed.token.get_secret_value(), vault.opened) == ("another-1", 2)


def test_a_changed_setting_is_a_changed_channel(site: Site) -> None:
    directory = Directory(site.vault)
    before = named(site, directory, MAIN).channel(*MAIN)
    row = next(row for row in site.rows(channels) if row.id == site.main)
    site.run(update(channels).where(channels.c.id == site.main).values(settings={**row.settings, "stock_buffer": 3}))
    changed = named(site, directory, MAIN, fresh=True).channel(*MAIN)
    assert (before.settings.stock_buffer, changed.settings.stock_buffer) == (0, 3)


def test_everything_is_read_anew_and_does_not_push_out_what_is_kept(site: Site) -> None:
    directory = Directory(site.vault, fresh_for=1000, most=1)
    named(site, directory, MAIN)
    found = site.database.read(directory.everything)
    assert [each.code for each in found.by_id.values()] == ["main", "outlet", "shop"]
    assert [each.code for each in site.database.read(directory.accounts)] == ["acme", "globex"]
    assert directory.remembered(site.main) is not None


def test_many_threads_may_ask_at_once(site: Site) -> None:
    ids = make(site, *(f"c-{n}" for n in range(30)))
    directory, wrong = Directory(site.vault, fresh_for=0.001, most=10), []

    def ask(start: int) -> None:
        for step in range(60):
            wanted = ids[(start + step) % 30]
            found = looked_up(site, directory, wanted)
            members = named(site, directory, ("acme", None)).of_account["acme"]
            if found is None or found.id != wanted or len(members) != 32:
                wrong.append(json.dumps([wanted, str(found), len(members)]))

    threads = [threading.Thread(target=ask, args=(n * 7,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
