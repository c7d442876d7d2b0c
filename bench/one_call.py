"""One call per event: a backlog of shipments, worked off by two processes.

All processes are up, connected and warm, then stopped (SIGSTOP) while the backlog is published, and let go at once. The
clock runs from there to the commit of the last log row, CPU time likewise; so starting up counts for nobody.
"""

from __future__ import annotations

import time

from bench.contenders import Contender, compare, wait_committed
from bench.measured import Row
from bench.processes import all_mb, cpu_seconds, largest_mb, paused, processes_of
from bench.services import Place, Services
from bench.work import shipment_event

PATIENCE = 900.0


class WrongEffectError(Exception):
    """The shop does not have exactly the shipments that were asked for."""


def measure(services: Services) -> list[Row]:
    """One row per contender that is installed."""
    return compare(services, measure_one, "per_second")


def measure_one(services: Services, contender: Contender) -> Row:
    """Work off one backlog.

    Raises:
        WrongEffectError: the shop did not get every shipment exactly once.
        WaitedInVainError: it was not worked off in :data:`PATIENCE` seconds.
    """
    events, warm = services.count(20_000, 100), services.count(500, 20)
    with services.place() as place:
        place.shop.set_up(orders=events + warm)
        with contender.start(place) as processes:
            contender.publish(place, [shipment_event(number) for number in range(1, warm + 1)])
            wait_committed(place, warm, 120)
            backlog = [shipment_event(number) for number in range(warm + 1, warm + events + 1)]
            pids = [process.pid for process in processes]
            with paused(processes):
                contender.publish(place, backlog)
                cpu, began = cpu_seconds(pids), time.perf_counter()
            wait_committed(place, warm + events, PATIENCE)
            seconds = time.perf_counter() - began
            cpu = cpu_seconds(pids) - cpu
            memory, together = largest_mb(pids), f"{processes_of(pids)} processes, {all_mb(pids):.0f} MB in all"
        calls = _check(place, warm + events)
    return Row(contender.name, events / seconds, cpu / events * 1000, calls, memory_mb=memory, extra=together)


def _check(place: Place, events: int) -> float:
    """Calls per event; raises WrongEffectError unless every shipment is there once."""
    counters = place.shop.counters()
    if counters["shipments"] != events or counters["duplicates"]:
        raise WrongEffectError(f"{events} shipments were to be made, the shop has {counters}")
    return float(counters["total_calls"] / events)
