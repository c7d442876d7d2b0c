"""Light load: shipments on an even beat, and how long each takes from publish to committed log row.

The end of an event is the commit time of its log row as PostgreSQL recorded it (``track_commit_timestamp``), its
beginning the moment before it was handed to the broker: the same for every contender, on one clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench import publishing
from bench.contenders import Contender, compare, wait_committed
from bench.measured import Row
from bench.processes import cpu_seconds, largest_mb
from bench.services import Place, Services, query
from bench.work import shipment_event

PER_SECOND = 50.0
WARM = 20

_COMMITTED_AT = """
    SELECT business_key, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM sync_log
"""


def measure(services: Services) -> list[Row]:
    """One row per contender that is installed."""
    if not services.commit_times:
        return [Row("not measured", extra="PostgreSQL needs track_commit_timestamp = on")]
    return compare(services, measure_one, "p50_ms")


def measure_one(services: Services, contender: Contender) -> Row:
    """Twenty seconds of light load."""
    events = services.count(1000, 50)
    with services.place() as place:
        place.shop.set_up(orders=events + WARM)
        with contender.start(place) as processes:
            contender.publish(place, [shipment_event(number) for number in range(1, WARM + 1)])
            wait_committed(place, WARM, 60)
            pids = [process.pid for process in processes]
            cpu = cpu_seconds(pids)
            sent = publishing.publish_steadily(
                place.broker_url,
                contender.shape,
                events,
                PER_SECOND,
                lambda at: contender.message(shipment_event(WARM + 1 + at)),
            )
            wait_committed(place, WARM + events, 120, pause=0.2)
            cpu = cpu_seconds(pids) - cpu
            memory = largest_mb(pids)
        took = _latencies(place, sent)
    return Row(
        contender.name,
        PER_SECOND,
        cpu / events * 1000,
        p50_ms=percentile(took, 0.50),
        p99_ms=percentile(took, 0.99),
        memory_mb=memory,
        extra=f"slowest {took[-1]:.0f} ms",
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that at least this share of them does not exceed (nearest rank)."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _latencies(place: Place, sent: Sequence[float]) -> list[float]:
    """Milliseconds from publish to commit, in order; an order has one shipment, so its number names the event."""
    committed = {int(key): at for key, at in query(place, _COMMITTED_AT)}
    return sorted((committed[WARM + 1 + number] - at) * 1000 for number, at in enumerate(sent))
