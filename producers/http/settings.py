"""Settings over HTTP: what platforms offer, what counts and from where, changes and their history."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import AwareDatetime, BaseModel, Field, JsonValue
from starlette.responses import Response

from broker.operations import SettingsView, SettingVersion
from domain.access import Action
from domain.channels import ConnectorManifest
from domain.settings import Changes
from producers.http.asked import asked
from producers.http.asking import ask, with_example
from producers.http.callers import Caller
from producers.http.documented import Responses, body_docs, problems
from producers.http.door import AtDoor, Door, May, Reader
from producers.http.mapping import ChannelCode
from producers.http.problems import Refusal

router = APIRouter(tags=["settings"])

_CHANNEL, _ACCOUNT = "/v1/channels/{channel}/settings", "/v1/account/settings"
JobEditor = Annotated[Caller, Depends(May(Action.EDIT_JOBS))]
AccountEditor = Annotated[Caller, Depends(May(Action.EDIT_ACCOUNT))]
_VERSION = r'^\s*(\*|(W/)?"?[0-9]{1,18}"?)\s*$'
IfMatch = Annotated[
    str | None,
    Header(
        description='the version that was looked at, as `"3"`; another one is refused',
        json_schema_extra={"pattern": _VERSION},
    ),
]
Limit = Annotated[int, Query(ge=1, le=1000)]


class FieldAnswer(BaseModel):
    """A setting that a platform offers; `choices` are pairs of value and label."""

    name: str
    label: str
    group: str
    section: str
    kind: str
    help: str
    choices: list[tuple[str, str]]
    least: float | None
    most: float | None
    empty: bool = Field(description="whether there may be no value (null)")
    inherits: bool = Field(description="whether an account may set a default")


class PlatformAnswer(BaseModel):
    """What a connector can do. `jobs` has the periods that each job may have."""

    platform: str
    title: str
    version: str
    token: str
    jobs: dict[str, list[str]]
    webhooks: list[str]
    mappings: list[str]
    api_versions: list[str]
    cost_model: str
    settings: list[FieldAnswer]


class PlatformsAnswer(BaseModel):
    """All platforms."""

    platforms: list[PlatformAnswer]


class SettingAnswer(BaseModel):
    """One setting. `value` counts and comes from `origin`; `inherited` would count without an own value."""

    name: str
    label: str
    group: str
    section: str
    kind: str
    help: str
    choices: list[tuple[str, str]]
    value: JsonValue
    origin: str = Field(examples=["channel", "account", "built_in"])
    inherited: JsonValue
    note: str = Field(description="why the value has no effect now, where it has none")


class SettingsAnswer(BaseModel):
    """All settings; the version is the `ETag` too."""

    version: int
    settings: list[SettingAnswer]


class SettingsRequest(BaseModel):
    """Values to put by name, and names whose own value is taken away so that the default holds."""

    model_config = {"extra": "forbid"}

    put: dict[str, Any] = {}
    clear: list[str] = []


class VersionAnswer(BaseModel):
    """One change: from each name to `before` and `after`, and `cleared` where the default holds since."""

    version: int
    at: AwareDatetime
    actor: str
    changes: dict[str, dict[str, JsonValue]]


class HistoryAnswer(BaseModel):
    """Who changed what, newest first."""

    versions: list[VersionAnswer]


_EXAMPLE: dict[str, Any] = {"put": {"stock_buffer": 2, "period.order_import": "15m"}, "clear": ["stock_cap"]}
_TAKES = with_example(body_docs(SettingsRequest), _EXAMPLE)
_SETTINGS: Responses = {
    200: {
        "model": SettingsAnswer,
        "description": "The settings as they count.",
        "headers": {"ETag": {"description": "the version", "schema": {"type": "string"}}},
    }
}


@router.get("/v1/platforms", operation_id="listPlatforms", summary="List platforms", responses=problems(401, 403))
async def list_platforms(door: AtDoor, _: Reader) -> PlatformsAnswer:
    """What the connector of each platform can do, and the settings of its channels. Needs the scope `read`."""
    return PlatformsAnswer(platforms=[_platform(each) for each in door.operations.platforms])


def _platform(manifest: ConnectorManifest) -> PlatformAnswer:
    return PlatformAnswer(
        platform=manifest.platform,
        title=manifest.title,
        version=manifest.version,
        token=manifest.token,
        jobs={job: [period.text for period in periods] for job, periods in manifest.jobs.items()},
        webhooks=[topic.name for topic in manifest.webhooks],
        mappings=list(manifest.mappings),
        api_versions=list(manifest.api_versions),
        cost_model=manifest.cost_model,
        settings=[FieldAnswer.model_validate(asdict(field)) for field in manifest.settings],
    )


@router.get(
    _CHANNEL,
    operation_id="showChannelSettings",
    summary="Show the settings of a channel",
    responses={**_SETTINGS, **problems(401, 403, 404, 422)},
)
async def show_channel(response: Response, door: AtDoor, holder: Reader, channel: ChannelCode) -> SettingsAnswer:
    """Each setting that the platform offers, with the value that counts and its origin. Needs the scope `read`."""
    return _answer(response, await ask(door, door.operations.settings.of_channel(holder.who, holder.account, channel)))


@router.patch(
    _CHANNEL,
    operation_id="changeChannelSettings",
    summary="Change settings of a channel",
    responses={**_SETTINGS, **problems(400, 401, 403, 404, 408, 412, 413, 422)},
    openapi_extra=_TAKES,
)
async def change_channel(
    request: Request,
    response: Response,
    door: AtDoor,
    holder: JobEditor,
    channel: ChannelCode,
    if_match: IfMatch = None,
) -> SettingsAnswer:
    """Put values or clear them; consumers follow without a restart. Needs the scope `admin`."""
    changes = await _changes(request, door, if_match)
    work = door.operations.settings.change_channel(holder.who, holder.account, channel, changes)
    return _answer(response, await ask(door, work))


@router.get(
    f"{_CHANNEL}/history",
    operation_id="listChannelSettingVersions",
    summary="List changes of a channel's settings",
    responses=problems(401, 403, 404, 422),
)
async def channel_history(door: AtDoor, holder: Reader, channel: ChannelCode, limit: Limit = 50) -> HistoryAnswer:
    """Who changed what, newest first; of a channel that was deleted too. Needs the scope `read`."""
    return _history(await ask(door, door.operations.settings.history(holder.who, holder.account, channel, limit)))


@router.get(
    _ACCOUNT,
    operation_id="showAccountSettings",
    summary="Show the settings of the account",
    responses={**_SETTINGS, **problems(401, 403, 404)},
)
async def show_account(response: Response, door: AtDoor, holder: Reader) -> SettingsAnswer:
    """The account's own settings, then its defaults for channels. Needs the scope `read`."""
    return _answer(response, await ask(door, door.operations.settings.of_account(holder.who, holder.account)))


@router.patch(
    _ACCOUNT,
    operation_id="changeAccountSettings",
    summary="Change settings of the account",
    responses={**_SETTINGS, **problems(400, 401, 403, 404, 408, 412, 413, 422)},
    openapi_extra=_TAKES,
)
async def change_account(
    request: Request,
    response: Response,
    door: AtDoor,
    holder: AccountEditor,
    if_match: IfMatch = None,
) -> SettingsAnswer:
    """Put values or clear them; channels without a value of their own follow at once. Needs the scope `admin`."""
    changes = await _changes(request, door, if_match)
    return _answer(
        response, await ask(door, door.operations.settings.change_account(holder.who, holder.account, changes))
    )


@router.get(
    f"{_ACCOUNT}/history",
    operation_id="listAccountSettingVersions",
    summary="List changes of the account's settings",
    responses=problems(401, 403, 404, 422),
)
async def account_history(door: AtDoor, holder: Reader, limit: Limit = 50) -> HistoryAnswer:
    """Who changed what, newest first. Needs the scope `read`."""
    return _history(await ask(door, door.operations.settings.history(holder.who, holder.account, None, limit)))


async def _changes(request: Request, door: Door, if_match: str | None) -> Changes:
    body = await asked(request, door, SettingsRequest)
    return Changes(body.put, frozenset(body.clear), _version(if_match))


def _version(if_match: str | None) -> int | None:
    """The version in an ``If-Match`` header (RFC 9110, section 13.1.1); ``*`` is any."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdigit() or len(text) > 18:
        raise Refusal(422, "invalid_parameters", 'If-Match is no version: send the ETag you were given, as "3".')
    return int(text)


def _answer(response: Response, view: SettingsView) -> SettingsAnswer:
    response.headers["ETag"] = f'"{view.version}"'
    return SettingsAnswer.model_validate(asdict(view))


def _history(versions: Any) -> HistoryAnswer:
    found: list[SettingVersion] = list(versions)
    return HistoryAnswer(versions=[VersionAnswer.model_validate(asdict(each)) for each in found])
