"""``towpath users``: who may sign in, and what they may do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli import user_sessions
from console.cli.acting import acting
from console.cli.asking import change, look
from console.cli.options import JsonOption
from console.cli.printing import show, show_json, table, tell, words
from domain.access import Grant, Role
from domain.errors import InputError, UnknownName

if TYPE_CHECKING:
    from broker.operations import Operations, User
    from domain.channels import Account

app = typer.Typer(help="Users: who may sign in, and with which roles.")
EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail address to sign in with.")]
RoleArgument = Annotated[str, typer.Argument(metavar="ROLE", help=f"One of {', '.join(Role)}.")]
WhereOption = Annotated[
    str | None, typer.Option("--account", metavar="CODE", help="The account; the whole organization where none.")
]
OrganizationOption = Annotated[
    str | None, typer.Option("--organization", metavar="NAME", help="Its name or id; not needed where there is one.")
]


def add(program: typer.Typer, panel: str) -> None:
    """Put the group into the program."""
    user_sessions.add(app)
    program.add_typer(app, name="users", rich_help_panel=panel)


@app.command("list")
def list_users(context: typer.Context, organization: OrganizationOption = None, as_json: JsonOption = False) -> None:
    """List the users with their roles."""

    async def work(operations: Operations) -> list[dict[str, Any]]:
        wanted = await _organization(operations, organization) if organization else None
        names = await operations.desk.organizations()
        codes = {account.id: account.code for account in await operations.desk.accounts()}
        return [_row(user, names, codes) for user in await operations.people.users(acting(), wanted)]

    rows = look(context, work)
    if as_json:
        show_json(rows)
    elif not rows:
        tell("There are no users yet. Make one: towpath users add name@example.com --name 'Their name'")
    else:
        _show(rows)


def _row(user: User, organizations: Any, accounts: dict[str, str]) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "organization": organizations.get(user.organization_id, user.organization_id),
        "enabled": user.disabled_at is None,
        "has_password": user.has_password,
        "created_at": user.created_at,
        "roles": [{"role": grant.role.value, "account": accounts.get(grant.account_id or "")} for grant in user.grants],
    }


def _show(rows: Sequence[dict[str, Any]]) -> None:
    made = table("E-mail", "Name", "Organization", "Roles", "State", whole=("State",))
    for row in rows:
        roles = [f"{each['role']} in {each['account']}" if each["account"] else each["role"] for each in row["roles"]]
        state = ("disabled", "disabled") if not row["enabled"] else ("enabled", "ok")
        made.add_row(
            words(row["email"]),
            words(row["name"]),
            words(row["organization"]),
            words(", ".join(roles) or "-"),
            words(state if row["has_password"] or not row["enabled"] else ("no password", "warning")),
        )
    show(made)


@app.command("add")
def add_user(
    context: typer.Context,
    email: EmailArgument,
    name: Annotated[str, typer.Option(help="Their name.")],
    organization: OrganizationOption = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help=f"One of {', '.join(Role)}.")] = None,
    account: WhereOption = None,
) -> None:
    """Make a user, who can sign in once a password is set."""
    chosen = _role(role) if role else None
    if account and not chosen:
        raise typer.BadParameter("say which role in the account, with --role", param_hint="--account")

    async def work(operations: Operations) -> None:
        from broker.operations import NewUser  # noqa: PLC0415 - loads the models

        if account and not organization:
            owner = (await _account(operations, account)).organization_id
        else:
            owner = await _organization(operations, organization)
        grants = (await _grant(operations, chosen, owner, account),) if chosen else ()
        await operations.people.add(acting(), NewUser(owner, email, name, grants))

    change(context, work)
    tell(f"User {email} is there. Next: towpath users password {email}")


@app.command("change")
def change_user(
    context: typer.Context,
    email: EmailArgument,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    new_email: Annotated[str | None, typer.Option("--email", metavar="EMAIL", help="Another address.")] = None,
) -> None:
    """Change the name or the e-mail address of a user; with another address its sessions end."""
    if name is None and new_email is None:
        raise typer.BadParameter("say what is to be different: --name or --email", param_hint="--name")

    async def work(operations: Operations) -> None:
        await operations.people.change(acting(), email, name=name, email=new_email)

    change(context, work)
    tell(f"User {new_email or email} is changed.")


@app.command()
def password(
    context: typer.Context,
    email: EmailArgument,
    from_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read it from standard input.")] = False,
) -> None:
    """Set the password of a user; it is asked for, unseen, and stored only as a hash."""
    secret = _password(from_stdin=from_stdin)

    async def work(operations: Operations) -> None:
        await operations.people.set_password(acting(), email, secret)

    change(context, work)
    tell(f"User {email} has a new password.")


def _password(*, from_stdin: bool) -> str:
    """The password from standard input, or from a question asked twice.

    Raises:
        typer.BadParameter: nobody to ask.
    """
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            "there is nobody to ask for the password: pipe it in with --password-stdin", param_hint="--password-stdin"
        )
    asked = typer.prompt("Password (not shown)", hide_input=True, confirmation_prompt="Once more", err=True)
    return str(asked)


@app.command()
def disable(context: typer.Context, email: EmailArgument) -> None:
    """Lock a user out; roles and history stay."""
    _switch(context, email, enabled=False)
    tell(f"User {email} is disabled and cannot sign in. Let them in again: towpath users enable {email}")


@app.command()
def enable(context: typer.Context, email: EmailArgument) -> None:
    """Let a user in again, with the roles they had."""
    _switch(context, email, enabled=True)
    tell(f"User {email} is enabled.")


def _switch(context: typer.Context, email: str, *, enabled: bool) -> None:
    async def work(operations: Operations) -> None:
        await operations.people.set_enabled(acting(), email, enabled)

    change(context, work)


@app.command()
def grant(context: typer.Context, email: EmailArgument, role: RoleArgument, account: WhereOption = None) -> None:
    """Give a user a role, in its whole organization or in one account."""
    _turn(context, email, role, account, gives=True)
    tell(f"User {email} is {role}{f' in {account}' if account else ''} now.")


@app.command()
def revoke(context: typer.Context, email: EmailArgument, role: RoleArgument, account: WhereOption = None) -> None:
    """Take a role from a user. The last owner of an organization stays."""
    _turn(context, email, role, account, gives=False)
    tell(f"User {email} is no longer {role}{f' in {account}' if account else ''}.")


def _turn(context: typer.Context, email: str, role: str, account: str | None, *, gives: bool) -> None:
    chosen = _role(role)

    async def work(operations: Operations) -> None:
        user = await operations.people.user(acting(), email)
        meant = await _grant(operations, chosen, user.organization_id, account)
        turn = operations.people.grant if gives else operations.people.revoke
        await turn(acting(), email, meant)

    change(context, work)


def _role(text: str) -> Role:
    try:
        return Role(text.strip().lower().replace("-", "_"))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no role; roles: {', '.join(Role)}", param_hint="ROLE") from None


async def _grant(operations: Operations, role: Role, organization_id: str, account: str | None) -> Grant:
    if account is None:
        return Grant(role, organization_id)
    found = await _account(operations, account)
    return Grant(role, found.organization_id, found.id)


async def _account(operations: Operations, code: str) -> Account:
    found = next((each for each in await operations.desk.accounts() if each.code == code), None)
    if found is None:
        raise UnknownName(f"There is no account {code!r}. See 'towpath accounts list'.", code="unknown_account")
    return found


async def _organization(operations: Operations, text: str | None) -> str:
    """The id of the organization that is meant."""
    known = await operations.desk.organizations()
    found = [each for each, name in known.items() if text in (None, each, name)]
    if len(found) == 1:
        return found[0]
    if found or (text is None and known):
        raise InputError("There are several: name one with --organization, by its id.", code="organization_missing")
    raise UnknownName(
        f"There is no organization {text!r}." if text else "There is no organization yet: make an account first.",
        code="unknown_organization",
    )
