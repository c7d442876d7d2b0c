"""What is printed: tables that wrap, JSON with stable members, nothing a terminal takes for a command."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TextIO

from console.cli.clean import clean
from domain.moments import iso

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

PLAIN_WIDTH = 100
"""Columns of a table where the output is no terminal and COLUMNS does not say otherwise."""

_WORDS_OF_STYLE = {
    "green": "done connected ok accepted",
    "yellow": "waiting parked behind retry park disabled warning",
    "red": "dead unknown rejected wrong error fatal",
    "cyan": "running ready",
    "dim": "superseded skipped discarded duplicate dim",
    "bold": "bold",
}
STYLES = {word: style for style, text in _WORDS_OF_STYLE.items() for word in text.split()}
"""How a word of the product looks in colour."""


def output() -> TextIO:
    """Standard output; what its encoding cannot say becomes a question mark."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


def console() -> Console:
    """Standard output as rich sees it: no colour where it is no terminal or NO_COLOR is set."""
    from rich.console import Console  # noqa: PLC0415 - loaded only where something is drawn

    out = output()
    width = None if out.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(file=out, width=width, highlight=False, markup=False, emoji=False)


def table(*columns: str, numbers: Sequence[str] = (), whole: Sequence[str] = ()) -> Table:
    """An empty table. Columns in ``numbers`` stand right; those in ``whole`` are never wrapped."""
    from rich import box  # noqa: PLC0415 - loaded only where something is drawn
    from rich.table import Table  # noqa: PLC0415 - same

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        right = name in numbers
        made.add_column(
            name,
            justify="right" if right else "left",
            no_wrap=right or name in whole,
            overflow="fold",
            vertical="top",
        )
    return made


def words(*parts: str | tuple[str, str]) -> Text:
    """A line of text from parts; a part with a second member is styled by that word (see :data:`STYLES`)."""
    from rich.text import Text  # noqa: PLC0415 - loaded only where something is drawn

    made = Text()
    for part in parts:
        if isinstance(part, str):
            made.append("\n" if part == "\n" else clean(part))
        else:
            made.append(clean(part[0]), style=STYLES.get(part[1].lower(), ""))
    return made


def show(drawn: Any) -> None:
    """Print a table or a text."""
    console().print(drawn)


def tell(sentence: str) -> None:
    """Print a line as it is, without wrapping: names and commands in it can be copied."""
    output().write(clean(sentence) + "\n")


def show_json(value: Any) -> None:
    """Print a value as indented JSON."""
    sys.stdout.write(json.dumps(plain(value), indent=2) + "\n")


def show_json_lines(values: Iterable[Any]) -> None:
    """Print one JSON document per line, each flushed at once."""
    for value in values:
        sys.stdout.write(json.dumps(plain(value)) + "\n")
        sys.stdout.flush()


def plain(value: Any) -> Any:
    """The value as JSON knows it: dataclasses and models become objects, times ISO 8601 in UTC."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(member) for member in value]
    return value
