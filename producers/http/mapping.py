"""Mappings of a channel and the tasks for those that are missing (sales channels, section 4)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError
from starlette.responses import Response

from domain.envelope import explain
from domain.mappings import ImportMode, MappingKind, row_of
from producers.http.answers import (
    IgnoreAnswer,
    ImportAnswer,
    MappingsAnswer,
    RemoveAnswer,
    SaveAnswer,
    TasksAnswer,
    TaskWithSuggestions,
)
from producers.http.body import read_body
from producers.http.documented import Responses, problems
from producers.http.door import AtDoor, Exporter, MappingEditor, Reader
from producers.http.problems import Refusal
from producers.http.strict_json import read_one

router = APIRouter(tags=["mappings"])

_SMALL = 16_384
_LARGEST_SHEET = 16 * 1024 * 1024
_SUGGESTED = 20
"""Of so many tasks near codes are looked for."""

ChannelCode = Annotated[str, Path(min_length=1, max_length=64, description="code of a channel of the account")]
Kind = Annotated[MappingKind, Path(description="what is mapped")]
_MAPPINGS = "/v1/channels/{channel}/mappings/{kind}"
_TEXT: dict[str, Any] = {"text/csv": {"schema": {"type": "string"}}}
_CSV: Responses = {200: {"description": "CSV (RFC 4180), a valid import.", "content": _TEXT}}
_MEMBERS: TypeAdapter[dict[str, StrictStr | StrictBool | StrictInt]] = TypeAdapter(
    dict[str, StrictStr | StrictBool | StrictInt]
)


def _members(body: bytes) -> dict[str, str]:
    try:
        found = _MEMBERS.validate_json(body)
    except ValidationError as error:
        raise Refusal(422, "invalid_parameters", f"The body is not valid: {explain(error)}.") from None
    return {
        name: ("yes" if value else "no") if isinstance(value, bool) else str(value) for name, value in found.items()
    }


@router.get("/v1/tasks", operation_id="listTasks", summary="List missing mappings", responses=problems(401, 403, 422))
async def list_tasks(
    door: AtDoor, holder: Reader, channel: Annotated[str | None, Query(max_length=64)] = None
) -> TasksAnswer:
    """One task for each missing code: what it blocks, since when, near codes. Needs the scope `read`."""
    mappings = door.operations.mappings
    found = await door.ask(mappings.tasks(holder.account, channel))
    near = {task.id: await door.ask(mappings.suggestions(task.id)) for task in found[:_SUGGESTED]}
    return TasksAnswer(
        tasks=[TaskWithSuggestions(**asdict(task), suggestions=list(near.get(task.id, ()))) for task in found]
    )


@router.post(
    "/v1/tasks/{task_id}/ignore",
    operation_id="ignoreTask",
    summary="Ignore a missing code",
    responses=problems(401, 403, 404, 422),
)
async def ignore_task(
    door: AtDoor, holder: MappingEditor, task_id: Annotated[str, Path(min_length=1, max_length=64)]
) -> IgnoreAnswer:
    """What waits for the code, now and later, is closed with that reason. Needs the scope `operate`."""
    mappings = door.operations.mappings
    if all(task.id != task_id for task in await door.ask(mappings.tasks(holder.account))):
        raise Refusal(404, "unknown_task", "Your account has no open task of this id.")
    closed = await door.find(mappings.ignore(task_id, holder.actor))
    return IgnoreAnswer(task=task_id, deliveries=closed.deliveries)


@router.get(_MAPPINGS, operation_id="listMappings", summary="List mappings", responses=problems(401, 403, 404, 422))
async def list_mappings(
    door: AtDoor,
    holder: Reader,
    channel: ChannelCode,
    kind: Kind,
    search: Annotated[str, Query(max_length=200, description="words in either code")] = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> MappingsAnswer:
    """Mappings by the channel's code, and how many there are in all. Needs the scope `read`."""
    await door.find(door.operations.ensure_mapping(holder.account, channel, kind))
    rows, count = await door.find(door.operations.mappings.search(holder.account, channel, kind, search, limit))
    return MappingsAnswer(mappings=[asdict(row) for row in rows], count=count)


@router.put(
    _MAPPINGS,
    operation_id="saveMapping",
    summary="Save a mapping",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "additionalProperties": {"type": ["string", "boolean", "integer"]}},
                    "example": {"channel_carrier": "UPS Ground", "oms_carrier": "UPS", "oms_service": "03"},
                }
            },
        }
    },
)
async def save_mapping(
    request: Request, door: AtDoor, holder: MappingEditor, channel: ChannelCode, kind: Kind
) -> SaveAnswer:
    """Save a mapping in the place of the one of its channel code; what waited for it goes on. Needs `operate`."""
    element = read_one(await read_body(request, _SMALL, door.limits.body_seconds), door.limits.json_depth)
    if element.error is not None:
        raise element.error
    row = row_of(kind, _members(element.body))
    await door.find(door.operations.ensure_mapping(holder.account, channel, kind))
    saved = await door.find(door.operations.mappings.save(holder.account, channel, row, holder.actor))
    return SaveAnswer(mapping=asdict(row), released=saved.deliveries)


@router.delete(
    _MAPPINGS, operation_id="removeMapping", summary="Remove a mapping", responses=problems(401, 403, 404, 422)
)
async def remove_mapping(
    door: AtDoor,
    holder: MappingEditor,
    channel: ChannelCode,
    kind: Kind,
    code: Annotated[str, Query(min_length=1, max_length=450, description="the channel's code")],
) -> RemoveAnswer:
    """Take the mapping of a channel code away. Needs the scope `operate`."""
    await door.find(door.operations.mappings.remove(holder.account, channel, kind, code, holder.actor))
    return RemoveAnswer(code=code)


@router.get(
    f"{_MAPPINGS}/export",
    operation_id="exportMappings",
    summary="Export mappings",
    response_class=Response,
    responses={**_CSV, **problems(401, 403, 404, 422)},
)
async def export_mappings(door: AtDoor, holder: Exporter, channel: ChannelCode, kind: Kind) -> Response:
    """All mappings of a kind as CSV. Needs the scope `read`."""
    await door.find(door.operations.ensure_mapping(holder.account, channel, kind))
    sheet = await door.find(door.operations.mappings.export_sheet(holder.account, channel, kind))
    return Response(sheet, media_type="text/csv")


@router.post(
    f"{_MAPPINGS}/import",
    operation_id="importMappings",
    summary="Import mappings",
    responses=problems(401, 403, 404, 408, 413, 422),
    openapi_extra={"requestBody": {"required": True, "content": _TEXT}},
)
async def import_mappings(
    request: Request,
    door: AtDoor,
    holder: MappingEditor,
    channel: ChannelCode,
    kind: Kind,
    mode: ImportMode = ImportMode.ADD,
    dry_run: bool = False,
) -> ImportAnswer:
    """Import a CSV file; each wrong row is told and the others are taken, unless the plan is refused. Needs `operate`.

    With `dry_run` nothing changes.
    """
    sheet = await read_body(request, _LARGEST_SHEET, door.limits.body_seconds)
    await door.find(door.operations.ensure_mapping(holder.account, channel, kind))
    work = door.operations.mappings.import_sheet(holder.account, channel, kind, sheet, mode, holder.actor, dry=dry_run)
    done = await door.find(work)
    plan = done.plan
    return ImportAnswer(
        added=len(plan.added),
        changed=len(plan.changed),
        removed=len(plan.removed),
        unchanged=len(plan.unchanged),
        errors=[each.sentence for each in plan.errors],
        refused=plan.refused,
        released=done.released,
        dry_run=dry_run,
    )
