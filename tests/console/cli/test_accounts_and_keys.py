"""Accounts, API keys, encryption keys."""

from __future__ import annotations

import pytest

from broker.operations import KeyHolder, Operations
from storage.ledger import SqlLedger
from tests.console.cli.support import Place


def test_accounts_are_listed_with_their_organization(place: Place) -> None:
    expected = {
        "code": "acme",
        "name": "Acme",
        "organization": "Acme Group",
        "timezone": "Europe/Berlin",
        "enabled": True,
        "disable_at": None,
    }
    assert place.json("accounts", "list") == [expected]
    assert "Acme Group" in place.run("accounts", "list").stdout


def test_an_empty_list_says_how_to_make_one(empty_place: Place) -> None:
    assert "towpath accounts create" in empty_place.run("accounts", "list").stdout


def test_an_account_joins_its_organization_or_founds_it(place: Place) -> None:
    assert place.run("accounts", "create", "acme-us", "--organization", "Acme Group").exit_code == 0
    assert place.run("accounts", "create", "other", "--name", "Other").exit_code == 0
    assert [(row["code"], row["organization"]) for row in place.json("accounts", "list")] == [
        ("acme", "Acme Group"), ("acme-us", "Acme Group"), ("other", "Other"),
    ]  # fmt: skip

    async def organizations(operations: Operations, _: SqlLedger) -> int:
        return len(await operations.desk.organizations())

    assert place.do(organizations) == 2


@pytest.mark.parametrize("words", [["acme"], ["Not A Code"], ["new", "--timezone", "Mars/Olympus"]])
def test_an_account_that_breaks_a_rule_is_refused(place: Place, words: list[str]) -> None:
    result = place.run("accounts", "create", *words)
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert len(place.json("accounts", "list")) == 1


def test_a_key_is_shown_once_alone_on_standard_output(place: Place) -> None:
    result = place.run("keys", "create", "acme", "--scope", "read", "--scope", "operate")
    assert result.exit_code == 0
    secret = result.stdout.strip()
    assert secret not in result.stderr
    assert "cannot be shown again" in result.stderr or "not shown again" in result.stderr

    async def holder(operations: Operations, _: SqlLedger) -> KeyHolder | None:
        return await operations.desk.key_holder(secret)

    assert place.do(holder) == KeyHolder("acme", frozenset({"read", "operate"}))


def test_a_key_as_json(place: Place) -> None:
    key = place.json("keys", "create", "acme")
    assert key["scopes"] == ["events:write"]
    assert key["secret"]


@pytest.mark.parametrize("words", [["nobody"], ["acme", "--scope", "everything"]])
def test_a_key_that_breaks_a_rule_is_refused(place: Place, words: list[str]) -> None:
    result = place.run("keys", "create", *words)
    assert result.exit_code == 3
    assert result.stdout == ""


def test_rotating_says_what_was_sealed_anew(place: Place) -> None:
    result = place.run("keys", "rotate")
    assert result.exit_code == 0
    assert result.stdout == "2 channel tokens were sealed anew.\n"


def test_keys_are_listed_rotated_and_revoked(place: Place) -> None:
    first = place.json("keys", "create", "acme", "--scope", "read", "--name", "OMS")
    second = place.json("keys", "rotate", "acme", first["id"], "--grace", "2")
    assert second["scopes"] == ["read"] and second["secret"] != first["secret"]
    assert place.run("keys", "revoke", "acme", second["id"]).exit_code == 0
    rows = place.json("keys", "list", "acme")
    assert [(row["id"], row["name"]) for row in rows] == [(second["id"], "OMS"), (first["id"], "OMS")]
    assert "secret" not in rows[0]
    shown = place.run("keys", "list", "acme").stdout
    assert "revoked" in shown and "valid until" in shown and "OMS" in shown


def test_a_key_that_is_not_there_is_refused(place: Place) -> None:
    for words in (("revoke", "acme", "nothing"), ("rotate", "acme", "nothing")):
        result = place.run("keys", *words)
        assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
    assert place.run("keys", "rotate", "acme").exit_code == 2
    assert "towpath keys create acme" in place.run("keys", "list", "acme").stdout
