"""``towpath users``: people made, given roles, locked out."""

from __future__ import annotations

import pytest

from broker.operations import AuditFilter, AuditRow, Operations
from console.cli.acting import acting, actor_name
from storage.ledger import SqlLedger
from tests.console.cli.support import Place

EMAIL = "first@example.com"
PASSWORD = "a sentence that is long"


@pytest.fixture
def peopled(place: Place) -> Place:
    """The first user owns the organization."""
    words = ("--name", "First", "--role", "organization_owner")
    assert place.run("users", "add", EMAIL, *words).exit_code == 0
    return place


def newest(place: Place) -> AuditRow:
    async def work(operations: Operations, _: SqlLedger) -> AuditRow:
        return (await operations.people.audit(acting(), AuditFilter(limit=1)))[0]

    return place.do(work)


def roles(place: Place) -> list[tuple[str, str | None]]:
    (row,) = place.json("users", "list")
    return [(each["role"], each["account"]) for each in row["roles"]]


def test_an_empty_list_says_how_to_make_one(place: Place) -> None:
    assert place.json("users", "list") == []
    assert "towpath users add" in place.run("users", "list").stdout


def test_users_are_listed_with_their_roles(peopled: Place) -> None:
    (row,) = peopled.json("users", "list")
    assert {name: row[name] for name in row if name not in ("id", "created_at")} == {
        "email": EMAIL, "name": "First", "organization": "Acme Group", "enabled": True, "has_password": False,
        "roles": [{"role": "organization_owner", "account": None}],
    }  # fmt: skip
    shown = peopled.run("users", "list").stdout
    assert EMAIL in shown and "organization_owner" in shown and "no password" in shown


def test_a_user_of_one_account_is_made_in_one_go(place: Place) -> None:
    result = place.run("users", "add", EMAIL, "--name", "First", "--role", "viewer", "--account", "acme")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"towpath users password {EMAIL}" in result.stdout
    assert roles(place) == [("viewer", "acme")]
    assert newest(place).actor == actor_name()


def test_the_organization_is_named_where_there_are_several(place: Place) -> None:
    place.run("accounts", "create", "other", "--name", "Other")
    result = place.run("users", "add", EMAIL, "--name", "First")
    assert result.exit_code == 3
    assert "--organization" in result.stderr
    assert place.run("users", "add", EMAIL, "--name", "First", "--organization", "Other").exit_code == 0
    of_account = ("--name", "B", "--role", "viewer", "--account", "acme")
    assert place.run("users", "add", "b@example.com", *of_account).exit_code == 0
    assert [row["email"] for row in place.json("users", "list", "--organization", "Other")] == [EMAIL]


def test_roles_are_given_and_taken(peopled: Place) -> None:
    assert peopled.run("users", "grant", EMAIL, "account-user", "--account", "acme").exit_code == 0
    assert roles(peopled) == [("organization_owner", None), ("account_user", "acme")]
    assert newest(peopled).action == "role.granted"
    assert peopled.run("users", "revoke", EMAIL, "account_user", "--account", "acme").exit_code == 0
    assert roles(peopled) == [("organization_owner", None)]


@pytest.mark.parametrize(
    "words",
    [
        ["revoke", EMAIL, "organization_owner"],
        ["disable", EMAIL],
        ["grant", EMAIL, "organization_owner"],
        ["grant", EMAIL, "account_user"],
        ["grant", EMAIL, "viewer", "--account", "nothing"],
        ["grant", "nobody@example.com", "viewer"],
        ["enable", "nobody@example.com"],
        ["add", EMAIL, "--name", "Again"],
        ["add", "no address", "--name", "First"],
        ["add", "b@example.com", "--name", "B", "--organization", "Nowhere"],
    ],
)
def test_what_breaks_a_rule_is_refused_in_one_sentence(peopled: Place, words: list[str]) -> None:
    before = peopled.json("users", "list")
    result = peopled.run("users", *words)
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert peopled.json("users", "list") == before


@pytest.mark.parametrize(
    "words",
    [
        ["grant", EMAIL, "king"],
        ["add", EMAIL],
        ["add", EMAIL, "--name", "First", "--account", "acme"],
        ["password", EMAIL],
    ],
)
def test_wrong_usage_ends_with_2(peopled: Place, words: list[str]) -> None:
    result = peopled.run("users", *words)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_a_password_is_read_from_standard_input_and_shown_nowhere(peopled: Place) -> None:
    result = peopled.run("users", "password", EMAIL, "--password-stdin", stdin=PASSWORD + "\n")
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert peopled.json("users", "list")[0]["has_password"]

    async def work(operations: Operations, _: SqlLedger) -> bool:
        return (await operations.sessions.sign_in(EMAIL, PASSWORD, "")).session.user.email == EMAIL

    assert newest(peopled).action == "user.password_set"
    assert peopled.do(work)


def test_a_weak_password_is_refused(peopled: Place) -> None:
    result = peopled.run("users", "password", EMAIL, "--password-stdin", stdin="short\n")
    assert result.exit_code == 3
    assert "15 to 256" in result.stderr


def test_a_user_is_disabled_and_enabled(peopled: Place) -> None:
    peopled.run("users", "add", "b@example.com", "--name", "B")
    assert peopled.run("users", "disable", "b@example.com").exit_code == 0
    assert [row["enabled"] for row in peopled.json("users", "list")] == [False, True]
    assert "disabled" in peopled.run("users", "list").stdout
    assert peopled.run("users", "enable", "b@example.com").exit_code == 0
    assert [row["enabled"] for row in peopled.json("users", "list")] == [True, True]


def test_name_and_address_are_changed(peopled: Place) -> None:
    result = peopled.run("users", "change", EMAIL, "--name", "Other", "--email", "second@example.com")
    assert (result.exit_code, result.stderr) == (0, "")
    (row,) = peopled.json("users", "list")
    assert (row["name"], row["email"]) == ("Other", "second@example.com")
    assert newest(peopled).action == "user.changed"
    assert peopled.run("users", "change", "second@example.com").exit_code == 2


def test_sessions_are_listed_and_ended(peopled: Place) -> None:
    assert peopled.json("users", "sessions", EMAIL) == []
    assert "signed in nowhere" in peopled.run("users", "sessions", EMAIL).stdout
    assert peopled.run("users", "password", EMAIL, "--password-stdin", stdin=f"{PASSWORD}\n").exit_code == 0
    tokens = [peopled.do(_signed_in) for _ in range(2)]
    found = peopled.json("users", "sessions", EMAIL)
    assert [set(each) for each in found] == [{"id", "created_at", "last_used_at", "expires_at"}] * 2
    shown = peopled.run("users", "sessions", EMAIL).stdout
    assert found[0]["id"] in shown and not any(token in shown for token in tokens)
    one = peopled.run("users", "sign-out", EMAIL, "--session", found[0]["id"])
    assert one.exit_code == 0 and "sessions ended: 1" in one.stdout
    assert [each["id"] for each in peopled.json("users", "sessions", EMAIL)] == [found[1]["id"]]
    assert peopled.run("users", "sign-out", EMAIL).exit_code == 0
    row = newest(peopled)
    assert (row.action, row.actor, row.detail) == ("session.ended", actor_name(), {"everywhere": True, "count": 1})
    assert peopled.json("users", "sessions", EMAIL) == []


def test_a_session_that_is_not_open_is_not_ended(peopled: Place) -> None:
    gone = peopled.run("users", "sign-out", EMAIL, "--session", "nothing")
    assert gone.exit_code != 0 and "no such open session" in gone.stderr
    assert peopled.run("users", "sign-out", "nobody@example.com").exit_code != 0


async def _signed_in(operations: Operations, _: SqlLedger) -> str:
    begun = await operations.sessions.sign_in(EMAIL, PASSWORD, "192.0.2.1")
    return begun.token
