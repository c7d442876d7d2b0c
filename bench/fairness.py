"""Fairness: how long one channel's events take alone, and beside a backlog, a throttled and a dead channel.

The other channels' deliveries are admitted before and held back until the processes are up and warm; then they are let
go at once, and twenty seconds of an even beat begin on the channel that is measured. Latency is from publish to
committed log row, as PostgreSQL recorded it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench import publishing
from bench.contenders import TOWPATH
from bench.light import percentile
from bench.measured import Row
from bench.processes import cpu_seconds, wait_for
from bench.services import Place, Services, counting, query
from bench.towpath import Towpath, channel_code, running, set_up, settings_of
from bench.work import shipment_event
from broker.transports.seam import Outgoing

PER_SECOND = 20.0
SECONDS = 20.0
WARM = 40
BACKLOG = 50_000
WAITING = 2_000
"""Deliveries of the throttled and of the dead channel."""
CALL_SECONDS = "5"
"""How long a call to the dead channel hangs: closing, probing and closing again happen while it counts."""

MEASURED, BUSY, THROTTLED, DEAD = range(4)
MOODS = ("", "", "throttle", "hang")
_HOUR = 3_600_000_000
_COMMITTED_AT = """
    SELECT business_key, extract(epoch FROM pg_xact_commit_timestamp(sync_log.xmin))::float8
    FROM sync_log JOIN channels ON channels.id = sync_log.channel_id WHERE channels.code = %s"""
_LOGGED = "SELECT count(*) FROM sync_log JOIN channels ON channels.id = sync_log.channel_id WHERE channels.code = '{}'"
_OPEN = """
    SELECT count(*), count(*) FILTER (WHERE failures > 0), coalesce(max(failures), 0)
    FROM deliveries JOIN channels ON channels.id = channel_id WHERE state = 'open' AND channels.code = %s"""


class UnfairError(Exception):
    """Work of a throttled or dead channel did not wait, or its waiting was counted as failures.

    What a call that hung after it was sent costs is told: it may have written, which counts as a failure.
    """


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens beside the channel that is measured: how many deliveries wait on each of the others."""

    name: str
    waiting: dict[int, int]


def scenes(services: Services) -> tuple[Scene, ...]:
    """Alone, each disturbance by itself, all together; a quick run keeps the first and the last."""
    busy, some = services.count(BACKLOG, 200), services.count(WAITING, 20)
    every = (
        Scene("alone", {}),
        Scene("beside a backlog", {BUSY: busy}),
        Scene("beside a throttled channel", {THROTTLED: some}),
        Scene("beside a dead channel", {DEAD: some}),
        Scene("beside all three", {BUSY: busy, THROTTLED: some, DEAD: some}),
    )
    return (every[0], every[-1]) if services.quick else every


def measure(services: Services) -> list[Row]:
    """One row per scene; the ratio in ``extra`` is that of its p99 to the p99 alone.

    Raises:
        UnfairError: a delivery that waited for its shop lost an attempt.
        WaitedInVainError: the measured channel's events were not settled within two minutes.
    """
    if not services.commit_times:
        return [Row("not measured", extra="PostgreSQL needs track_commit_timestamp = on")]
    rows: list[Row] = []
    for scene in scenes(services):
        tried = [measure_one(services, scene) for _ in range(services.rounds)]
        row = sorted(tried, key=lambda each: each.p99_ms or 0.0)[services.rounds // 2]
        alone = (rows[0] if rows else row).p99_ms or 1.0
        ratio = (row.p99_ms or 0.0) / alone
        rows.append(replace(row, extra=f"{ratio:.1f} x alone; {row.extra}"))
    return rows


def measure_one(services: Services, scene: Scene) -> Row:
    """The even beat on one channel while the others are as the scene says."""
    events = services.count(int(PER_SECOND * SECONDS), 20)
    first = WARM + events + 1
    with services.place(ports=len(MOODS)) as place:
        place.shop.set_up(orders=first + sum(scene.waiting.values()), moods=MOODS)
        settings = set_up(place)
        _wait_in_line(place, scene, first)
        with running(place, settings, TOWPATH_CALL_SECONDS=CALL_SECONDS) as towpath:
            publishing.publish(place.broker_url, TOWPATH.shape, [_event(MEASURED, at) for at in range(1, WARM + 1)])
            _wait_logged(place, WARM)
            began, cpu = time.monotonic(), cpu_seconds(towpath.pids)
            _due(place, 0)
            sent = publishing.publish_steadily(
                place.broker_url, TOWPATH.shape, events, PER_SECOND, lambda at: _event(MEASURED, WARM + 1 + at)
            )
            _wait_logged(place, WARM + events)
            told = _told(place, scene, towpath, time.monotonic() - began, cpu)
        took = _latencies(place, sent)
    return Row(
        f"Towpath, {scene.name}",
        PER_SECOND,
        p50_ms=percentile(took, 0.50),
        p99_ms=percentile(took, 0.99),
        extra=f"slowest {took[-1]:.0f} ms{told}",
    )


def _wait_in_line(place: Place, scene: Scene, first: int) -> None:
    """Admit what the scene asks for, by a process that does not work on it, and hold it back."""
    if not scene.waiting:
        return
    events: list[Outgoing] = []
    for channel, count in scene.waiting.items():
        events += [_event(channel, first + len(events) + at) for at in range(count)]
    with running(place, settings_of(place, place.folder), roles=(("relay",),)):
        publishing.publish(place.broker_url, TOWPATH.shape, events)
        with counting(place, "SELECT count(*) FROM deliveries") as admitted:
            wait_for(lambda: admitted() >= len(events), 300, f"{len(events)} events are admitted", pause=0.2)
    _due(place, _HOUR)
    query(place, "VACUUM ANALYZE")


def _due(place: Place, later: int) -> None:
    """Let all lanes become due in so many microseconds."""
    now = time.time_ns() // 1000
    query(place, "UPDATE lanes SET due_at = %s + %s", now, later)


def _event(channel: int, number: int) -> Outgoing:
    return TOWPATH.message({**shipment_event(number), "channel": channel_code(channel)})


def _wait_logged(place: Place, rows: int) -> None:
    with counting(place, _LOGGED.format(channel_code(MEASURED))) as logged:
        wait_for(lambda: logged() >= rows, 120, f"{rows} events of the measured channel are logged", pause=0.2)


def _told(place: Place, scene: Scene, towpath: Towpath, seconds: float, cpu: float) -> str:
    """What became of the others meanwhile."""
    used = (cpu_seconds(towpath.pids) - cpu) / seconds
    words = f", {used:.2f} cores used"
    for channel, count in scene.waiting.items():
        ((left, spent, most),) = query(place, _OPEN, channel_code(channel))
        if channel == BUSY:
            words += f", backlog worked off at {(count - left) / seconds:,.0f}/s, {left:,} left"
        elif left != count or (channel == THROTTLED and spent):
            raise UnfairError(f"{channel_code(channel)}: {left} of {count} wait, with up to {most} failures each.")
        else:
            words += f", {spent} of the dead channel's calls failed, {most} times at most" if spent else ""
    return words


def _latencies(place: Place, sent: Sequence[float]) -> list[float]:
    """Milliseconds from publish to commit, in order."""
    committed = {int(key): at for key, at in query(place, _COMMITTED_AT, channel_code(MEASURED))}
    return sorted((committed[WARM + 1 + number] - at) * 1000 for number, at in enumerate(sent))
