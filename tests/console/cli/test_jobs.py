"""Schedules and manual runs."""

from __future__ import annotations

import pytest

from tests.console.cli.support import Place


def test_a_period_is_set_and_listed(place: Place) -> None:
    assert "towpath jobs period" in place.run("jobs", "list").stdout
    result = place.run("jobs", "period", "acme/bright-main", "order_import", "15m")
    assert result.exit_code == 0
    assert result.stdout == "order_import of acme/bright-main runs every 15m now.\n"
    (row,) = place.json("jobs", "list", "--channel", "acme/bright-main")
    assert (row["job"], row["period"], row["last_run"]) == ("order_import", "15m", None)
    assert row["next_due"].endswith("Z")
    assert "order_import" in place.run("jobs", "list").stdout


def test_none_means_never(place: Place) -> None:
    place.run("jobs", "period", "acme/bright-main", "order_import", "15m")
    result = place.run("jobs", "period", "acme/bright-main", "order_import", "none")
    assert result.stdout == "order_import of acme/bright-main never runs by itself now.\n"
    assert place.json("jobs", "list")[0]["next_due"] is None


@pytest.mark.parametrize(
    "words",
    [
        ["acme/bright-main", "order_import", "7m"],
        ["acme/bright-main", "shipment_export", "15m"],
        ["acme/bright-main", "tea_break", "15m"],
        ["acme/nowhere", "order_import", "15m"],
        ["nobody/bright-main", "order_import", "15m"],
    ],
)
def test_a_period_that_breaks_a_rule_is_refused(place: Place, words: list[str]) -> None:
    result = place.run("jobs", "period", *words)
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert place.json("jobs", "list") == []


def test_a_manual_run_becomes_a_message(place: Place) -> None:
    result = place.run("jobs", "run", "acme/bright-main", "order_import")
    assert result.exit_code == 0
    (message,) = place.json("messages")
    assert f"towpath messages show {message['id']}" in result.stdout
    assert (message["type"], message["trigger"]) == ("tick.order_import", "manual")


@pytest.mark.parametrize("words", [["acme/bright-main", "tea_break"], ["acme/nowhere", "order_import"]])
def test_a_run_of_what_is_not_there_is_refused(place: Place, words: list[str]) -> None:
    assert place.run("jobs", "run", *words).exit_code == 3
    assert place.json("messages") == []
