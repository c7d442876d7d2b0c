"""What the demo says at its end: plain values; the command line draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from app.demo.books import Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """The end of the day in numbers.

    ``calls_made`` are those the shop saw, ``calls_counted`` those Towpath counted, ``calls_settled`` those of which an
    attempt tells.
    """

    seconds: float
    broker: str
    database: str
    account: str
    orders: int
    events: int
    duplicates: int
    rejected: int
    deliveries: Mapping[str, int]
    outcomes: Mapping[str, int]
    calls_made: int
    calls_one_by_one: int
    calls_counted: int
    calls_settled: int
    calls_budget: int
    calls_left: int
    tasks: tuple[str, ...]
    tasks_expected: int
    tasks_resolved: int
    period: str
    scheduled_runs: int
    latency_ms: Mapping[str, float]
    crashes: int
    outage_seconds: float
    log_file: str
    verdict: Verdict = field(default_factory=Verdict)
    unfinished: int = 0

    @property
    def calls_saved(self) -> int:
        """Calls that sending every event by itself would have made on top."""
        return self.calls_one_by_one - self.calls_made

    @property
    def calls_agree(self) -> bool:
        """Whether the count is the shop's. Of what a worker had reserved when it was killed, nobody knows what it used
        (docs/api-calls.md): then the shop's count lies between what is told of and what is counted.
        """
        if not self.crashes:
            return self.calls_settled == self.calls_made == self.calls_counted
        return self.calls_settled <= self.calls_made <= self.calls_counted

    @property
    def passed(self) -> bool:
        """Whether the verdict is clean, nothing was left over, each task was resolved, the schedule ran, and the calls
        are counted right.
        """
        resolved = self.tasks_resolved == self.tasks_expected
        return self.verdict.clean and not self.unfinished and resolved and self.scheduled_runs > 0 and self.calls_agree

    def as_data(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        counts = self.verdict.counts()
        return {
            **asdict(self),
            "calls_saved": self.calls_saved,
            "calls_agree": self.calls_agree,
            "verdict": {**counts, "examples": asdict(self.verdict)},
            "passed": self.passed,
        }
