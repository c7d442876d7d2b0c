"""Memory and connections while it lasts, and whether they stay flat."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.app.harness import Child, Office
from tests.services.process import ServerFailedError

DESCRIPTORS = "file descriptors"
GROWTH_SHARE = 0.10
GROWTH_LEAST = 8.0
SOCKETS = 16.0
"""Connections to the shop come and go with the work in hand."""
FEWEST = 8
WARM_SECONDS = 8.0
"""What a process has at work it has not yet right after its start."""
CONNECTIONS_EVERY = 6


@dataclass(frozen=True)
class Trend:
    """One thing measured over the run: the median of its second quarter and of its last."""

    what: str
    early: float
    late: float
    most: float
    samples: int

    @property
    def flat(self) -> bool | None:
        """Whether the late value is at most a tenth, or 8 (MB, connections; 16 descriptors), above the early one.

        ``None`` where there are too few samples to tell.
        """
        if self.samples < FEWEST:
            return None
        least = SOCKETS if self.what.endswith(DESCRIPTORS) else GROWTH_LEAST
        return self.late - self.early <= max(least, GROWTH_SHARE * self.early)


class Watch:
    """Samples the processes of a run and the servers they are connected to."""

    def __init__(self, office: Office, connections: Callable[[], int] | None = None) -> None:
        """``connections`` counts those to RabbitMQ; it may be slow and is asked every sixth time."""
        self._office, self._connections = office, connections
        self._series: dict[str, list[float]] = defaultdict(list)
        self._rounds = 0

    def sample(self, children: Mapping[str, Child]) -> None:
        """Look once at everything but the processes that are young; one that ends meanwhile is left out too."""
        for name, child in children.items():
            with contextlib.suppress(OSError):
                if age_seconds(child.pid) < WARM_SECONDS:
                    continue
                self._series[f"{name}: memory (PSS), MB"].append(pss_mb(child.pid))
                self._series[f"{name}: {DESCRIPTORS}"].append(descriptors(child.pid))
        if self._office.house.database.dialect == "postgresql":
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            self._series["connections to PostgreSQL"].append(self._office.sql(query)[0][0])
        if self._connections is not None and self._rounds % CONNECTIONS_EVERY == 0:
            with contextlib.suppress(ServerFailedError):
                self._series["connections to RabbitMQ"].append(self._connections())
        self._rounds += 1

    def latest(self, what: str) -> float:
        """The newest sample of a series, 0 where there is none."""
        return self._series[what][-1] if self._series.get(what) else 0.0

    def trends(self) -> list[Trend]:
        """Each series in short."""
        return [_trend(what, series) for what, series in sorted(self._series.items()) if series]


def age_seconds(pid: int) -> float:
    """How long ago a process was started. Raises OSError where it is gone."""
    started = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def pss_mb(pid: int) -> float:
    """Memory of a process in MB, what it shares counted in part. Raises OSError where it is gone."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def descriptors(pid: int) -> int:
    """Open file descriptors of a process. Raises OSError where it is gone."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _trend(what: str, series: list[float]) -> Trend:
    quarter = max(1, len(series) // 4)
    early, late = series[quarter : 2 * quarter] or series[:1], series[-quarter:]
    return Trend(what, statistics.median(early), statistics.median(late), max(series), len(series))
