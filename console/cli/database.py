"""``towpath db``: the tables."""

from __future__ import annotations

import typer

from console.cli.asking import doors_of
from console.cli.printing import tell

app = typer.Typer(help="The database.")


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="db", rich_help_panel=panel)


@app.callback()
def database() -> None:
    """The database: bring its tables up to this version."""


@app.command()
def upgrade(context: typer.Context) -> None:
    """Bring the tables to this version. Safe to run again, also beside running processes."""
    for sentence in doors_of(context).upgrade_database() or ["The tables are those of this version; nothing to do."]:
        tell(sentence)
