"""Time, ids and chance of the whole program under the control of one seed, while a simulation runs."""

from __future__ import annotations

import contextlib
import random
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import structlog

import domain.ids
from tests.simulation.loop import VirtualLoop
from tests.simulation.weather import Weather

START = datetime(2025, 3, 3, 12, 0, tzinfo=UTC)
SLOWED: dict[str, float] = {
    "broker.relay.POLL_SECONDS": 2.0,
    "broker.relay.IDLE_SECONDS": 2.0,
    "broker.relay.RECOVER_SECONDS": 5.0,
    "broker.relay.LEASE_SECONDS": 20.0,
    "broker.sources.POLL_SECONDS": 1.0,
    "broker.sources.LOOK_SECONDS": 3.0,
}
"""What the engine asks for again and again is asked for less often: idle seconds cost real time here."""


def clock_of(loop: VirtualLoop) -> Callable[[], datetime]:
    """The wall clock of the simulation."""
    return lambda: START + timedelta(seconds=loop.time())


TOLD = ("count", "lane", "reason")
"""What of a log event stands in the trace."""


@contextlib.contextmanager
def virtual(loop: VirtualLoop, weather: Weather, seed: object) -> Iterator[None]:
    """Let everybody ask the loop for the time and the seed for chance; the program's log goes into the trace."""
    state = random.getstate()
    random.seed(f"{seed}/random")
    start = int(START.timestamp()) * 1_000_000_000
    changes: list[tuple[Any, str, Any]] = [
        (time, "monotonic", loop.time),
        (time, "perf_counter", loop.time),
        (time, "process_time", lambda: loop.time() / 4),
        (time, "time_ns", lambda: start + int(loop.time() * 1e9)),
        (secrets, "randbits", random.Random(f"{seed}/ids").getrandbits),
        (domain.ids, "_last", 0),
    ]
    for place, slow in SLOWED.items():
        module, _, name = place.rpartition(".")
        changes.append((import_module(module), name, slow))
    before = [(where, name, getattr(where, name)) for where, name, _ in changes]
    configured = structlog.get_config()
    structlog.configure(processors=[_into(weather)], cache_logger_on_first_use=False)
    for where, name, value in changes:
        setattr(where, name, value)
    try:
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)
        random.setstate(state)
        structlog.configure(**configured)


def _into(weather: Weather) -> structlog.typing.Processor:
    def write(_logger: Any, level: str, event: Any) -> Any:
        about = " ".join(f"{name}={event[name]}" for name in TOLD if name in event)
        weather.note(f"log       {event['event']} {about}".rstrip())
        if level in ("error", "exception") or event.get("exc_info"):
            weather.surprises.append(event["event"])
        raise structlog.DropEvent

    return write
