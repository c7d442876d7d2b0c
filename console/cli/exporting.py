"""The sync log as a file: CSV that a spreadsheet may open, and JSON Lines."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from console.cli.printing import output, plain
from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from broker.operations import LogFilter, LogRow, Operations

COLUMNS = (
    "id", "started_at", "finished_at", "organization", "account", "channel", "platform", "job", "direction",
    "trigger", "message_id", "delivery_id", "correlation_id", "trace_id", "business_key", "attempt",
    "outcome", "level", "code", "sentence", "read", "created", "updated", "skipped", "failed", "api_calls",
    "superseded_by", "actor",
)  # fmt: skip
PAGE = 1000


def safe_cell(value: Any) -> Any:
    """The value of a CSV cell; text that a spreadsheet would run as a formula gets a leading apostrophe
    (OWASP, CSV injection)."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value


def csv_row(row: LogRow) -> list[Any]:
    """The cells of a row in the order of :data:`COLUMNS`; ``api_calls`` is their number."""
    members: dict[str, Any] = {
        **plain(row),
        **dict.fromkeys(("read", "created", "updated", "skipped", "failed"), 0),
    }
    members |= {name: count for name, count in row.counts.items() if name in members}
    members["api_calls"] = len(row.calls)
    return [safe_cell(members[name]) for name in COLUMNS]


async def pages(operations: Operations, wanted: LogFilter, limit: int | None) -> AsyncIterator[LogRow]:
    """All rows that match, oldest first; with ``limit`` the newest so many of them."""
    if limit is not None:
        for row in reversed(await operations.desk.logs(replace(wanted, limit=limit))):
            yield row
        return
    last = ""
    while rows := await operations.desk.logs(replace(wanted, after_id=last, limit=PAGE)):
        for row in rows:
            yield row
        last = rows[-1].id


async def export(
    operations: Operations, wanted: LogFilter, limit: int | None, files: tuple[str | None, str | None]
) -> int:
    """Write the rows to the (CSV, JSON Lines) file given, ``-`` for standard output; how many."""
    as_csv, as_lines = files
    count = 0
    with _open(as_csv or as_lines or "-") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        if as_csv:
            writer.writerow(COLUMNS)
        async for row in pages(operations, wanted, limit):
            count += 1
            if as_csv:
                writer.writerow(csv_row(row))
            else:
                out.write(json.dumps(plain(row)) + "\n")
    return count


@contextmanager
def _open(file: str) -> Iterator[TextIO]:
    if file == "-":
        yield output()
        return
    try:
        with Path(file).open("w", encoding="utf-8", newline="") as out:
            yield out
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}. Choose another file.") from error
