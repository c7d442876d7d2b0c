"""The directory: accounts and channels from memory, anew when they are old, forgotten or unknown."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, event

from domain.errors import UnknownName
from storage.directory import Directory
from tests.storage.support import Site, TestClock


class Reads:
    """Counts the statements that a database runs."""

    def __init__(self, site: Site) -> None:
        self.count = 0
        event.listen(site.database.engine, "after_cursor_execute", self._note)

    def _note(self, connection: Connection, cursor: object, statement: str, *rest: object) -> None:
        self.count += "FROM channels" in statement


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> TestClock:
    clock = TestClock()
    monkeypatch.setattr("storage.directory.time", SimpleNamespace(monotonic=lambda: clock().timestamp()))
    return clock


def test_a_fresh_snapshot_is_not_read_again_and_an_old_one_is(site: Site, monotonic: TestClock) -> None:
    directory, reads = Directory(site.vault, fresh_for=1.0), Reads(site)
    assert directory.remembered() is None
    for seconds, expected in ((0, 1), (1, 1), (0.1, 2), (0, 2)):
        monotonic.advance(seconds)
        assert site.database.read(directory.snapshot).channel("acme", "main").id == site.main
        assert reads.count == expected
    assert directory.remembered() is not None
    monotonic.advance(1.1)
    assert directory.remembered() is None


def test_what_was_forgotten_is_read_anew(site: Site) -> None:
    directory, reads = Directory(site.vault, fresh_for=1000), Reads(site)
    site.database.read(directory.snapshot)
    directory.forget()
    assert directory.remembered() is None
    site.database.read(directory.snapshot)
    assert reads.count == 2


def test_an_unknown_channel_is_looked_up_anew_and_may_not_exist(site: Site) -> None:
    directory, reads = Directory(site.vault, fresh_for=1000), Reads(site)
    site.database.read(directory.snapshot)
    found = site.database.read(lambda connection: directory.channel(connection, site.main))
    assert found is not None
    assert reads.count == 1
    assert site.database.read(lambda connection: directory.channel(connection, "nope")) is None
    assert reads.count == 2


def test_a_name_that_does_not_exist_is_told_with_those_that_do(site: Site) -> None:
    snapshot = site.database.read(site.directory.snapshot)
    with pytest.raises(UnknownName, match=r"no channel 'attic' \(channels: main, outlet\)"):
        snapshot.channel("acme", "attic")
    with pytest.raises(UnknownName, match="no account 'nobody'"):
        snapshot.account("nobody")
    with pytest.raises(UnknownName, match="names no account"):
        snapshot.account(None)
