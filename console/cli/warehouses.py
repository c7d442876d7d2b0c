"""``towpath warehouses``: the warehouses of an organization, and which of them an account uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import acting
from console.cli.asking import change, look
from console.cli.options import JsonOption
from console.cli.printing import show, show_json, table, tell, words
from domain.errors import UnknownName

if TYPE_CHECKING:
    from broker.operations import Operations, Warehouse

app = typer.Typer(help="Warehouses of an organization, enabled for each account.")
CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="Its code, as the OMS writes it in stock.changed.")]
OrganizationOption = Annotated[
    str | None, typer.Option("--organization", metavar="NAME", help="Needed where there are several.")
]
AccountsArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The code of the account.")]


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="warehouses", rich_help_panel=panel)


async def _organization(operations: Operations, name: str | None) -> str:
    """The id of the organization of that name; the only one where none is named. Raises UnknownName."""
    known = await operations.desk.organizations()
    found = [made for made, called in known.items() if name in (None, called, made)]
    if len(found) == 1:
        return found[0]
    several = ", ".join(sorted(known.values()))
    raise UnknownName(f"Name one organization with --organization: {several}.", code="unknown_organization")


@app.command("list")
def list_warehouses(
    context: typer.Context, organization: OrganizationOption = None, as_json: JsonOption = False
) -> None:
    """List the warehouses with the accounts that use each."""

    async def work(operations: Operations) -> Sequence[Warehouse]:
        return await operations.warehouses.of_organization(acting(), await _organization(operations, organization))

    rows = look(context, work)
    if as_json:
        show_json(rows)
    elif not rows:
        tell("There are no warehouses: any code in stock.changed counts. Make one: towpath warehouses create CODE")
    else:
        made = table("Code", "Name", "Enabled for", whole=("Code",))
        for row in rows:
            made.add_row(words(row.code), words(row.name), words(", ".join(row.accounts) or "-"))
        show(made)


@app.command()
def create(
    context: typer.Context,
    code: CodeArgument,
    name: Annotated[str | None, typer.Option(help="Its name; the code where none is given.")] = None,
    organization: OrganizationOption = None,
) -> None:
    """Make a warehouse. From the first on, settings may only name those that are enabled for the account."""

    async def work(operations: Operations) -> None:
        owner = await _organization(operations, organization)
        await operations.warehouses.create(acting(), owner, code, name or code)

    change(context, work)
    tell(f"Warehouse {code} is there. Let an account use it: towpath warehouses enable ACCOUNT {code}")


@app.command()
def rename(
    context: typer.Context,
    code: CodeArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.")],
    organization: OrganizationOption = None,
) -> None:
    """Give a warehouse another name; its code stays."""

    async def work(operations: Operations) -> None:
        await operations.warehouses.rename(acting(), await _organization(operations, organization), code, name)

    change(context, work)
    tell(f"Warehouse {code} is called {name} now.")


@app.command()
def delete(context: typer.Context, code: CodeArgument, organization: OrganizationOption = None) -> None:
    """Delete a warehouse that no account uses."""

    async def work(operations: Operations) -> None:
        await operations.warehouses.delete(acting(), await _organization(operations, organization), code)

    change(context, work)
    tell(f"Warehouse {code} is deleted.")


@app.command()
def enable(context: typer.Context, account: AccountsArgument, code: CodeArgument) -> None:
    """Let an account use a warehouse."""
    _switch(context, account, code, enabled=True)
    tell(f"Account {account} uses warehouse {code}.")


@app.command()
def disable(context: typer.Context, account: AccountsArgument, code: CodeArgument) -> None:
    """Take a warehouse from an account whose settings do not name it."""
    _switch(context, account, code, enabled=False)
    tell(f"Account {account} does not use warehouse {code} any more.")


def _switch(context: typer.Context, account: str, code: str, *, enabled: bool) -> None:
    async def work(operations: Operations) -> None:
        await operations.warehouses.enable(acting(), account, code, enabled=enabled)

    change(context, work)
