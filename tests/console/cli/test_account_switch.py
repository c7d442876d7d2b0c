"""``towpath accounts disable`` and ``enable``."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.moments import iso, utc_now
from tests.console.cli.support import Place


def test_an_account_is_disabled_and_enabled(place: Place) -> None:
    result = place.run("accounts", "disable", "acme")
    assert result.exit_code == 0
    assert "towpath accounts enable acme" in result.stdout
    assert not place.json("accounts", "list")[0]["enabled"]
    assert place.json("channels", "list")[0]["state"] == "disabled"
    assert "disabled" in place.run("accounts", "list").stdout
    assert place.run("accounts", "enable", "acme").exit_code == 0
    assert place.json("accounts", "list")[0]["enabled"]
    assert place.json("channels", "list")[0]["state"] == "connected"


def test_an_account_is_disabled_at_a_set_time(place: Place) -> None:
    then = (utc_now() + timedelta(days=2)).replace(microsecond=0)
    result = place.run("accounts", "disable", "acme", "--at", iso(then))
    assert result.exit_code == 0
    assert "will be disabled on" in result.stdout
    row = place.json("accounts", "list")[0]
    assert (row["enabled"], row["disable_at"]) == (True, iso(then))
    assert "enabled until" in " ".join(place.run("accounts", "list", COLUMNS="200").stdout.split())
    place.run("accounts", "enable", "acme")
    assert place.json("accounts", "list")[0]["disable_at"] is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["disable", "nobody"], 3),
        (["enable", "nobody"], 3),
        (["disable", "acme", "--at", "2020-01-01T00:00Z"], 3),
        (["disable", "acme", "--at", "tomorrow"], 2),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(place: Place, words: list[str], code: int) -> None:
    result = place.run("accounts", *words)
    assert result.exit_code == code
    assert result.stderr.count("\n") == 1
    assert place.json("accounts", "list")[0]["enabled"]
