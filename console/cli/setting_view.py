"""Settings at the command line: what the user wants changed, and how they and their history are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.clock import Zone
from console.cli.printing import show, table, tell, words

if TYPE_CHECKING:
    from broker.operations import SettingsView, SettingVersion
    from domain.settings import Changes

ChangesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="As stock_buffer=2 or stock_cap=null.")
]
ClearOption = Annotated[
    list[str] | None, typer.Option("--clear", metavar="NAME", help="Take the own value away: the default holds again.")
]
ExpectOption = Annotated[
    int | None, typer.Option("--expect", metavar="VERSION", help="Refuse if they have another version by now.")
]
_ORIGINS = {"channel": "this channel", "account": "the account", "built_in": "built in"}


def changes_of(given: Sequence[str] | None, clear: Sequence[str] | None, expected: int | None) -> Changes | None:
    """What the words of a command want changed; ``None`` where they only ask to look.

    Raises:
        typer.BadParameter: a word that is not NAME=VALUE.
    """
    if not given and not clear:
        return None
    from domain.settings import Changes  # noqa: PLC0415 - loaded only where settings are changed

    return Changes(dict(_change_of(text) for text in given or []), frozenset(clear or []), expected)


def _change_of(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} changes nothing: write NAME=VALUE", param_hint="NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def show_settings(view: SettingsView) -> None:
    """Print them by group, each with where its value comes from."""
    made = table("Setting", "Value", "From", whole=("Value", "From"))
    group = ""
    for row in view.settings:
        if row.group != group:
            group = row.group
            made.add_row(words((group, "bold")), "", "")
        label = f"{row.label}, {row.section}" if row.kind == "period" else row.label
        note = ("\n", (row.note, "warning")) if row.note else ()
        named = words(row.name, "\n", (label, "dim"), *note)
        made.add_row(named, words(_text(row.value)), words((_ORIGINS[row.origin], "dim")))
    show(made)
    tell(f"Version {view.version}. Change: NAME=VALUE; go back to the default: --clear NAME.")


def show_versions(versions: Sequence[SettingVersion], zone: Zone) -> None:
    """Print who changed what, newest first."""
    made = table("Version", "When", "Who", "What", whole=("Version", "When"))
    for row in versions:
        parts: list[str | tuple[str, str]] = []
        for name, change in row.changes.items():
            cleared = " (cleared)" if change.get("cleared") else ""
            parts += ["\n"] * bool(parts)
            parts.append(f"{name}: {_text(change['before'])} → {_text(change['after'])}{cleared}")
        made.add_row(words(str(row.version)), words(zone.short(row.at)), words(row.actor), words(*parts))
    show(made)
    tell(f"Times in {zone.name}.")


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(member) for member in value) or "-"
    return "-" if value is None else "yes" if value is True else "no" if value is False else str(value)
