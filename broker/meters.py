"""What the engine counts (Prometheus), in one place so that names stay one."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from broker.ledger import Admission, Verdict
from domain.budget import BudgetLevel
from domain.jobs import jobs_for

if TYPE_CHECKING:
    from broker.operations.calls import BudgetUse


class Meters:
    """Counters of one process. Labels are bounded: job types, outcomes, states; never order numbers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._in = Counter("towpath_events_in", "Events taken in, by result", ["result"], registry=self.registry)
        self._arrived = Counter(
            "towpath_deliveries_admitted", "Deliveries that will run, by job", ["job"], registry=self.registry
        )
        self._out = Counter(
            "towpath_deliveries_settled",
            "Attempts settled, by job and outcome",
            ["job", "outcome"],
            registry=self.registry,
        )
        self._calls = Counter(
            "towpath_api_calls",
            "Calls to shops, by job and status class",
            ["job", "status"],
            registry=self.registry,
        )
        self._retries = Counter("towpath_retries", "Attempts that will be tried again", ["job"], registry=self.registry)
        self._lag = Histogram(
            "towpath_delivery_seconds", "From admission to a final state", ["job"], registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
        )  # fmt: skip
        self.fenced = Counter("towpath_fenced", "Runs given up because their lease was lost", registry=self.registry)
        self.ticks = Counter("towpath_ticks", "Ticks fired", registry=self.registry)
        self.announced = Counter("towpath_lanes_announced", "Lane references published", registry=self.registry)
        self.depth = Gauge("towpath_lanes", "Lanes by job and state", ["job", "state"], registry=self.registry)
        self.lag = Gauge("towpath_lag_seconds", "Age of the oldest due lane", ["job"], registry=self.registry)
        budget = ["account", "channel", "window"]
        self._used = Gauge("towpath_api_budget_used", "API calls used of a budget", budget, registry=self.registry)
        self._limit = Gauge(
            "towpath_api_budget_limit", "API calls that a budget allows", budget, registry=self.registry
        )
        self._level = Gauge(
            "towpath_api_budget_level", "0 ok, 1 warning, 2 critical, 3 spent", budget[:2], registry=self.registry
        )
        self._ends = Gauge(
            "towpath_api_budget_ends_seconds",
            "When a budget ends at the present rate, in seconds since 1970; none where it lasts",
            budget[:2],
            registry=self.registry,
        )
        self.outbox = Gauge("towpath_relay_depth", "Announcements not yet confirmed", registry=self.registry)

    def admitted(self, answers: Sequence[Admission], rejected: int = 0) -> None:
        """Count the results of an admission."""
        ends = Tally("refused" if each.error else "duplicate" if each.duplicate else "accepted" for each in answers)
        for end, count in ends.items():
            self._in.labels(end).inc(count)
        for job, count in Tally(job for answer in answers for job in answer.jobs).items():
            self._arrived.labels(job).inc(count)
        if rejected:
            self._in.labels("rejected").inc(rejected)

    def settled(self, verdicts: Sequence[Verdict]) -> None:
        """Count settled attempts, their calls and how long their deliveries took."""
        for verdict in verdicts:
            job = verdict.delivery.job_type
            if verdict.logged:
                self._out.labels(job, verdict.outcome).inc()
            for further in verdict.effects.follow_ups:
                for listener in jobs_for(further.type):
                    self._arrived.labels(listener.name).inc()
            for call in verdict.calls:
                self._calls.labels(job, f"{call.status // 100}xx" if call.status else "none").inc()
            if verdict.outcome == "Retry":
                self._retries.labels(job).inc()
            elif verdict.outcome != "Park":
                self._lag.labels(job).observe((verdict.finished_at - verdict.delivery.created_at).total_seconds())

    def show_budgets(self, found: Sequence[BudgetUse]) -> None:
        """Show how the channels that have an API-call budget stand; the others have no gauges."""
        for gauge in (self._used, self._limit, self._level, self._ends):
            gauge.clear()
        for each in found:
            self._level.labels(each.account, each.channel).set(_LEVELS.index(each.level))
            if each.ends_at is not None:
                self._ends.labels(each.account, each.channel).set(each.ends_at.timestamp())
            for window in each.windows:
                if window.limit is not None:
                    self._used.labels(each.account, each.channel, window.window).set(window.used)
                    self._limit.labels(each.account, each.channel, window.window).set(window.limit)


_LEVELS = [str(level) for level in BudgetLevel]
