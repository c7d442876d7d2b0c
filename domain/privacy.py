"""Personal data of an order: what is erased after the threshold, and what stays (sales channels, section 7).

Facts stay: ids, SKUs, quantities, amounts, times, statuses. All else of a document whose shape nobody promises is taken
for personal: a free text may hold a name as well as a field called name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.envelope import Envelope
from domain.moments import iso

ERASED = "[erased]"
"""Stands where a text of unknown meaning stood."""
MARK = "erasedat"
"""The extension attribute of an event that says when its personal data were erased."""
CLOSED = frozenset({"shipped", "completed", "cancelled"})
"""Statuses of an order from which its threshold is counted; before that, it is counted from its creation."""
MOST_DAYS = 36_500
"""The longest threshold, a hundred years."""
SHORTEST = 4
"""Characters of the shortest value that is looked for in sentences: a shorter one stands in too many words."""

SURE = 8
"""Characters from which on a value is found however its letters are written: a first name may be a common word."""

_NAMED = frozenset({"sku", "upc", "ean", "gtin", "status", "currency", "quantity", "order_number"})
_NAMED_ENDINGS = ("_sku", "_status", "_currency", "_quantity", "_version")
_TIME_ENDINGS = ("_at", "_on", "date")
_AMOUNTS = ("amount", "price", "total", "cost", "tax", "charge", "discount", "weight", "fee", "rate")
_PERSONAL = ("phone", "mobile", "fax", "tel", "mail", "zip", "post", "address", "contact", "birth", "customer", "name")
_CODE = re.compile(r"[\w.:/+-]{1,64}")
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,6})?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]+ ?(Z|UTC|[+-]\d\d:?\d\d)?)?")
_SMALL = 10_000
_ORDER_EVENTS = frozenset({"order.created", "order.updated", "order.cancelled"})
_PERSONS = ("ship_to", "ship_to_contact", "bill_to", "bill_to_contact")
_ATTRIBUTES = frozenset(Envelope.model_fields) | {"dataschema", "tracestate", MARK}


@dataclass(frozen=True, slots=True)
class Threshold:
    """After how many days personal data are erased: of a channel's orders, and of those that came from no channel.

    ``None`` keeps them. ``days`` is what counts for the channel, its own value or else the account's.
    """

    days: int | None
    account_days: int | None


def without_person(document: Mapping[str, Any]) -> dict[str, Any]:
    """A canonical order (:class:`domain.orders.Order` as JSON) of whose buyer nothing is left; still a valid one."""
    kept = {name: {} if name in _PERSONS else value for name, value in document.items()}
    if "notes" in kept:
        kept["notes"] = []
    if "adjustments" in kept:
        kept["adjustments"] = [{**each, "note": ""} for each in kept["adjustments"]]
    return kept


def facts_of(value: Any, name: str = "") -> Any:
    """A platform's own document with its facts only; texts and numbers of unknown meaning are erased."""
    if isinstance(value, Mapping):
        return {key: facts_of(member, str(key).lower()) for key, member in value.items()}
    if isinstance(value, list):
        return [facts_of(member, name) for member in value]
    if value is None or isinstance(value, bool) or _is_fact(value, name):
        return value
    return ERASED if value != "" else value


def _is_fact(value: Any, name: str) -> bool:
    text = str(value)
    if name == "id" or name.endswith(("_id", "_ids")):
        return _CODE.fullmatch(text) is not None and any(each.isdigit() for each in text)
    if any(part in name for part in _PERSONAL):
        return False
    if name in _NAMED or name.endswith(_NAMED_ENDINGS):
        return _CODE.fullmatch(text) is not None
    if name.endswith(_TIME_ENDINGS):
        return _TIME.fullmatch(text) is not None
    if any(part in name for part in _AMOUNTS):
        return _NUMBER.fullmatch(text) is not None
    # A small number is a count or a switch; a longer one may be a postal code or a telephone's.
    return isinstance(value, int | float) and abs(value) < _SMALL


def erased_event(body: bytes, at: datetime) -> bytes | None:
    """An event (CloudEvents JSON) without personal data and marked with when that was; ``None`` where it holds none.

    Raises:
        ValueError: it is no JSON object.
    """
    event = json.loads(body)
    if not isinstance(event, dict):
        raise ValueError("an event is a JSON object")
    kept = {name: value for name, value in event.items() if name in _ATTRIBUTES or not isinstance(value, str)}
    data = event.get("data")
    if isinstance(data, dict):
        kept["data"] = _data(str(event.get("type")), data)
        if "subject" in kept and kept["subject"] != data.get("external_order_id"):
            del kept["subject"]
    if kept == event:
        return None
    return json.dumps({**kept, MARK: iso(at)}, ensure_ascii=False, separators=(",", ":")).encode()


def _data(kind: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    if kind in _ORDER_EVENTS and data.get("order") is not None:
        return {**data, "order": facts_of(data["order"])}
    if kind == "order.status_changed" and data.get("note") is not None:
        return {**data, "note": None}
    if kind == "order.imported":
        return without_person(data)
    return data


def erased_at(envelope: Envelope) -> str | None:
    """When the personal data of an event were erased, as text; ``None`` where it is as it came."""
    found = (envelope.model_extra or {}).get(MARK)
    return found if isinstance(found, str) else None


def personal_values(document: Mapping[str, Any]) -> set[str]:
    """What a canonical order tells of its buyer, in pieces long enough to be looked for in other texts."""
    parts = [document.get(name) for name in (*_PERSONS, "notes")]
    return {text for part in parts for text in _texts(part) if len(text) >= SHORTEST}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _texts(member)
    elif isinstance(value, str):
        yield value.strip()


def without_values(text: str, values: set[str]) -> str:
    """The text with each of these values replaced by :data:`ERASED`."""
    for value in sorted(values, key=len, reverse=True):
        found = rf"(?<!\w){re.escape(value)}(?!\w)"
        text = re.sub(found, ERASED, text, flags=re.IGNORECASE if len(value) >= SURE else 0)
    return text
