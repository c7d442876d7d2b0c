"""``towpath accounts settings|history``: an account's own settings, and its defaults for channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.acting import acting
from console.cli.asking import change, look
from console.cli.clock import Zone, zone_of
from console.cli.options import JsonOption, LimitOption
from console.cli.printing import show_json
from console.cli.setting_view import (
    ChangesArgument,
    ClearOption,
    ExpectOption,
    changes_of,
    show_settings,
    show_versions,
)

if TYPE_CHECKING:
    from broker.operations import Operations, SettingsView, SettingVersion

AccountArgument = Annotated[str, typer.Argument(metavar="CODE", help="The code of the account.")]


def add(group: typer.Typer) -> None:
    """Put the commands into the group of accounts."""
    for command in (settings, history):
        group.command(command.__name__)(command)


def settings(
    context: typer.Context,
    code: AccountArgument,
    changes: ChangesArgument = None,
    clear: ClearOption = None,
    expected: ExpectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the settings of an account and its defaults for channels, or change some.

    A channel that has no value of its own follows at once.
    """

    async def work(operations: Operations) -> SettingsView:
        wanted = changes_of(changes, clear, expected)
        if wanted is None:
            return await operations.settings.of_account(acting(), code)
        return await operations.settings.change_account(acting(), code, wanted)

    view = change(context, work) if changes or clear else look(context, work)
    if as_json:
        show_json(view)
    else:
        show_settings(view)


def history(
    context: typer.Context, code: AccountArgument, limit: LimitOption = 50, as_json: JsonOption = False
) -> None:
    """Show who changed which setting of an account, newest first."""

    async def work(operations: Operations) -> tuple[Sequence[SettingVersion], Zone]:
        versions = await operations.settings.history(acting(), code, limit=limit)
        return versions, await zone_of(operations, [code])

    versions, zone = look(context, work)
    if as_json:
        show_json(versions)
    else:
        show_versions(versions, zone)
