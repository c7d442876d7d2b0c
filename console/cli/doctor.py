"""``towpath doctor``: what is wrong, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from console.cli.asking import doors_of, examine
from console.cli.failing import FAILED, without_passwords
from console.cli.options import JsonOption
from console.cli.printing import plain, show, show_json, table, tell, words
from domain.errors import TowpathError

if TYPE_CHECKING:
    from broker.operations import Finding, Operations


def add(app: typer.Typer, panel: str) -> None:
    """Put the command into the program."""
    app.command("doctor", rich_help_panel=panel)(doctor)


def doctor(context: typer.Context, as_json: JsonOption = False) -> None:
    """Say in plain words what is wrong.

    Looks at settings, database, message broker, channels and backlog; exit code 1 where one of them is wrong.
    """
    settings, findings = _settings(context)
    if not findings:
        findings = _findings(context)
    well = all(found["ok"] for found in findings)
    if as_json:
        show_json({"ok": well, "findings": findings, "settings": settings})
    else:
        _show(findings, settings)
        wrong = sum(not found["ok"] for found in findings)
        tell("All is well." if well else f"{wrong} of {len(findings)} need attention.")
    raise typer.Exit(0 if well else FAILED)


def _settings(context: typer.Context) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The settings, and a finding where they cannot work."""
    try:
        found = doors_of(context).settings_summary()
    except TowpathError as error:
        return {}, [_finding("settings", error)]
    return {name: without_passwords(value) for name, value in found.items()}, []


def _findings(context: typer.Context) -> list[dict[str, Any]]:
    async def work(operations: Operations) -> Sequence[Finding]:
        return await operations.doctor()

    try:
        return [{**plain(found), "sentence": without_passwords(found.sentence)} for found in examine(context, work)]
    except TowpathError as error:
        return [_finding("start", error)]


def _finding(subject: str, error: TowpathError) -> dict[str, Any]:
    return {"subject": subject, "ok": False, "sentence": without_passwords(error.sentence)}


def _show(findings: Sequence[Mapping[str, Any]], settings: Mapping[str, str]) -> None:
    made = table("", "Looked at", "Found")
    for found in findings:
        made.add_row(
            words(("ok", "ok") if found["ok"] else ("WRONG", "wrong")),
            words(found["subject"]),
            words(found["sentence"]),
        )
    show(made)
    if settings:
        made = table("Setting", "Value", whole=("Setting",))
        for name, value in settings.items():
            made.add_row(words(name), words(value))
        tell("")
        show(made)
    tell("")
