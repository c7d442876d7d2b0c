"""Messages on the command line: the list, the life of one, what was rejected."""

from __future__ import annotations

import re

import pytest

from domain.errors import ShopDown, ShopRejected
from domain.outcomes import Done, Park
from domain.synclog import ApiCall
from tests.console.cli.support import Place, order_created, stock_changed

FAILED_CALL = ApiCall("GET", "/api/v2.7.0/orders/{id}", 503, 121, 512, "service unavailable")


def test_the_list_shows_where_each_delivery_stands(place: Place) -> None:
    place.publish(order_created("4711"))
    place.attempt(Done("Imported."))
    place.publish(order_created("4712"))
    result = place.run("messages")
    assert result.exit_code == 0
    assert re.search(r"4712\s+order_import → bright-main ready", result.stdout)
    assert re.search(r"4711\s+order_import → bright-main done", result.stdout)


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["--order", "4711"], ["4711"]),
        (["--sku", "MUG-1"], ["MUG-1"]),
        (["--type", "stock.changed"], ["MUG-1"]),
        (["--state", "dead"], ["4711"]),
        (["--state", "READY"], ["MUG-1", "4712"]),
        (["--channel", "acme/bright-main", "--limit", "1"], ["MUG-1"]),
        (["--account", "acme", "--since", "1h"], ["MUG-1", "4712", "4711"]),
    ],
)
def test_the_list_is_narrowed_by_every_option(place: Place, words: list[str], keys: list[str]) -> None:
    place.publish(order_created("4711"))
    place.attempt(ShopRejected("Refused."))
    place.publish(order_created("4712"), stock_changed("MUG-1", 1, 1))
    assert [row["business_key"] for row in place.json("messages", *words)] == keys


def test_an_empty_list_says_where_else_to_look(place: Place) -> None:
    assert "towpath messages rejected" in place.run("messages").stdout
    assert place.json("messages") == []


def test_a_state_that_does_not_exist_is_a_usage_error(place: Place) -> None:
    result = place.run("messages", "--state", "lost")
    assert result.exit_code == 2
    assert "waiting" in result.stderr


def test_the_life_of_a_message_is_told_in_the_order_of_time(place: Place) -> None:
    (message,) = place.publish(order_created("4711", correlationid="c-77", time="2025-11-21T13:00:00Z"))
    place.publish(order_created("4711", correlationid="c-77", time="2025-11-21T13:00:00Z"))
    place.attempt(ShopDown("The shop answered 503.", status=503), FAILED_CALL, due_in=0.0)
    place.attempt(Done("Order 4711 was imported."))
    result = place.run("messages", "show", message[-8:])
    assert result.exit_code == 0
    told = [
        message, "order.created, order 4711, channel acme/bright-main", "/shops/bright", "evt-4711",
        "21 Nov 2025 14:00:00", "c-77", "came 1 more time", "Where it stands", "done", "1 of 9 retries used",
        "What happened", "Europe/Berlin", "Received from /shops/bright.",
        "attempt 1: Retry (shop_down, Error)",
        "The shop answered 503.",
        "GET /api/v2.7.0/orders/{id} → 503 service unavailable, 121 ms, 512 bytes",
        "attempt 2: Done", "Order 4711 was imported.",
    ]  # fmt: skip
    at = 0
    for text in told:
        at = result.stdout.find(text, at)
        assert at >= 0, text


def test_what_waits_says_why_and_until_when(place: Place) -> None:
    (message,) = place.publish(order_created("4711"))
    place.attempt(ShopDown("The shop answered 503.", status=503), due_in=7500.0)
    shown = place.run("messages", "show", message).stdout
    assert re.search(r"Waits until .* \(in 2 h [45] min\)\. The shop answered 503\.", shown)


def test_what_is_parked_for_a_mapping_says_what_to_do(place: Place) -> None:
    first, second = place.publish(order_created("4711"), order_created("4711", "later"))
    place.attempt(Park("Carrier 'UPS' has no shipping method.", "carrier_unmapped", "mapping"))
    shown = place.run("messages", "show", first).stdout
    assert "Parked until somebody acts. Carrier 'UPS' has no shipping method." in shown
    assert f"towpath replay {first}" in shown
    assert "behind an earlier delivery of the same line" in place.run("messages", "show", second).stdout


def test_what_is_dead_says_how_to_go_on(place: Place) -> None:
    (message,) = place.publish(order_created("4711"))
    place.attempt(ShopRejected("The shop refused order 4711."))
    shown = place.run("messages", "show", message).stdout
    assert f"towpath replay {message}" in shown
    assert f"towpath discard {message}" in shown


def test_the_life_as_json_has_the_message_and_its_attempts(place: Place) -> None:
    (message,) = place.publish(order_created("4711"))
    place.attempt(Done("Imported."))
    life = place.json("messages", "show", message)
    assert life["message"]["id"] == message
    assert life["message"]["received_at"].endswith("Z")
    assert life["message"]["deliveries"][0]["state"] == "done"
    assert [attempt["outcome"] for attempt in life["attempts"]] == ["Done"]


def test_a_message_that_is_not_there_fails_with_a_hint(place: Place) -> None:
    result = place.run("messages", "show", "00000000")
    assert result.exit_code == 1
    assert "towpath messages --order" in result.stderr


def test_control_characters_of_an_event_never_reach_the_terminal(place: Place) -> None:
    (message,) = place.publish(order_created("47\x1b[31m11\u202e"))
    for words in (["messages"], ["messages", "show", message]):
        shown = place.run(*words).stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "47�[31m11" in shown


def test_rejected_input_is_listed_with_its_reason(place: Place) -> None:
    assert place.run("messages", "rejected").stdout == "Nothing was rejected.\n"
    assert place.json("messages", "rejected") == []
    place.reject(b'{"nope', "The body is not JSON.")
    shown = place.run("messages", "rejected").stdout
    assert "The body is not JSON." in shown
    assert 'not_json, 6 bytes: {"nope' in shown
    assert place.json("messages", "rejected")[0]["code"] == "not_json"
