"""What the demo says at its end: plain values; the command line draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from app.demo.books import Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """The end of the day in numbers."""

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
    def passed(self) -> bool:
        """Whether the verdict is clean and nothing was left over."""
        return self.verdict.clean and self.unfinished == 0

    def as_data(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        counts = self.verdict.counts()
        return {
            **asdict(self),
            "calls_saved": self.calls_saved,
            "verdict": {**counts, "examples": asdict(self.verdict)},
            "passed": self.passed,
        }
