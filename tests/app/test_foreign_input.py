"""What any AMQP client may throw at the exchange: good events work, bad ones become rejected messages, nothing
stops.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from domain.envelope import MAX_BODY_BYTES
from domain.moments import iso, utc_now
from tests.app.foreign import publish, publish_oddly
from tests.app.harness import ACCOUNT, CHANNEL, Office, Stack, eventually
from tests.app.shop import ROOT
from tests.app.workload import depths, stock_event

pytestmark = pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)

KEY = f"stock.changed.{ACCOUNT}.all"
STOCK: Mapping[str, Any] = {"sku": "X", "warehouse": "main", "total": 5, "allocated": 0}


def envelope(**changed: object) -> bytes:
    """A stock event with some attributes changed; None leaves one out."""
    whole = {"specversion": "1.0", "id": "bad", "source": "oms", "type": "stock.changed", "account": ACCOUNT}
    members = {**whole, "data": STOCK, **changed}
    return json.dumps({name: value for name, value in members.items() if value is not None}).encode()


BAD: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{order: 1", "not_json"),
    "not UTF-8": (b'{"id": "\xff\xfe"}', "not_utf8"),
    "nothing at all": (b"", "not_json"),
    "too large": (envelope(pad="x" * MAX_BODY_BYTES), "body_too_large"),
    "without an id": (envelope(id=None), "invalid_envelope"),
    "without a source": (envelope(source=None), "invalid_envelope"),
    "without a type": (envelope(type=None), "invalid_envelope"),
    "without an account": (envelope(account=None), "account_missing"),
    "unknown type": (envelope(type="order.teleported"), "unknown_type"),
    "payload of another shape": (envelope(data={"sku": 5}), "invalid_payload"),
    "negative quantity": (envelope(data={**STOCK, "total": -5}), "invalid_payload"),
    "unknown account": (envelope(account="nobody"), "unknown_account"),
    "unknown channel": (envelope(channel="nowhere"), "unknown_channel"),
    "clock far ahead": (envelope(time=iso(utc_now() + timedelta(days=400))), "clock_far_off"),
}


def test_the_documented_envelope_alone_is_all_that_a_foreign_client_needs(stack: Stack, office: Office) -> None:
    order_id = str(stack.shop.buy(1)[0]["order_id"])
    example = json.loads((ROOT / "docs/contract/examples/order.created.json").read_text())
    example.update(account=ACCOUNT, channel=CHANNEL, data={"external_order_id": order_id})
    stack.start("up")
    publish(_url(stack), f"order.created.{ACCOUNT}.{CHANNEL}", json.dumps(example).encode())
    eventually(lambda: len(office.logs(business_key=order_id)) == 1, 30, "the order is imported")
    (row,) = office.logs(business_key=order_id)
    assert (row.job, row.outcome, row.code) == ("order_import", "Done", "ok")


def test_each_bad_message_becomes_a_rejected_one_with_its_reason_and_the_queue_flows_on(
    stack: Stack, office: Office
) -> None:
    sku = stack.shop.skus()[0]
    stack.start("up")
    for body, _ in BAD.values():
        publish(_url(stack), KEY, body)
    publish(_url(stack), "nobody.listens.here", envelope())
    publish(_url(stack), KEY, stock_event(sku, 1, 77).to_json())
    publish(_url(stack), KEY, stock_event(sku, 1, 78).to_json())
    expected = sorted([*(code for _, code in BAD.values()), "identity_conflict", "unrouted"])
    eventually(lambda: office.numbers().rejected >= len(expected), 30, "all bad messages are filed")
    rejected = office.ask(office.house.operations.desk.rejected(100))
    assert sorted(row.code for row in rejected) == expected
    assert all(len(row.sentence) > 20 for row in rejected), [row.sentence for row in rejected]
    eventually(lambda: stack.shop.stock()[sku] == 77, 30, "the good event behind them reached the shop")
    eventually(lambda: not any(depths(stack, office).values()), 20, "the queues are empty")


def test_a_rejected_message_that_comes_again_is_counted_and_not_filed_twice(stack: Stack, office: Office) -> None:
    stack.start("up")
    for _ in range(3):
        publish(_url(stack), KEY, b"{order: 1")
    eventually(lambda: office.numbers().rejected == 3, 30, "it was seen three times")
    (row,) = office.ask(office.house.operations.desk.rejected(100))
    assert (row.seen, row.excerpt) == (3, "{order: 1")


ODD: dict[str, dict[str, Any]] = {
    "key": {"routing_key": KEY.encode()[:-3] + b"\xff"},
    "content type": {"content_type": b"\xff"},
    "message id": {"message_id": b"\xff"},
    "header": {"headers": {b"\xff": b"\xfe", "cloudEvents:id": b"\xff"}},
}
"""Where a client may put bytes that are no UTF-8, though AMQP calls them strings."""


def test_bytes_that_are_no_text_stop_nothing_wherever_they_stand(stack: Stack, office: Office) -> None:
    stack.start("up")
    for name, odd in ODD.items():
        publish_oddly(_url(stack), **{"routing_key": KEY.encode(), "body": envelope(id=name), **odd})
        publish_oddly(_url(stack), **{"routing_key": KEY.encode(), "body": b"no event", **odd})
    publish(_url(stack), KEY, stock_event("MUG-1", 7, 1).to_json())
    eventually(lambda: len(office.logs(business_key="MUG-1")) == 1, 30, "the good event after them is worked off")
    eventually(lambda: office.numbers().rejected > len(ODD), 30, "what is no event is filed")


def _url(stack: Stack) -> str:
    return stack.settings.broker_url.get_secret_value()
