"""The whole life of a message on one screen: what came, where it stands, what happened, what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from broker.retry import LADDER_SECONDS
from console.cli.clock import Zone, span
from console.cli.printing import console, tell, words
from domain.moments import utc_now

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from broker.operations import DeliveryRow, LogRow, MessageLife, MessageRow

CAUSES = {
    "mapping": "A mapping is missing",
    "channel": "The channel is disabled",
    "throttled": "The shop asked to slow down",
    "shop_down": "The shop cannot be reached",
    "unauthorized": "The shop refuses the access token",
    "budget": "The budget of API calls is spent",
    "retry": "The last attempt failed",
}
"""Why an open delivery waits, by the cause the ledger keeps."""
SAME = timedelta(seconds=1)
"""A sender's clock is only worth a line where it says something else than ours."""


def about(event: str, key: str) -> str:
    """What an event is about, in words: ``order 4711``, ``SKU MUG-1``."""
    if not key:
        return event
    if event.startswith(("order.", "shipment.")):
        return f"order {key}"
    if event.startswith("stock."):
        return f"SKU {key}"
    return f"schedule {key}" if event.startswith("tick.") else key


def show_life(life: MessageLife, zone: Zone) -> None:
    """Print it."""
    out = console()
    out.print(words(("Message ", "bold"), (life.message.id, "bold")))
    out.print(_what_came(life.message, zone))
    out.print()
    out.print(words(("Where it stands", "bold")))
    out.print(_where_it_stands(life.message, zone))
    out.print()
    out.print(words(("What happened", "bold"), (f", times in {zone.name}", "dim")))
    out.print(_what_happened(life, zone))
    steps = list(_next_steps(life.message))
    for sentence in ["", *steps] if steps else []:
        tell(sentence)


def _grid(*widths: int) -> Table:
    from rich.table import Table  # noqa: PLC0415 - loaded only where something is drawn

    made = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    for width in widths:
        made.add_column(min_width=width, no_wrap=True, vertical="top")
    made.add_column(overflow="fold")
    return made


def _what_came(row: MessageRow, zone: Zone) -> Table:
    made = _grid(12)
    where = f"channel {row.account}/{row.channel}" if row.channel else f"account {row.account}, all channels"
    facts = [("Event", f"{row.type}, {about(row.type, row.business_key)}, {where}")]
    facts.append(
        (
            "Received",
            f"{zone.full(row.received_at)} from {row.source} ({row.trigger}), event id {row.event_id}",
        )
    )
    if row.event_time is not None and abs(row.received_at - row.event_time) > SAME:
        facts.append(("Happened", f"{zone.full(row.event_time)} by the sender's clock"))
    if row.correlation_id:
        facts.append(("Correlation", row.correlation_id))
    if row.copies:
        facts.append(
            (
                "Copies",
                f"came {row.copies} more {'time' if row.copies == 1 else 'times'}; nothing was done twice",
            )
        )
    for name, text in facts:
        made.add_row(words((f"  {name}", "dim")), words(text))
    return made


def _where_it_stands(row: MessageRow, zone: Zone) -> Table:
    made = _grid(12)
    if not row.deliveries:
        made.add_row(words("  nowhere"), words("No enabled channel of the account takes this event."))
    for delivery in row.deliveries:
        tries = f"{delivery.attempts} {'attempt' if delivery.attempts == 1 else 'attempts'}"
        used = f", {delivery.failures} of {len(LADDER_SECONDS)} retries used" if delivery.failures else ""
        where = f"{delivery.job} → {delivery.channel}"
        which = (f"delivery {delivery.id}, {tries}{used}", "dim")
        made.add_row(
            words("  ", (delivery.state, delivery.state)),
            words(where, "\n", standing(delivery, zone), "\n", which),
        )
    return made


def standing(delivery: DeliveryRow, zone: Zone) -> str:
    """Why a delivery is in its state and until when, in one or two sentences."""
    told = delivery.sentence
    match delivery.state:
        case "waiting":
            return f"Waits{_until(delivery, zone)}. {told or _cause(delivery)}"
        case "parked":
            return f"Parked until somebody acts. {told or _cause(delivery)}"
        case "behind":
            return f"Waits behind an earlier delivery of the same line: none may overtake. {told}".strip()
        case "ready":
            return f"Due now; the next free consumer takes it. {told}".strip()
        case "running":
            return "A consumer works on it right now."
        case "superseded":
            by = f" Superseded by delivery {delivery.superseded_by}." if delivery.superseded_by else ""
            return f"{told}{by}".strip()
        case _:
            ended = f" ({zone.short(delivery.settled_at)})" if delivery.settled_at is not None else ""
            return f"{told or delivery.code or delivery.state}{ended}"


def _cause(delivery: DeliveryRow) -> str:
    return f"{CAUSES.get(delivery.cause, delivery.cause or 'It is not due yet')}."


def _until(delivery: DeliveryRow, zone: Zone) -> str:
    if delivery.due_at is None:
        return ""
    left = (delivery.due_at - utc_now()).total_seconds()
    return f" until {zone.short(delivery.due_at)} (in {span(left)})" if left > 0 else ", due now"


def _what_happened(life: MessageLife, zone: Zone) -> Table:
    made = _grid(14)
    row = life.message
    moments = [(attempt.started_at, _attempt(attempt)) for attempt in life.attempts]
    moments += [
        (each.settled_at, words(f"{each.job} → {each.channel}: ", ("discarded", "discarded"), "\n", each.sentence))
        for each in row.deliveries
        if each.state == "discarded" and each.settled_at is not None
    ]
    # What came is told first even where the clocks of two machines disagree.
    told = [(row.received_at, words(f"Received from {row.source}.")), *sorted(moments, key=lambda entry: entry[0])]
    day = ""
    for moment, text in told:
        if zone.day(moment) != day:
            day = zone.day(moment)
            made.add_row(words((f"  {day}", "dim")), "")
        made.add_row(words(f"  {zone.time(moment)}"), text)
    return made


def _attempt(row: LogRow) -> Text:
    number = f", attempt {row.attempt}" if row.attempt else ""
    level = f", {row.level}" if row.level != "Info" else ""
    took = (row.finished_at - row.started_at).total_seconds()
    counts = ", ".join(f"{count} {name}" for name, count in row.counts.items() if count)
    parts: list[str | tuple[str, str]] = [
        f"{row.job} → {row.channel}{number}: ", (row.outcome, row.outcome),
        (f" ({row.code}{level}{', ' + counts if counts else ''}), {_took(took)}", "dim"), "\n", row.sentence,
    ]  # fmt: skip
    if row.superseded_by:
        parts += ["\n", (f"superseded by delivery {row.superseded_by}", "dim")]
    for call in calls_of(row):
        parts += ["\n", (f"  {call}", "dim")]
    return words(*parts)


def _took(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else span(seconds)


def calls_of(row: LogRow) -> list[str]:
    """The API calls of an attempt, one line each: method, route, status or error, time, size."""
    lines = []
    for call in row.calls:
        answer = " ".join(str(call[name]) for name in ("status", "error") if call.get(name)) or "no answer"
        size = f"{call.get('ms', 0)} ms, {call.get('bytes', 0)} bytes"
        lines.append(f"{call.get('method')} {call.get('route')} → {answer}, {size}")
    return lines


def _next_steps(row: MessageRow) -> Iterable[str]:
    states = {delivery.state for delivery in row.deliveries}
    if states & {"dead", "unknown"}:
        yield f"Next: repair the cause, then: towpath replay {row.id}"
        yield f"Or close it for good: towpath discard {row.id} --reason '…'"
    if any(delivery.state == "parked" and delivery.cause == "mapping" for delivery in row.deliveries):
        yield f"Next: map it (see: towpath tasks). If it does not go on by itself: towpath replay {row.id}"
