"""Health and metrics: open to whoever reaches the port, so they name nothing."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from domain.errors import StorageUnavailable
from producers.http.answers import Alive, Readiness, ReadyFinding
from producers.http.documented import Responses, problems
from producers.http.door import AtDoor, Door

router = APIRouter(tags=["health"])

_NOBODYS_KEY = "readiness"


@router.get("/healthz", operation_id="health", summary="Does the process live?", responses={500: problems(500)[500]})
async def health() -> Alive:
    """Always `ok` while the process answers."""
    return Alive()


_NOT_READY: Responses = {
    500: problems(500)[500],
    503: {"model": Readiness, "description": "Something is away; the findings say what."},
}


@router.get("/readyz", operation_id="readiness", summary="Can it take work?", responses=_NOT_READY)
async def readiness(door: AtDoor, response: Response) -> Readiness:
    """Whether the database answers and stores, and the message transport is connected."""
    findings = [await _look_at_database(door), _look_at_transport(door)]
    ready = all(finding.ok for finding in findings)
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, findings=findings)


async def _look_at_database(door: Door) -> ReadyFinding:
    """Any look-up by index shows that the database answers; the one of a key costs least."""
    try:
        await door.ask(door.operations.desk.key_holder(_NOBODYS_KEY))
    except StorageUnavailable:
        return ReadyFinding(subject="database", ok=False, sentence="The database does not answer.")
    if not door.operations.can_write:
        sentence = "The database answers, but could not store what came last. Is its disk full?"
        return ReadyFinding(subject="database", ok=False, sentence=sentence)
    return ReadyFinding(subject="database", ok=True, sentence="The database answers.")


def _look_at_transport(door: Door) -> ReadyFinding:
    if door.operations.ready:
        return ReadyFinding(subject="transport", ok=True, sentence="The message transport is connected.")
    return ReadyFinding(subject="transport", ok=False, sentence="The message transport is not connected.")


_METRICS_DOCS: Responses = {
    200: {
        "description": "Prometheus text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    500: problems(500)[500],
}


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Prometheus metrics",
    responses=_METRICS_DOCS,
    response_class=Response,
)
async def metrics(door: AtDoor) -> Response:
    """Counters of this process, and gauges of the whole installation that are at most a few seconds old."""
    await door.gauges.refresh()
    return Response(generate_latest(door.operations.meters.registry), media_type=CONTENT_TYPE_LATEST)
