from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from broker.ledger import Admission, Verdict
from broker.meters import Meters
from domain.errors import UnknownName
from domain.outcomes import Effects, FollowUp
from domain.states import DeliveryState
from domain.synclog import ApiCall, Level
from tests.broker.samples import AT, delivery


def verdict(outcome: str = "Done", **more: Any) -> Verdict:
    state = DeliveryState.OPEN if outcome in ("Retry", "Park") else DeliveryState.DONE
    return Verdict(delivery(), state, outcome, Level.INFO, "ok", "It is so.", AT, AT + timedelta(seconds=3), **more)


def value(meters: Meters, name: str, **labels: str) -> float:
    return meters.registry.get_sample_value(name, labels) or 0.0


def settled(verdicts: Sequence[Verdict]) -> Meters:
    meters = Meters()
    meters.settled(verdicts)
    return meters


def test_events_taken_in_are_counted_by_their_result() -> None:
    meters = Meters()
    refused = Admission(error=UnknownName("There is no account."))
    meters.admitted([Admission("m-1"), Admission("m-2"), Admission("m-1", duplicate=True), refused], rejected=2)
    found = {result: value(meters, "towpath_events_in_total", result=result) for result in _RESULTS}
    assert found == {"accepted": 2, "duplicate": 1, "refused": 1, "rejected": 2}


ARRIVED = "towpath_deliveries_admitted_total"
_RESULTS = ("accepted", "duplicate", "refused", "rejected")


def test_attempts_are_counted_by_job_and_outcome() -> None:
    meters = settled([verdict(), verdict(), verdict("Retry")])
    assert value(meters, "towpath_deliveries_settled_total", job="order_import", outcome="Done") == 2
    assert value(meters, "towpath_deliveries_settled_total", job="order_import", outcome="Retry") == 1
    assert value(meters, "towpath_retries_total", job="order_import") == 1


def test_a_wait_that_is_not_logged_is_not_counted() -> None:
    meters = settled([verdict("Park", logged=False)])
    assert value(meters, "towpath_deliveries_settled_total", job="order_import", outcome="Park") == 0


def test_calls_are_counted_by_the_class_of_their_status_and_without_one() -> None:
    calls = tuple(ApiCall("GET", "/orders", status, 1, 1) for status in (200, 201, 404, 503, None))
    meters = settled([verdict(calls=calls)])
    found = {name: value(meters, "towpath_api_calls_total", job="order_import", status=name) for name in _CLASSES}
    assert found == {"2xx": 2, "4xx": 1, "5xx": 1, "none": 1}


_CLASSES = ("2xx", "4xx", "5xx", "none")


def test_the_time_of_a_delivery_is_measured_when_it_is_final() -> None:
    meters = settled([verdict(), verdict("Retry"), verdict("Park")])
    assert value(meters, "towpath_delivery_seconds_count", job="order_import") == 1
    assert value(meters, "towpath_delivery_seconds_sum", job="order_import") == 3.0


def test_the_work_an_outcome_makes_is_counted_as_arrived() -> None:
    effects = Effects(follow_ups=(FollowUp("order.created", "e-1", {}), FollowUp("stock.changed", "e-2", {})))
    meters = settled([verdict(effects=effects)])
    assert value(meters, ARRIVED, job="order_import") == 1
    assert value(meters, ARRIVED, job="inventory_export") == 1


def test_no_order_number_or_id_is_ever_a_label() -> None:
    meters = settled([verdict(calls=(ApiCall("GET", "/orders/{id}", 200, 1, 1),))])
    labels = {text for family in meters.registry.collect() for each in family.samples for text in each.labels.values()}
    assert not labels & {"4711", "d-1", "m-1", "bright"}


def test_two_processes_in_one_do_not_share_their_counters() -> None:
    first, second = Meters(), Meters()
    first.ticks.inc()
    assert value(second, "towpath_ticks_total") == 0
