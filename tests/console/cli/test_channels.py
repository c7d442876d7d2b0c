"""Channels: listing, making, switching, tokens, settings, the connection test."""

from __future__ import annotations

import asyncio
import json

import pytest

from broker.breaker import Closure
from domain.errors import ShopUnauthorized
from domain.ports import ConnectionCheck
from storage.database import Database
from storage.gate_store import SqlGateStore
from tests.console.cli.support import TOKEN, Place, order_created

NEW = [
    "channels",
    "create",
    "--account",
    "acme",
    "--code",
    "second",
    "--name",
    "Second",
    "--domain",
    "two.example.com",
]
FRESH = "fresh-secret-token-99zz"


def test_the_list_shows_state_and_work(place: Place) -> None:
    place.publish(order_created("1"))
    shown = place.run("channels", "list").stdout
    for text in (
        "acme/bright-main",
        "shop.example.com",
        "bright_sites stable, token …7f3a",
        "connected",
        "1 waiting",
        "0 failing",
    ):
        assert text in shown
    (row,) = place.json("channels", "list", "--account", "acme")
    assert (row["waiting"], row["state"], row["settings"]["stock_mode"]) == (1, "connected", "real_time")


def test_an_operation_that_is_held_back_is_named_in_the_list_and_by_the_doctor(place: Place) -> None:
    database = Database(f"sqlite:///{place.folder / 'towpath.db'}", exclusive=False)
    (row,) = place.json("channels", "list")
    closure = Closure("shop_down", 55.0, "Creating a shipment failed in the shop (503).", "POST /orders/{id}/shipments")
    asyncio.run(SqlGateStore(database).close(row["id"], closure))
    database.close()
    (row,) = place.json("channels", "list")
    assert row["state"] == "partly_down"
    for text in ("The shop fails at POST /orders/{id}/shipments", "all others go on", "failed in the shop (503)"):
        assert text in row["state_reason"]
    result = place.run("doctor", "--json")
    assert result.exit_code == 1
    (finding,) = [each for each in json.loads(result.stdout)["findings"] if not each["ok"]]
    assert finding["subject"] == "channel acme/bright-main"
    assert "The shop fails at POST /orders/{id}/shipments" in finding["sentence"]
    assert "partly_down" in place.run("channels", "list").stdout


def test_an_empty_list_says_how_to_make_one(empty_place: Place) -> None:
    assert "towpath channels create" in empty_place.run("channels", "list").stdout


def test_an_account_that_is_not_there_fails_when_listed(place: Place) -> None:
    result = place.run("channels", "list", "--account", "nobody")
    assert result.exit_code == 1
    assert "nobody" in result.stderr


def test_a_channel_is_made_with_a_token_from_standard_input(place: Place) -> None:
    result = place.run(*NEW, "--token-stdin", stdin=f"{FRESH}\n")
    assert result.exit_code == 0, result.output
    assert FRESH not in result.output
    assert "towpath channels check acme/second" in result.stdout
    assert [row["code"] for row in place.json("channels", "list")] == ["bright-main", "second"]


def test_a_token_as_option_is_never_echoed(place: Place) -> None:
    result = place.run(*NEW, "--token", FRESH)
    assert result.exit_code == 0
    assert FRESH not in result.output


@pytest.mark.parametrize(
    ("words", "stdin"), [([], ""), (["--token-stdin"], "\n"), (["--token", "x", "--token-stdin"], "x")]
)
def test_without_a_token_or_anybody_to_ask_it_is_a_usage_error(place: Place, words: list[str], stdin: str) -> None:
    result = place.run(*NEW, *words, stdin=stdin)
    assert result.exit_code == 2
    assert "token" in result.stderr


@pytest.mark.parametrize(
    "changed",
    [
        ["--account", "nobody"],
        ["--domain", "https://two.example.com/"],
        ["--domain", "shop.example.com"],
        ["--code", "bright-main"],
        ["--code", "Not A Code"],
        ["--platform", "cornershop"],
    ],
)
def test_what_a_rule_forbids_is_refused(place: Place, changed: list[str]) -> None:
    result = place.run(*NEW, *changed, "--token", FRESH)
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert FRESH not in result.output
    assert len(place.json("channels", "list")) == 1


def test_a_channel_is_disabled_and_enabled(place: Place) -> None:
    assert place.run("channels", "disable", "acme/bright-main").exit_code == 0
    assert place.json("channels", "list")[0]["state"] == "disabled"
    assert place.run("channels", "enable", "acme/bright-main").exit_code == 0
    assert place.json("channels", "list")[0]["state"] == "connected"


@pytest.mark.parametrize("command", ["enable", "disable"])
def test_a_channel_that_is_not_there_is_refused(place: Place, command: str) -> None:
    result = place.run("channels", command, "acme/nowhere")
    assert result.exit_code == 3
    assert "nowhere" in result.stderr


def test_a_new_token_is_stored_and_not_shown(place: Place) -> None:
    place.publish(order_created("1"))
    place.attempt(ShopUnauthorized("The shop refuses the token."))
    result = place.run("channels", "token", "acme/bright-main", "--token-stdin", stdin=FRESH)
    assert result.exit_code == 0
    assert FRESH not in result.output
    assert place.json("channels", "list")[0]["token_ending"] == "99zz"
    assert place.json("messages", "--state", "ready") != []


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (ConnectionCheck(True, True, "All well."), 0),
        (ConnectionCheck(True, False, "The token may only read."), 1),
        (ConnectionCheck(False, False, "Nobody answers at shop.example.com."), 1),
    ],
)
def test_the_connection_test_says_what_it_found(place: Place, found: ConnectionCheck, code: int) -> None:
    place.connection = found
    result = place.run("channels", "check", "acme/bright-main")
    assert result.exit_code == code
    assert result.stdout == f"{found.sentence}\n"


def test_the_connection_test_as_json(place: Place) -> None:
    assert place.json("channels", "check", "acme/bright-main")["may_write"] is True


def test_a_connection_test_of_no_channel_fails(place: Place) -> None:
    assert place.run("channels", "check", "acme/nowhere").exit_code == 1
    assert place.run("channels", "check", "nowhere").exit_code == 2


def test_settings_are_changed_one_by_one(place: Place) -> None:
    words = ['stock_warehouses=["main"]', "stock_buffer=2", "update_order_with_last_shipment=true"]
    assert place.run("channels", "settings", "acme/bright-main", *words).exit_code == 0
    view = place.json("channels", "settings", "acme/bright-main")
    members = {each["name"]: each["value"] for each in view["settings"]}
    assert members["stock_warehouses"] == ["main"]
    assert (members["stock_buffer"], members["update_order_with_last_shipment"]) == (2, True)
    shown = place.run("channels", "settings", "acme/bright-main").stdout
    assert "update_order_with_last_shipment" in shown and "this channel" in shown


@pytest.mark.parametrize("change", ["stock_buffer=-1", "colour=blue", "timezone=5"])
def test_settings_that_cannot_be_are_refused(place: Place, change: str) -> None:
    before = place.json("channels", "settings", "acme/bright-main")
    result = place.run("channels", "settings", "acme/bright-main", change)
    assert result.exit_code == 3
    assert change.partition("=")[0] in result.stderr
    assert place.json("channels", "settings", "acme/bright-main") == before


def test_a_setting_without_a_value_is_a_usage_error(place: Place) -> None:
    assert place.run("channels", "settings", "acme/bright-main", "stock_buffer").exit_code == 2


def test_no_listing_shows_a_token(place: Place) -> None:
    for words in (
        ["channels", "list"],
        ["channels", "list", "--json"],
        ["channels", "settings", "acme/bright-main"],
    ):
        assert TOKEN not in place.run(*words).output
