"""F21, F22: a shop that throttles, fails, hangs, breaks off or talks nonsense gets each thing once all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from broker.operations import LogRow, NewChannel
from domain.envelope import Envelope
from tests.app.conftest import DISTRIBUTED
from tests.app.harness import ACCOUNT, CHANNEL, PACE, Child, Office, Stack, address_of, eventually, set_up
from tests.app.workload import Work, event, order_events, parcel_events, stock_event
from tests.faults.judging import judge
from tests.faults.proxy import DOWN, UP, Proxy
from tests.faults.signs import said
from tests.faults.wires import Wires, shop_by_way_of

pytestmark = pytest.mark.timeout(300)

SECOND = "bright-second"
RETRY_AFTER = 10
GRACE = 1.0
"""Seconds after a 429 in which a call may still arrive that was under way when the shop said it."""
QUICK_SECONDS = "2"


def start(stack: Stack, consumers: int = 1, **environment: str) -> tuple[Child, list[Child]]:
    """All roles but the timer; who takes events in over HTTP, and who works."""
    if stack.embedded:
        one = stack.start("up", **environment).works()
        return one, [one]
    stack.start("relay", **environment)
    workers = [stack.start("consume", **environment) for _ in range(consumers)]
    return stack.start("serve", **environment), [worker.works() for worker in workers]


def two_channels(stack: Stack, wires: Wires) -> Office:
    """A second channel beside the usual one: the same shop by way of a proxy, with a token of its own."""
    hosts = wires.environment["TOWPATH_ALLOWED_HOSTS"]
    stack.settings = stack.settings.model_copy(update={"allowed_hosts": hosts})
    office = set_up(stack)
    stack.shop.control("POST", "tokens", {"label": "second", "value": "second-value", "permission": "read_write"})
    new = NewChannel(ACCOUNT, SECOND, "Second", "bright_sites", wires.shop.address, "second-value", PACE)
    office.ask(office.house.operations.create_channel(new))
    return office


def to_second(events: Sequence[Envelope]) -> list[Envelope]:
    """The same events for the second channel."""
    return [each.model_copy(update={"channel": SECOND}) for each in events]


def open_of(office: Office, channel: str) -> list[tuple[str, str]]:
    """State and cause of the lanes of a channel, whose heads they are."""
    query = """
        SELECT DISTINCT lanes.state, deliveries.cause FROM lanes JOIN channels ON channels.id = lanes.channel_id
        JOIN deliveries ON deliveries.lane = lanes.key AND deliveries.state = 'open' WHERE channels.code = :code
    """
    return [(str(state), str(cause)) for state, cause in office.sql(query, code=channel)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stack", "consumers"),
    [
        pytest.param("embedded", 1, id="journal-sqlite"),
        pytest.param("distributed", 2, id="rabbitmq-postgresql", marks=DISTRIBUTED.marks),
    ],
    indirect=["stack"],
)
def test_F21_a_429_stops_its_channel_for_as_long_as_the_shop_asked_and_no_other(
    stack: Stack, wires: Wires, consumers: int
) -> None:
    office = two_channels(stack, wires)
    orders = stack.shop.buy(16)
    throttled = Work(over_http=[each for order in orders[:8] for each in order_events(order)])
    others = Work(over_http=to_second([each for order in orders[8:] for each in order_events(order)]))
    door, workers = start(stack, consumers)
    stack.shop.slow_down(250)
    stack.shop.fault("throttle", token="read-write", retry_after=RETRY_AFTER, times=1)
    throttled.send_over_http(address_of(door), office.key)
    eventually(lambda: bool(stack.shop.calls(status="429")), 30, "the shop says 429")
    stack.shop.slow_down(0)
    others.send_over_http(address_of(door), office.key)
    eventually(lambda: not open_of(office, SECOND), RETRY_AFTER - 2, "the other channel is done meanwhile")
    waiting = open_of(office, CHANNEL)
    assert ("waiting", "throttled") in waiting, waiting
    (closed,) = [line for worker in workers for line in said(worker, "gate_closed", cause="throttled")]
    assert closed["seconds"] == RETRY_AFTER
    judge(stack, office, Work(over_http=[*throttled.over_http, *others.over_http]))
    (said_429,) = stack.shop.calls(status="429")
    begun = [call["monotonic"] - said_429["monotonic"] for call in stack.shop.calls(token="read-write")]
    assert not [moment for moment in begun if GRACE < moment < RETRY_AFTER], sorted(begun)
    assert not office.sql("SELECT 1 FROM deliveries WHERE failures > 0")
    assert {row.outcome for row in office.logs(code="shop_throttled")} == {"Park"}


@dataclass(frozen=True)
class Trouble:
    """One way for a call to fail: what the log calls it, and whether the shop did what it was asked all the same."""

    fault: Mapping[str, Any]
    code: str
    written: bool = False
    final: bool = field(default=False)
    """Whether the shop understood and refused, so that only a person lets it be tried again."""


def _troubles(broken: str, nonsense: str) -> list[Trouble]:
    """All of them; ``broken`` is what a broken call is called, ``nonsense`` an answer that cannot be read."""
    hang = {"kind": "hang", "seconds": 20}
    return [
        Trouble({"kind": "server_error"}, broken),
        Trouble({"kind": "server_error", "status": 503, "after_write": True}, broken, written=True),
        Trouble(hang, broken),
        Trouble({**hang, "after_write": True}, broken, written=True),
        Trouble({"kind": "reset_before"}, broken),
        Trouble({"kind": "reset_after"}, broken, written=True),
        Trouble({"kind": "half_body"}, broken, written=True),
        Trouble({"kind": "wrong_json"}, nonsense),
        Trouble({"kind": "wrong_json", "after_write": True}, nonsense, written=True),
        Trouble({"kind": "html", "after_write": True}, nonsense, written=True),
        Trouble({"kind": "error_body"}, "shop_rejected", final=True),
        Trouble({"kind": "error_body", "after_write": True}, "shop_rejected", written=True, final=True),
    ]


@dataclass(frozen=True)
class Operation:
    """A call of a connector, the event that leads to it, and what its ends are called."""

    method: str
    path: str
    broken: str
    nonsense: str

    def event(self, order: Mapping[str, Any]) -> Envelope:
        """The event that makes the call for an order."""
        order_id = str(order["order_id"])
        if self.method == "POST":
            return parcel_events(order)[0]
        if self.method == "PUT":
            data = {"external_order_id": order_id, "status": "in_progress"}
            return event("oms", f"status/{order_id}", "order.status_changed", data)
        return order_events(order)[0]


OPERATIONS = {
    "unsafe": Operation("POST", "/orders/{}/shipments$", "outcome_unknown", "outcome_unknown"),
    "set": Operation("PUT", "/orders/{}$", "shop_down", "unreadable_answer"),
    "read": Operation("GET", "/orders/{}$", "shop_down", "unreadable_answer"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(OPERATIONS))
def test_F22_whatever_a_shop_does_to_a_call_is_named_tried_again_and_happens_once(
    stack: Stack, office: Office, kind: str
) -> None:
    operation = OPERATIONS[kind]
    troubles = _troubles(operation.broken, operation.nonsense)
    orders = stack.shop.buy(3 * len(troubles))
    for order, trouble in zip(orders, troubles, strict=False):
        path = operation.path.format(order["order_id"])
        stack.shop.fault(method=operation.method, path=path, **trouble.fault)
    # Two healthy orders after each troubled one: a shop of which every call fails counts as down.
    mixed = [orders[at // 3 if at % 3 == 0 else len(troubles) + at - at // 3 - 1] for at in range(len(orders))]
    work = Work(over_http=[operation.event(order) for order in mixed])
    door, _ = start(stack, TOWPATH_CALL_SECONDS=QUICK_SECONDS)
    work.send_over_http(address_of(door), office.key, batch=len(orders))
    release_the_refused(office, sum(trouble.final for trouble in troubles))
    judge(stack, office, work)
    for order, trouble in zip(orders, troubles, strict=False):
        judge_one(stack, office, operation, str(order["order_id"]), trouble)


def release_the_refused(office: Office, expected: int) -> None:
    """Replay what the shop refused, once nothing else is left."""
    eventually(lambda: office.numbers().deliveries.get("dead", 0) == expected, 60, f"{expected} are refused")
    eventually(lambda: not sum(office.numbers().lanes.values()), 60, "the others are settled")
    dead = [delivery for (delivery,) in office.sql("SELECT id FROM deliveries WHERE state = 'dead'")]
    assert len(dead) == expected
    assert office.ask(office.house.operations.desk.replay(dead)) == expected


def attempts(office: Office, operation: Operation, order_id: str) -> list[LogRow]:
    """The attempts for an order that made the call, oldest first."""
    rows = [row for row in office.logs(business_key=order_id) if row.calls]
    return sorted(rows, key=lambda row: row.attempt)


def judge_one(stack: Stack, office: Office, operation: Operation, order_id: str, trouble: Trouble) -> None:
    """The trouble has its name in the log, the call was made again only where that is right, and it had one effect."""
    first, *_, last = attempts(office, operation, order_id)
    assert first.code == trouble.code, (trouble, first.sentence)
    assert first.outcome in (["Dead"] if trouble.final else ["Retry", "Park"]), (trouble, first)
    assert last.outcome == "Done", (trouble, last)
    end = operation.path.format(order_id).removesuffix("$")
    ours = [call for call in stack.shop.calls(method=operation.method) if call["path"].endswith(end)]
    if operation.method == "POST":
        assert last.code == ("recovered" if trouble.written else "ok"), (trouble, last)
        assert len(ours) == (1 if trouble.written else 2), (trouble, ours)
        assert last.calls[0]["method"] == "GET", "it looked into the shop before it wrote again"
    else:
        assert len(ours) == 2, (trouble, ours)


@pytest.mark.slow
def test_F22_stock_that_a_shop_answers_wrongly_for_each_product_is_written_again_until_it_stands(
    stack: Stack, office: Office
) -> None:
    products = {sku.split("-")[0]: sku for sku in stack.shop.skus()}
    troubles = [each for each in _troubles("shop_down", "unreadable_answer") if not each.written]
    for trouble in troubles:
        stack.shop.fault(method="PUT", path="batch_update$", **trouble.fault)
    quantities = {sku: {1: 200 + at} for at, sku in enumerate(products.values())}
    work = Work([stock_event(sku, 1, levels[1]) for sku, levels in quantities.items()], quantities=quantities)
    door, _ = start(stack, TOWPATH_CALL_SECONDS=QUICK_SECONDS)
    work.send_over_http(address_of(door), office.key)
    release_the_refused(office, 1)
    judge(stack, office, work)
    codes = {row.code for row in office.logs()}
    assert {"shop_down", "unreadable_answer", "shop_rejected", "ok"} <= codes


def cut_upwards(proxy: Proxy) -> None:
    """Half of the request arrives."""
    proxy.cut(UP, after=100)


def cut_downwards(proxy: Proxy) -> None:
    """Half of the answer arrives."""
    proxy.cut(DOWN, after=20)


def hold_the_answer(proxy: Proxy) -> None:
    """The request arrives and its answer does not."""
    proxy.black_hole(DOWN)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [cut_upwards, cut_downwards, hold_the_answer])
def test_F22_a_connection_that_breaks_under_a_call_leads_to_a_look_into_the_shop_and_one_shipment(
    stack: Stack, wires: Wires, harm: Callable[[Proxy], None]
) -> None:
    shop = stack.shop
    stack.settings = stack.settings.model_copy(update={"allowed_hosts": wires.environment["TOWPATH_ALLOWED_HOSTS"]})
    stack.shop = shop_by_way_of(wires.shop, shop)
    office = set_up(stack)
    work = Work(over_http=[parcel_events(shop.buy(1, lines=1)[0])[0]])
    door, _ = start(stack, TOWPATH_CALL_SECONDS=QUICK_SECONDS)
    harm(wires.shop)
    work.send_over_http(address_of(door), office.key)
    eventually(lambda: bool(office.logs(code="outcome_unknown")), 30, "nobody knows what became of it")
    wires.shop.heal()
    judge(stack, office, work)
    first, last = sorted(office.logs(), key=lambda row: row.attempt)
    assert (first.outcome, last.outcome) == ("Retry", "Done")
    assert last.code == ("ok" if harm is cut_upwards else "recovered")
    assert len([call for call in shop.calls(method="POST") if call["effects"]]) == 1
