"""``towpath channels budget|calls`` and ``towpath captures``."""

from __future__ import annotations

from tests.console.cli.support import Place

MAIN = "acme/bright-main"


def test_a_channel_without_a_budget_shows_its_calls(place: Place) -> None:
    shown = place.run("channels", "budget", MAIN)
    assert shown.exit_code == 0
    assert "No API-call budget is set" in shown.stdout
    assert "No API call was made" in place.run("channels", "calls", MAIN).stdout
    assert place.json("channels", "calls", MAIN) == []


def test_a_budget_is_set_and_shown_with_each_class(place: Place) -> None:
    assert place.run("channels", "settings", MAIN, "calls_per_day=100", "calls_per_month=1000").exit_code == 0
    found = place.json("channels", "budget", MAIN)
    assert [(each["window"], each["limit"], each["left"]) for each in found["windows"]] == [
        ("day", 100, 100),
        ("month", 1000, 1000),
    ]
    assert {each["name"]: each["left"] for each in found["classes"]} == {
        "upkeep": None,
        "orders": 100,
        "stock": 95,
        "products": 90,
    }
    assert found["level"] == "ok" and found["ends_at"] is None
    shown = place.run("channels", "budget", MAIN).stdout
    assert "lasts at the present rate" in shown and "may go" in shown
    assert "0 of 100 calls today" in place.run("channels", "list").stdout


def test_a_budget_that_cannot_be_is_refused(place: Place) -> None:
    result = place.run("channels", "settings", MAIN, "calls_per_day=10", "calls_per_month=5")
    assert result.exit_code == 3
    assert "the budget of a day must not be above that of a month" in result.stderr


def test_manual_logging_is_switched_on_for_a_time_listed_and_switched_off(place: Place) -> None:
    assert "Manual logging is off everywhere" in place.run("captures", "list").stdout
    assert place.run("captures", "start", MAIN, "order_import", "--for", "30m").exit_code == 0
    (row,) = place.json("captures", "list")
    assert (row["channel"], row["job"]) == ("bright-main", "order_import")
    assert "order_import" in place.run("captures", "list").stdout
    assert place.run("captures", "stop", MAIN, "order_import").exit_code == 0
    assert place.json("captures", "list") == []
    assert "Nothing that matches was kept" in place.run("captures", "show", "--order", "4711").stdout
    assert place.json("captures", "show") == []


def test_what_manual_logging_refuses(place: Place) -> None:
    assert place.run("captures", "start", MAIN, "order_import", "--for", "25h").exit_code == 3
    assert place.run("captures", "start", MAIN, "order_import", "--for", "soon").exit_code == 2
    assert place.run("captures", "start", MAIN, "tea_break").exit_code == 3
    assert place.run("captures", "start", "acme/nowhere", "order_import").exit_code == 3
