"""How the demo looks on a terminal: a live line while the day goes on, a table and the verdict at its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from os.path import relpath
from shutil import which
from types import TracebackType
from typing import TYPE_CHECKING, Any

from console.cli.printing import console, output, table
from console.cli.seams import DemoProgress

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

PLAIN_SECONDS = 5.0
"""Where the output is no terminal, a line of progress comes this often."""


class DemoView:
    """Shows progress while it is entered; :meth:`conclude` prints the end. ``quiet`` prints JSON only."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Live | None = None
        self._last_line = -PLAIN_SECONDS
        self._told: set[str] = set()

    def __enter__(self) -> DemoView:
        if not self._quiet:
            from rich.live import Live  # noqa: PLC0415 - loaded only where something is drawn

            console().print("Towpath demo: a trading day against a sandbox shop. Starting the shop and Towpath …")
            if sys.stdout.isatty():
                self._live = Live(console=console(), refresh_per_second=4)
                self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: DemoProgress) -> None:
        """Draw how far the day is."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.update(_board(progress))
        elif progress.seconds - self._last_line >= PLAIN_SECONDS:
            self._last_line = progress.seconds
            console().print(_line(progress))
        if self._live is None:
            self._tell_tasks(progress.tasks)

    def _tell_tasks(self, tasks: Sequence[str]) -> None:
        """Each task when it comes up, and again when it is answered; not each time that it blocks one more."""
        for line in tasks:
            code, answered = line.partition(": ")[0], "; mapped" in line
            if f"{code}{answered}" not in self._told:
                self._told.add(f"{code}{answered}")
                console().print(f"        task: {line}")

    def conclude(self, report: Mapping[str, Any]) -> None:
        """Print the table and the verdict, or all of it as JSON."""
        if self._quiet:
            print(json.dumps(report, indent=2, default=str), file=output())
            return
        screen = console()
        screen.print()
        screen.print(_table(report))
        screen.print(_verdict(report))
        for kind in ("lost", "duplicated", "stale", "out_of_order"):
            for example in report["verdict"]["examples"][kind][:5]:
                screen.print(f"  {kind.replace('_', ' ')}: {example}", style="red")
        screen.print(_next_steps(report))


def _line(progress: DemoProgress) -> str:
    crashed = f"  crashed {progress.crashes}×" if progress.crashes else ""
    return (
        f"{progress.seconds:4.0f} s  {progress.bought} bought  {progress.imported} shipped  {progress.events} events  "
        f"{progress.settled} settled  {progress.waiting} waiting  {progress.calls} calls{crashed}\n"
        f"        {progress.scene}"
    )


def _board(progress: DemoProgress) -> Table:
    board = table("", "", numbers=())
    board.show_header = False
    board.add_row("time", f"{progress.seconds:.0f} s   {progress.scene}")
    board.add_row(
        "orders", f"{progress.bought} bought in the shop, {progress.imported} imported and shipped by the OMS"
    )
    board.add_row("events", f"{progress.events} in, {progress.settled} deliveries settled, {progress.waiting} waiting")
    board.add_row("API calls", f"{progress.calls}")
    board.add_row("crashes", f"{progress.crashes} (the worker is killed once, on purpose)")
    for line in progress.tasks:
        board.add_row("task", line)
    return board


def _table(report: Mapping[str, Any]) -> Table:
    made = table("The day in numbers", "")
    deliveries = ", ".join(f"{count} {state}" for state, count in sorted(report["deliveries"].items()))
    rows = (
        ("played on", f"{report['broker']} and {report['database']}, {report['seconds']:.0f} s"),
        ("orders", f"{report['orders']} bought, imported and shipped"),
        (
            "events",
            f"{report['events']} taken in, {report['duplicates']} of them copies; {report['rejected']} bad ones "
            f"rejected",
        ),
        ("deliveries", deliveries),
        (
            "API calls",
            f"{report['calls_made']} made, {report['calls_saved']} saved (one call per event: "
            f"{report['calls_one_by_one']})",
        ),
        (
            "budget",
            f"{report['calls_budget']} calls a month: {report['calls_counted']} used, {report['calls_left']} left",
        ),
        ("schedule", f"orders are imported every {report['period']}: it ran {report['scheduled_runs']}×"),
        *(("task", line) for line in report["tasks"]),
        (
            "latency",
            f"p50 {report['latency_ms']['p50']:.0f} ms, p99 {report['latency_ms']['p99']:.0f} ms (outage and crash "
            f"included)",
        ),
        (
            "trouble",
            f"shop down for {report['outage_seconds']:.0f} s, worker killed {report['crashes']}×, answers lost "
            f"after the write",
        ),
    )
    for row in rows:
        made.add_row(*row)
    return made


def _verdict(report: Mapping[str, Any]) -> Text:
    from rich.text import Text  # noqa: PLC0415 - loaded only where something is drawn

    counts = report["verdict"]
    line = (
        f"lost {counts['lost']}   duplicated {counts['duplicated']}   stale {counts['stale']}   out of order "
        f"{counts['out_of_order']}"
    )
    left = f"   left over {report['unfinished']}" if report["unfinished"] else ""
    desk = f"tasks resolved {report['tasks_resolved']} of {report['tasks_expected']}   calls counted {_counted(report)}"
    passed = report["passed"]
    return Text(
        f"Verdict from the shop's own ledger: {line}{left}\n{desk}\n{'PASSED' if passed else 'FAILED'}",
        style="bold green" if passed else "bold red",
    )


def _counted(report: Mapping[str, Any]) -> str:
    """The count beside the shop's: a worker that is killed leaves what it had reserved counted."""
    counted, seen = report["calls_counted"], report["calls_made"]
    if not report["calls_agree"]:
        return f"{counted}, but the shop saw {seen}"
    reserved = f" + {counted - seen} a killed worker had reserved" if counted > seen else ""
    return f"{counted} = {seen} the shop saw{reserved}"


def _next_steps(report: Mapping[str, Any]) -> str:
    program = "towpath" if which("towpath") else relpath(sys.argv[0])
    return (
        f"\nAsk about it:  {program} logs --order 1001 --account {report['account']}\n"
        f"               {program} messages --order 1001 --account {report['account']}\n"
        f"               {program} channels budget {report['account']}/bright-main\n"
        f"               {program} logs --level error --limit 5\n"
        f"What the processes said: {report['log_file']}"
    )
