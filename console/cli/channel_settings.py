"""``towpath channels platforms|settings|history``: what a channel can be set to, is set to, and was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.acting import acting
from console.cli.asking import change, look
from console.cli.clock import Zone, zone_of
from console.cli.options import JsonOption, LimitOption, PlaceArgument, place
from console.cli.printing import show, show_json, table, tell, words
from console.cli.setting_sheet import allowed_values, sheet
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
    from domain.channels import ConnectorManifest


def add(group: typer.Typer) -> None:
    """Put the commands into the group of channels."""
    for command in (platforms, settings, history):
        group.command(command.__name__)(command)


def platforms(
    context: typer.Context,
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="The settings as a table for a document.")] = False,
) -> None:
    """List the platforms: what the connector of each can do and which settings its channels have."""

    async def work(operations: Operations) -> Sequence[ConnectorManifest]:
        return operations.platforms

    found = look(context, work)
    if as_json:
        show_json([plain_manifest(each) for each in found])
        return
    if as_markdown:
        for each in found:
            for line in sheet(each.settings).splitlines():
                tell(line)
        return
    for each in found:
        tell(f"{each.title} ({each.platform}, {each.version}), {each.token} token")
        made = table("Setting", "Label", "Choices or limits", whole=("Setting",))
        for field in each.settings:
            section = f", {field.section}" if field.kind == "period" else ""
            made.add_row(words(field.name), words(field.label + section), words(allowed_values(field)))
        show(made)


def plain_manifest(manifest: ConnectorManifest) -> dict[str, Any]:
    """A manifest ready for JSON: periods as they are written."""
    jobs = {job: [period.text for period in periods] for job, periods in manifest.jobs.items()}
    names = ("platform", "title", "version", "token", "mappings", "api_versions", "cost_model", "settings")
    webhooks = [topic.name for topic in manifest.webhooks]
    return {**{name: getattr(manifest, name) for name in names}, "webhooks": webhooks, "jobs": jobs}


def settings(
    context: typer.Context,
    where: PlaceArgument,
    changes: ChangesArgument = None,
    clear: ClearOption = None,
    expected: ExpectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the settings of a channel and where each value comes from, or change some.

    Running consumers follow at once. What waited for a setting is tried again.
    """
    account, channel = place(where)

    async def work(operations: Operations) -> SettingsView:
        wanted = changes_of(changes, clear, expected)
        if wanted is None:
            return await operations.settings.of_channel(acting(), account, channel)
        return await operations.settings.change_channel(acting(), account, channel, wanted)

    view = change(context, work) if changes or clear else look(context, work)
    if as_json:
        show_json(view)
    else:
        show_settings(view)


def history(context: typer.Context, where: PlaceArgument, limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """Show who changed which setting of a channel, newest first; of a deleted channel too."""
    account, channel = place(where)

    async def work(operations: Operations) -> tuple[Sequence[SettingVersion], Zone]:
        versions = await operations.settings.history(acting(), account, channel, limit)
        return versions, await zone_of(operations, [account])

    versions, zone = look(context, work)
    if as_json:
        show_json(versions)
    else:
        show_versions(versions, zone)
