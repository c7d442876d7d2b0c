"""Events that were given the same fields share the set of their names, and say the same as before."""

from __future__ import annotations

import json
from typing import Any

from domain.envelope import Envelope, parse
from domain.events import payload_of
from domain.shared_fields import with_shared_fields


def event(number: int, **more: Any) -> Envelope:
    stock = {"sku": f"MUG-{number}", "warehouse": "main", "total": 5, "allocated": 0}
    body = {"id": str(number), "source": "oms", "type": "stock.changed", "data": stock, **more}
    return with_shared_fields(parse(json.dumps(body).encode()))


def test_events_with_the_same_fields_share_the_set_of_their_names() -> None:
    one, other = event(1), event(2)
    assert one.model_fields_set is other.model_fields_set == {"id", "source", "type", "data"}
    first, second = (with_shared_fields(payload_of(each)) for each in (one, other))
    assert first.model_fields_set is second.model_fields_set


def test_events_with_other_fields_keep_their_own() -> None:
    assert event(1).model_fields_set != event(1, account="acme").model_fields_set


def test_names_that_senders_invent_are_not_kept() -> None:
    one, other = event(1, shelf=1), event(2, shelf=2)
    assert one.model_fields_set is not other.model_fields_set
    assert one.model_fields_set == other.model_fields_set == {"id", "source", "type", "data", "shelf"}


def test_a_changed_copy_does_not_change_what_is_shared() -> None:
    one, other = event(1), event(2)
    assert "subject" in one.model_copy(update={"subject": "x"}).model_fields_set
    assert "subject" not in other.model_fields_set
