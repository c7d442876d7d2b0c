"""``towpath audit``: who changed what, and whether that record is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from console.cli import acting
from tests.console.cli.support import Place

CHANGES = (
    (("accounts", "create", "zenith", "--organization", "Acme Group"), "account.created", "account:zenith"),
    (("keys", "create", "acme"), "key.created", "key:"),
    (("channels", "disable", "acme/bright-main"), "channel.changed", "channel:acme/bright-main"),
    (("channels", "token", "acme/bright-main", "--token", "another-token-1234"), "channel.changed",
     "channel:acme/bright-main"),
    (("channels", "settings", "acme/bright-main", "stock_buffer=2"), "channel.changed", "channel:acme/bright-main"),
    (("jobs", "period", "acme/bright-main", "order_import", "15m"), "schedule.set", "channel:acme/bright-main"),
    (("accounts", "disable", "acme"), "account.disabled", "account:acme"),
    (("users", "add", "first@example.com", "--name", "First"), "user.created", "user:"),
)  # fmt: skip


@pytest.mark.parametrize(("words", "action", "thing"), CHANGES, ids=str)
def test_every_change_at_the_command_line_stands_under_the_user_of_the_system(
    place: Place, words: tuple[str, ...], action: str, thing: str
) -> None:
    before = place.json("audit", "list")
    assert place.run(*words).exit_code == 0
    row, *rest = place.json("audit", "list")
    assert rest == before
    assert (row["actor"], row["action"]) == (acting.actor_name(), action)
    assert row["object"].startswith(thing)
    assert "another-token-1234" not in str(row)


def test_rows_are_narrowed(place: Place) -> None:
    place.run("accounts", "create", "other", "--name", "Other")
    place.run("channels", "disable", "acme/bright-main")
    assert {row["account"] for row in place.json("audit", "list", "--account", "acme")} == {"acme"}
    assert len(place.json("audit", "list", "--actor", acting.actor_name())) == 3
    assert [row["object"] for row in place.json("audit", "list", "--action", "account.created")] == [
        "account:other", "account:acme",
    ]  # fmt: skip
    assert len(place.json("audit", "list", "--object", "channel:acme/bright-main")) == 2
    assert len(place.json("audit", "list", "--limit", "1")) == 1
    assert len(place.json("audit", "list", "--since", "1h")) == 6
    assert "matches" in place.run("audit", "list", "--actor", "nobody").stdout
    assert place.run("audit", "list", "--account", "nobody").exit_code == 1


def test_the_table_calls_keys_by_their_name_or_by_how_they_begin(place: Place) -> None:
    place.run("keys", "create", "acme", "--name", "Warehouse robot")
    place.run("keys", "create", "acme")
    shown = place.run("audit", "list", COLUMNS="200").stdout
    keys = place.json("keys", "list", "acme")
    assert "key Warehouse robot" in shown
    assert all(f"key {each['prefix']}" in shown for each in keys if not each["name"])
    assert not any(each["id"] in shown for each in keys)


def test_the_table_names_users_by_their_address(place: Place) -> None:
    place.run("users", "add", "first@example.com", "--name", "First")
    shown = place.run("audit", "list", COLUMNS="200").stdout
    assert "first@example.com" in shown
    assert "channel:acme/bright-main" in shown


def test_a_whole_audit_says_so(place: Place) -> None:
    report = place.json("audit", "verify")
    assert (report["intact"], report["rows"]) == (True, 3)
    result = place.run("audit", "verify")
    assert result.exit_code == 0
    assert place.run("audit", "verify", "--noted", report["last_hash"]).exit_code == 0
    assert place.run("audit", "verify", "--noted", "f" * 64).exit_code == 1
    assert result.stdout == f"Audit rows: 3, all as they were written. The last hash is {report['last_hash']}.\n"


def test_a_changed_audit_ends_with_1_and_names_the_row(place: Place) -> None:
    with closing(sqlite3.connect(place.folder / "towpath.db")) as database:
        database.execute("UPDATE audit SET actor = 'somebody else' WHERE seq = 2")
        database.commit()
    result = place.run("audit", "verify")
    assert result.exit_code == 1
    assert "Audit row 2 was changed" in result.stdout
    as_json = place.run("audit", "verify", "--json")
    assert as_json.exit_code == 1
    assert '"rows": 1' in as_json.stdout


def test_a_user_without_a_name_in_the_system_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr("os.getuid", lambda: 4242)
    assert acting.actor_name() == "cli:4242"


def test_the_environment_does_not_say_who_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = acting.actor_name()
    for name in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert acting.actor_name() == before
