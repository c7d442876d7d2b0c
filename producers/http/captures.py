"""Manual logging: request and response of each API call of a job, for a limited time (sales channels, section 2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from broker.operations import CaptureFilter, LoggedJob
from domain.access import Action
from domain.jobs import job_type
from producers.http.answers import CapturesAnswer, LoggingAnswer, LoggingOffAnswer, LoggingRequest
from producers.http.callers import Caller
from producers.http.documented import problems
from producers.http.door import AtDoor, May, Reader
from producers.http.mapping import ChannelCode

router = APIRouter(tags=["operate"])

LoggingKeeper = Annotated[Caller, Depends(May(Action.MANUAL_LOGGING))]
Job = Annotated[str, Path(min_length=1, max_length=64, description="job type, such as order_import")]
_LOGGING = "/v1/channels/{channel}/manual-logging/{job}"


async def _known(job: str) -> str:
    return job_type(job).name


@router.get(
    "/v1/manual-logging",
    operation_id="listManualLogging",
    summary="List jobs under manual logging",
    responses=problems(401, 403),
)
async def list_logging(door: AtDoor, holder: Reader) -> LoggingAnswer:
    """The jobs of the account whose API calls are kept now, and until when. Needs the scope `read`."""
    return LoggingAnswer(jobs=list(await door.ask(door.operations.captures.logged_jobs(holder.account))))


@router.put(
    _LOGGING,
    operation_id="startManualLogging",
    summary="Switch manual logging on",
    responses=problems(401, 403, 404, 422),
)
async def start_logging(
    door: AtDoor, holder: LoggingKeeper, channel: ChannelCode, job: Job, wanted: LoggingRequest | None = None
) -> LoggedJob:
    """Keep request and response of each API call of a job, for an hour or as asked. Needs the scope `admin`."""
    time = timedelta(minutes=(wanted or LoggingRequest()).minutes)
    name = await door.find(_known(job))
    captures = door.operations.captures
    return await door.find(captures.switch_on(holder.account, channel, name, time, actor=holder.actor))


@router.delete(
    _LOGGING,
    operation_id="stopManualLogging",
    summary="Switch manual logging off",
    responses=problems(401, 403, 404, 422),
)
async def stop_logging(door: AtDoor, holder: LoggingKeeper, channel: ChannelCode, job: Job) -> LoggingOffAnswer:
    """Keep no more; what is kept stays until its time is over. Needs the scope `admin`."""
    name = await door.find(_known(job))
    await door.find(door.operations.captures.switch_off(holder.account, channel, name, actor=holder.actor))
    return LoggingOffAnswer(job=name)


@router.get(
    "/v1/captures",
    operation_id="listCaptures",
    summary="Show kept API calls",
    responses=problems(401, 403, 422),
)
async def list_captures(
    door: AtDoor,
    holder: LoggingKeeper,
    order: Annotated[str | None, Query(max_length=200, description="order number")] = None,
    channel: Annotated[str | None, Query(max_length=64)] = None,
    job: Annotated[str | None, Query(max_length=64)] = None,
    message: Annotated[str | None, Query(max_length=64, description="message id")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> CapturesAnswer:
    """What manual logging kept. Bodies may hold personal data, so this needs the scope `admin`."""
    wanted = CaptureFilter(holder.account, channel, job, order, message, limit)
    return CapturesAnswer(captures=list(await door.ask(door.operations.captures.captures(wanted))))
