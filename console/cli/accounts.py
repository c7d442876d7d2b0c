"""``towpath accounts``: the tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli import account_settings
from console.cli.acting import acting, actor_name
from console.cli.asking import change, look
from console.cli.clock import local_zone
from console.cli.options import JsonOption, set_time
from console.cli.printing import show, show_json, table, tell, words

if TYPE_CHECKING:
    from rich.text import Text

    from broker.operations import Operations

CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="The code of the account.")]
app = typer.Typer(help="Accounts: the tenants.")


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    account_settings.add(app)
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
                "disable_at": account.disable_at,
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
        made.add_row(*(words(row[name]) for name in ("code", "name", "organization", "timezone")), _state(row))
    show(made)


def _state(row: dict[str, Any]) -> Text:
    if not row["enabled"]:
        return words(("disabled", "disabled"))
    if row["disable_at"] is None:
        return words(("enabled", "ok"))
    return words(("enabled", "ok"), f" until {local_zone().full(row['disable_at'])} (local)")


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
        actor = actor_name()
        owner = found or await operations.desk.create_organization(wanted, actor=actor)
        await operations.organizations.create_account(acting(), owner, code, name=name or code, timezone=timezone)

    change(context, work)
    tell(f"Account {code} is there. Next: 'towpath channels create --help' tells how to connect a shop.")


@app.command()
def disable(
    context: typer.Context,
    code: CodeArgument,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it stops, as 2025-11-30T14:00 (local); at once without.")
    ] = None,
) -> None:
    """Stop an account, at once or at a set time: its channels make no call, its API keys and users are locked out.

    Its work waits and nothing is lost.
    """
    moment = set_time(at, "--at")

    async def work(operations: Operations) -> None:
        await operations.people.switch_account(acting(), code, enabled=False, at=moment)

    change(context, work)
    when = f"will be disabled on {local_zone().full(moment)} (local)" if moment else "is disabled; its work waits"
    tell(f"Account {code} {when}. Take it back: towpath accounts enable {code}")


@app.command()
def enable(context: typer.Context, code: CodeArgument) -> None:
    """Let an account work again; what waited for it is due at once, and a set time to stop is dropped."""

    async def work(operations: Operations) -> None:
        await operations.people.switch_account(acting(), code, enabled=True)

    change(context, work)
    tell(f"Account {code} is enabled; what waited for it goes on.")
