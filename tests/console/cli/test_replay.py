"""Replay and discard."""

from __future__ import annotations

import pytest

from domain.errors import ShopRejected
from domain.outcomes import Done, Park
from tests.console.cli.support import Place, order_created, stock_changed


def state_of(place: Place, message: str) -> str:
    return str(place.json("messages", "show", message)["message"]["deliveries"][0]["state"])


@pytest.fixture
def dead(place: Place) -> list[str]:
    """Two messages of orders 4711 and 4712 whose deliveries are dead."""
    messages = place.publish(order_created("4711"), order_created("4712"))
    place.attempt(ShopRejected("Refused."))
    return messages


def test_a_message_is_replayed_by_its_id(place: Place, dead: list[str]) -> None:
    result = place.run("replay", dead[0])
    assert result.exit_code == 0
    assert result.stdout == "1 delivery replayed.\n"
    assert [state_of(place, message) for message in dead] == ["ready", "dead"]
    assert place.openings[0] == "change"


def test_a_delivery_is_replayed_by_its_id(place: Place, dead: list[str]) -> None:
    delivery = place.json("messages", "show", dead[1])["message"]["deliveries"][0]["id"]
    assert place.json("replay", delivery) == {"matched": 1, "replayed": 1}
    assert state_of(place, dead[1]) == "ready"


def test_only_the_delivery_named_is_replayed_not_its_neighbour_on_another_channel(place: Place) -> None:
    domain = ["--name", "Second", "--domain", "two.example.com"]
    place.run("channels", "create", "--account", "acme", "--code", "second", *domain, "--token", "made-up")
    (message,) = place.publish(stock_changed("MUG-1", 7, 1))
    assert place.attempt(ShopRejected("Refused.")) == 2
    first, second = place.json("messages", "show", message)["message"]["deliveries"]
    assert place.json("replay", second["id"]) == {"matched": 1, "replayed": 1}
    after = place.json("messages", "show", message)["message"]["deliveries"]
    assert {each["id"]: each["state"] for each in after} == {first["id"]: "dead", second["id"]: "ready"}
    assert place.json("replay", "--state", "dead", "--channel", first["channel"])["replayed"] == 1


@pytest.mark.parametrize(
    ("words", "replayed"),
    [
        (["--order", "4712"], 1),
        (["--state", "dead"], 2),
        (["--state", "dead", "--channel", "acme/bright-main"], 2),
        (["--state", "dead", "--channel", "elsewhere"], 0),
        (["--state", "parked"], 0),
    ],
)
def test_deliveries_are_replayed_by_filter(place: Place, dead: list[str], words: list[str], replayed: int) -> None:
    assert place.json("replay", *words)["replayed"] == replayed


def test_nothing_to_replay_by_filter_is_no_failure(place: Place) -> None:
    result = place.run("replay", "--state", "dead")
    assert result.exit_code == 0
    assert "Nothing to replay" in result.stdout


def test_what_is_parked_is_due_at_once(place: Place) -> None:
    (message,) = place.publish(order_created("4711"))
    place.attempt(Park("No mapping.", "carrier_unmapped", "mapping"))
    assert place.run("replay", "--order", "4711").exit_code == 0
    assert place.attempt(Done("Imported.")) == 1
    assert state_of(place, message) == "done"


def test_what_is_done_is_refused(place: Place) -> None:
    (message,) = place.publish(order_created("4711"))
    place.attempt(Done("Imported."))
    for words in (["replay", message], ["discard", message, "--reason", "no"]):
        result = place.run(*words)
        assert result.exit_code == 3
        assert "Nothing was" in result.stderr
    assert state_of(place, message) == "done"


def test_an_id_that_is_not_there_is_refused_and_nothing_is_changed(place: Place, dead: list[str]) -> None:
    result = place.run("replay", dead[0], "00000000")
    assert result.exit_code == 3
    assert "00000000" in result.stderr
    assert state_of(place, dead[0]) == "dead"


@pytest.mark.parametrize(
    "words",
    [["replay"], ["replay", "someid", "--order", "1"], ["replay", "--state", "done"], ["discard", "someid"]],
)
def test_a_choice_that_cannot_be_is_a_usage_error(place: Place, words: list[str]) -> None:
    assert place.run(*words).exit_code == 2


def test_a_discarded_delivery_keeps_the_reason_and_shows_it(place: Place, dead: list[str]) -> None:
    result = place.run("discard", dead[0], "--reason", "a test order")
    assert result.exit_code == 0
    assert result.stdout == "1 delivery discarded.\n"
    shown = place.run("messages", "show", dead[0]).stdout
    assert shown.count("a test order") == 2
    assert state_of(place, dead[0]) == "discarded"


def test_a_discard_needs_words(place: Place, dead: list[str]) -> None:
    assert place.run("discard", dead[0], "--reason", " ").exit_code == 2
