"""Jobs of a channel over HTTP: *Sync actions* and *Sync* (sales channels, section 2)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from domain.access import Action
from domain.jobs import job_type
from producers.http.answers import JobAnswer, JobsAnswer, RunAnswer
from producers.http.asking import ask
from producers.http.callers import Caller
from producers.http.documented import problems
from producers.http.door import AtDoor, May, Reader
from producers.http.mapping import ChannelCode

router = APIRouter(tags=["operate"])

Job = Annotated[str, Path(min_length=1, max_length=64, description="job type, such as order_import")]
_JOBS = "/v1/channels/{channel}/jobs"


@router.get(
    _JOBS, operation_id="listJobs", summary="List the jobs of a channel", responses=problems(401, 403, 404, 422)
)
async def list_jobs(door: AtDoor, holder: Reader, channel: ChannelCode) -> JobsAnswer:
    """Each job that can be run: its period, last run, last success, last result with counts, and next run.

    Periods are settings. Needs the scope `read`.
    """
    rows = await ask(door, door.operations.jobs(holder.account, channel))
    return JobsAnswer(jobs=[JobAnswer.of(row, job_type(row.job)) for row in rows])


@router.post(
    f"{_JOBS}/{{job}}/run",
    status_code=202,
    operation_id="runJob",
    summary="Run a job now",
    responses=problems(401, 403, 404, 422),
)
async def run_job(
    door: AtDoor, holder: Annotated[Caller, Depends(May(Action.START_SYNC))], channel: ChannelCode, job: Job
) -> RunAnswer:
    """One manual run, whatever the period. Needs the scope `operate`."""
    work = door.operations.run_now(holder.account, channel, job, actor=holder.actor)
    return RunAnswer(job=job, message=await ask(door, work))
