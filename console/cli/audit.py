"""``towpath audit``: who changed what, and whether that record is as it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import acting
from console.cli.asking import look
from console.cli.clock import Zone, zone_of
from console.cli.failing import FAILED
from console.cli.options import AccountOption, JsonOption, LimitOption, SinceOption, since
from console.cli.printing import show, show_json, table, tell, words
from domain.errors import UnknownName

if TYPE_CHECKING:
    from broker.operations import AuditRow, ChainReport, Operations

app = typer.Typer(help="The audit: who changed what, and whether that record is whole.")


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    program.add_typer(app, name="audit", rich_help_panel=panel)


@app.command("list")
def list_rows(  # noqa: PLR0913 - one option for each way to choose
    context: typer.Context,
    account: AccountOption = None,
    actor: Annotated[str | None, typer.Option(metavar="ACTOR", help="Only what this actor did.")] = None,
    action: Annotated[str | None, typer.Option(metavar="ACTION", help="Only this action, as channel.changed.")] = None,
    object_: Annotated[
        str | None, typer.Option("--object", metavar="OBJECT", help="Only this object, as channel:acme/bright-main.")
    ] = None,
    since_: SinceOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List what was changed, newest first."""
    after = since(since_)

    async def work(operations: Operations) -> tuple[Sequence[AuditRow], Mapping[str, str], Zone]:
        from broker.operations import AuditFilter  # noqa: PLC0415 - loads the models

        place = await _account(operations, account) if account else None
        wanted = AuditFilter(None, place, actor, action, object_, after, limit=limit)
        rows = await operations.people.audit(acting(), wanted)
        names = {f"user:{user.id}": user.email for user in await operations.people.users(acting())}
        names |= await _keys(operations, rows)
        return rows, names, await zone_of(operations, (account,) if account else ())

    rows, names, zone = look(context, work)
    if as_json:
        show_json(rows)
    elif not rows:
        tell("Nothing was changed that matches.")
    else:
        _show(rows, names, zone)


async def _keys(operations: Operations, rows: Sequence[AuditRow]) -> dict[str, str]:
    """What to call the API keys in these rows: by name, or by how the secret begins where they have none."""
    told = [row for row in rows if any(each.startswith("key:") for each in (row.actor, row.object))]
    codes = sorted({row.account for row in told if row.account is not None})
    found = [key for code in codes for key in await operations.desk.keys(code)]
    return {f"key:{key.id}": f"key {key.name or key.prefix}" for key in found}


async def _account(operations: Operations, code: str) -> str:
    found = next((each.id for each in await operations.desk.accounts() if each.code == code), None)
    if found is None:
        raise UnknownName(f"There is no account {code!r}. See 'towpath accounts list'.", code="unknown_account")
    return found


def _show(rows: Sequence[AuditRow], names: Mapping[str, str], zone: Zone) -> None:
    made = table("Row", "Time", "Who", "Did", "To", "Detail", numbers=("Row",), whole=("Time",))
    for row in rows:
        made.add_row(
            words(str(row.seq)),
            words(zone.short(row.at)),
            words(names.get(row.actor, row.actor)),
            words(row.action),
            words(names.get(row.object, row.object), *(("\n", (row.account, "dim")) if row.account else ())),
            words(json.dumps(row.detail) if row.detail else ""),
        )
    show(made)
    tell(f"Times in {zone.name}. Whether it is whole: towpath audit verify")


@app.command()
def verify(
    context: typer.Context,
    noted: Annotated[
        str | None, typer.Option("--noted", metavar="HASH", help="A last hash that was noted: it must be there still.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that no row was changed, taken out or put in since it was written. Exit code 1 where one was.

    Note the last hash somewhere else: whoever can write to the database could take rows off the end, or write the
    whole record anew, and only a noted hash shows that.
    """

    async def work(operations: Operations) -> ChainReport:
        return await operations.people.verify_audit(acting(), noted)

    report = look(context, work)
    if as_json:
        show_json(report)
    else:
        tell(report.sentence)
    raise typer.Exit(0 if report.intact else FAILED)
