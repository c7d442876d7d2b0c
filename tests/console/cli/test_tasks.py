"""Missing mappings."""

from __future__ import annotations

from domain.outcomes import Done, Park
from tests.console.cli.support import Place, order_created

UPS = Park("Carrier 'UPS' has no shipping method.", "carrier_unmapped", "mapping")
DHL = Park("Carrier 'DHL' has no shipping method.", "carrier_unmapped", "mapping")


def test_one_task_for_each_thing_to_map_with_what_it_blocks(place: Place) -> None:
    place.publish(order_created("1"))
    place.attempt(DHL)
    place.publish(order_created("2"), order_created("3"))
    place.attempt(UPS)
    place.publish(order_created("4"))
    place.attempt(Park("The channel waits.", "channel_disabled", "channel"))
    tasks = place.json("tasks")
    assert [(task["sentence"], task["count"], task["business_keys"]) for task in tasks] == [
        (UPS.sentence, 2, ["2", "3"]),
        (DHL.sentence, 1, ["1"]),
    ]
    assert tasks[0]["channel"] == "bright-main"
    assert tasks[0]["oldest"].endswith("Z")


def test_a_task_is_told_with_the_command_that_solves_it(place: Place) -> None:
    place.publish(order_created("1"))
    place.attempt(UPS)
    shown = place.run("tasks", "--channel", "acme/bright-main").stdout
    assert UPS.sentence in shown
    assert "towpath channels settings acme/bright-main carriers.ups=" in shown


def test_mapping_the_carrier_lets_what_waited_go_on(place: Place) -> None:
    place.publish(order_created("1"))
    place.attempt(UPS)
    assert place.run("channels", "settings", "acme/bright-main", "carriers.ups=UPS Ground").exit_code == 0
    assert place.json("tasks") == []
    assert place.attempt(Done("Shipped.")) == 1


def test_no_task_is_good_news(place: Place) -> None:
    result = place.run("tasks")
    assert result.exit_code == 0
    assert "No mapping is missing" in result.stdout
    assert place.json("tasks", "--channel", "elsewhere") == []
