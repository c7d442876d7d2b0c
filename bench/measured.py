"""What a measurement says: rows, printed as one table or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ``None`` where a part does not measure a figure.

    ``cpu_ms`` is the CPU time (user and system) of all worker processes of the contender, per event; ``p50_ms`` and
    ``p99_ms`` are times from publish to committed log row; ``memory_mb`` is the largest PSS of one worker process.
    """

    what: str
    per_second: float | None = None
    cpu_ms: float | None = None
    calls_per_event: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    memory_mb: float | None = None
    extra: str = ""


_COLUMNS = (
    ("events/s", "per_second", "{:,.0f}"),
    ("CPU ms/event", "cpu_ms", "{:.2f}"),
    ("calls/event", "calls_per_event", "{:.3f}"),
    ("p50 ms", "p50_ms", "{:.1f}"),
    ("p99 ms", "p99_ms", "{:.1f}"),
    ("PSS MB", "memory_mb", "{:.0f}"),
)


def table(titled: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """The parts of one run as text: a title and its rows, columns in line over all of them."""
    width = max((len(row.what) for _, rows in titled for row in rows), default=0) + 2
    head = "".join(f"{title:>14}" for title, _, _ in _COLUMNS)
    lines = [" " * width + head]
    for title, rows in titled:
        lines += ["", title, *(_line(row, width) for row in rows)]
    return "\n".join(lines)


def show(titled: Sequence[tuple[str, Sequence[Row]]], *, as_json: bool = False) -> None:
    """Print the parts on standard output."""
    if as_json:
        parts = [{"part": title, "rows": [asdict(row) for row in rows]} for title, rows in titled]
        json.dump(parts, sys.stdout, indent=2)
        print()
    else:
        print(table(titled))


def _line(row: Row, width: int) -> str:
    cells = ""
    for _, name, form in _COLUMNS:
        value = getattr(row, name)
        cells += f"{'-' if value is None else form.format(value):>14}"
    return f"{row.what:<{width}}{cells}{'  ' + row.extra if row.extra else ''}"
