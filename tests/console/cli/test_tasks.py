"""Missing mappings."""

from __future__ import annotations

from domain.mappings import CarrierCode, MappingKind, Missing, Side
from domain.outcomes import Done, Park
from tests.console.cli.support import Place, order_created


def missing(carrier: str) -> Park:
    """A carrier without a mapping."""
    code = Missing(MappingKind.CARRIER, Side.OMS, carrier)
    return Park(f"Carrier {carrier!r} has no shipping method.", "carrier_unmapped", "mapping", missing=(code,))


def test_one_task_for_each_thing_to_map_with_what_it_blocks(place: Place) -> None:
    place.publish(order_created("1"))
    place.attempt(missing("DHL"))
    place.publish(order_created("2"), order_created("3"))
    place.attempt(missing("UPS"))
    place.publish(order_created("4"))
    place.attempt(Park("The channel waits.", "channel_disabled", "channel"))
    tasks = place.json("tasks")
    assert [(task["code"], task["kind"], task["side"], task["blocks"], task["business_keys"]) for task in tasks] == [
        ("UPS", "carrier", "oms", 2, ["2", "3"]),
        ("DHL", "carrier", "oms", 1, ["1"]),
    ]
    assert tasks[0]["channel"] == "bright-main"
    assert tasks[0]["oldest"].endswith("Z")


def test_a_task_is_told_with_near_codes_and_the_command_that_solves_it(place: Place) -> None:
    save = ["channel_carrier=UPS Ground", "oms_carrier=UPS", "oms_service=Ground"]
    assert place.run("mappings", "set", "acme/bright-main", "carrier", *save).exit_code == 0
    place.publish(order_created("1"))
    place.attempt(missing("UPS:Grond"))
    assert place.json("tasks")[0]["suggestions"] == ["UPS:Ground"]
    shown = place.run("tasks", "--channel", "acme/bright-main").stdout
    assert "UPS:Grond" in shown and "UPS:Ground" in shown
    assert "towpath mappings set acme/bright-main carrier" in shown
    assert "oms_carrier='UPS' oms_service='Grond'" in shown


def test_a_shipping_method_of_the_shop_is_told_with_its_command_quotes_and_all(place: Place) -> None:
    place.publish(order_created("1"))
    code = Missing(MappingKind.CARRIER, Side.CHANNEL, CarrierCode("Joe's: today").text)
    place.attempt(Park("It has no carrier mapping.", "carrier_unmapped", "mapping", missing=(code,)))
    shown = " ".join(place.run("tasks").stdout.split())
    assert r"towpath mappings set acme/bright-main carrier channel_carrier='Joe'\''s: today' oms_carrier='…'" in shown


def test_mapping_the_carrier_lets_what_waited_for_it_go_on(place: Place) -> None:
    place.publish(order_created("1"))
    place.attempt(missing("UPS"))
    place.publish(order_created("2"))
    place.attempt(missing("DHL"))
    done = place.run("mappings", "set", "acme/bright-main", "carrier", "channel_carrier=UPS Ground", "oms_carrier=UPS")
    assert "1 delivery that waited for it went on" in done.stdout
    assert [task["code"] for task in place.json("tasks")] == ["DHL"]
    assert place.attempt(Done("Shipped.")) == 1


def test_a_code_that_is_ignored_closes_what_waited_for_it_with_that_reason(place: Place) -> None:
    place.publish(order_created("1"))
    place.attempt(missing("UPS"))
    (task,) = place.json("tasks")
    assert "1 that waited for it is closed" in place.run("tasks", "--ignore", task["id"]).stdout
    assert place.json("tasks") == []
    (message,) = place.json("messages")
    assert [(each["state"], each["code"]) for each in message["deliveries"]] == [("discarded", "mapping_ignored")]
    again = place.run("tasks", "--ignore", task["id"])
    assert again.exit_code == 3 and "answered before" in again.stderr


def test_no_task_is_good_news(place: Place) -> None:
    result = place.run("tasks")
    assert result.exit_code == 0
    assert "No mapping is missing" in result.stdout
    assert place.json("tasks", "--channel", "elsewhere") == []
