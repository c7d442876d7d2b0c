"""``towpath accounts``: the tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.asking import change, look
from console.cli.options import JsonOption
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from broker.operations import Operations

app = typer.Typer(help="Accounts: the tenants.")


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="accounts", rich_help_panel=panel)


@app.command("list")
def list_accounts(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the accounts with the organization each belongs to."""

    async def work(operations: Operations) -> list[dict[str, Any]]:
        names = await operations.desk.organizations()
        return [
            {
                "code": account.code,
                "name": account.name,
                "organization": names.get(account.organization_id, account.organization_id),
                "timezone": account.timezone,
                "enabled": account.enabled,
            }
            for account in await operations.desk.accounts()
        ]

    rows = look(context, work)
    if as_json:
        show_json(rows)
        return
    if not rows:
        tell("There are no accounts yet. Make one: towpath accounts create acme --name 'Acme'")
        return
    made = table("Code", "Name", "Organization", "Timezone", "State", whole=("Code",))
    for row in rows:
        state = ("enabled", "ok") if row["enabled"] else ("disabled", "disabled")
        made.add_row(*(words(row[name]) for name in ("code", "name", "organization", "timezone")), words(state))
    show(made)


@app.command()
def create(
    context: typer.Context,
    code: Annotated[
        str, typer.Argument(metavar="CODE", help="Its short code, as it stands in events and routing keys.")
    ],
    name: Annotated[str | None, typer.Option(help="Its name; the code where none is given.")] = None,
    organization: Annotated[
        str | None, typer.Option(help="Its organization, made where it is new; the name where none is given.")
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="NAME", help="Where its clocks are, as Europe/Berlin.")] = "UTC",
) -> None:
    """Make an account, and its organization where there is none of that name."""

    async def work(operations: Operations) -> None:
        wanted = organization or name or code
        known = await operations.desk.organizations()
        found = next((each for each, called in known.items() if called == wanted), None)
        owner = found or await operations.desk.create_organization(wanted)
        await operations.desk.create_account(owner, code, name or code, timezone)

    change(context, work)
    tell(f"Account {code} is there. Next: 'towpath channels create --help' tells how to connect a shop.")
