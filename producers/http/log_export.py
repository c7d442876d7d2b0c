"""The sync log as JSON, CSV or JSON Lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import TypeAdapter
from starlette.responses import Response

from broker.operations import LogRow
from producers.http.answers import LogsAnswer
from producers.http.problems import Refusal

Format = Literal["json", "csv", "jsonl"]

MEDIA_TYPES: dict[str, Format] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
}

_ROW = TypeAdapter(LogRow)
_COUNTS = ("read", "created", "updated", "skipped", "failed")
_PLAIN = (
    "id", "started_at", "finished_at", "organization", "account", "channel", "platform", "job", "direction",
    "trigger", "message_id", "delivery_id", "correlation_id", "trace_id", "business_key", "attempt",
    "outcome", "level", "code", "sentence", "superseded_by", "actor",
)  # fmt: skip
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def chosen_format(asked: Format | None, accept: str | None) -> Format:
    """The format asked for by name, else the one the client likes best (RFC 9110, 12.5.1), else JSON.

    Raises:
        Refusal: 406 where none is acceptable.
    """
    if asked is not None or accept is None:
        return asked or "json"
    ranked = sorted((_preference(part) for part in accept.split(",")), key=lambda preference: -preference[1])
    for kind, weight in ranked:
        if weight > 0 and kind in MEDIA_TYPES:
            return MEDIA_TYPES[kind]
        if weight > 0 and kind in ("*/*", "application/*"):
            return "json"
        if weight > 0 and kind == "text/*":
            return "csv"
    raise Refusal(406, "not_acceptable", f"Formats: {', '.join(MEDIA_TYPES)}; or name one by ?format=json|csv|jsonl.")


def _preference(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    try:
        return kind, float(weight)
    except ValueError:
        return kind, 0.0


def render(rows: Sequence[LogRow], wanted: Format) -> Response:
    """The answer in a format."""
    if wanted == "csv":
        disposition = {"Content-Disposition": 'attachment; filename="sync-log.csv"'}
        return Response(_csv(rows), headers=disposition, media_type="text/csv; charset=utf-8; header=present")
    if wanted == "jsonl":
        lines = b"".join(_ROW.dump_json(row) + b"\n" for row in rows)
        return Response(lines, media_type="application/jsonl")
    content = LogsAnswer.model_construct(logs=list(rows)).model_dump_json()
    return Response(content, media_type="application/json")


def _csv(rows: Sequence[LogRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*_PLAIN, *_COUNTS, "api_calls"))
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in _cells(row)])
    return text.getvalue()


def _cells(row: LogRow) -> Iterator[Any]:
    plain = _ROW.dump_python(row, mode="json")
    yield from (plain[name] for name in _PLAIN)
    yield from (row.counts.get(name, 0) for name in _COUNTS)
    yield len(row.calls)


def safe_cell(cell: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe before it (ASVS 5.0, 1.2.10)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell
