"""Open sessions over HTTP: one's own, and those of users whom one may edit (sales channels, section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from broker.operations import OpenSession, Session
from producers.http.cookies import take_back
from producers.http.documented import problems
from producers.http.door import AtDoor
from producers.http.session import Person
from producers.http.users import UserId

router = APIRouter(tags=["session"])
of_users = APIRouter(tags=["people"])

SessionId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[0-9a-z-]+$", description="id of the session")]
_OF_USER = "/v1/users/{user_id}/sessions"


class OpenSessionAnswer(BaseModel):
    """A session that is not over; nothing of what would let somebody in, and not where from: that is not kept."""

    id: str
    begun_at: AwareDatetime
    last_used_at: AwareDatetime = Field(description="to the minute")
    expires_at: AwareDatetime = Field(description="the latest; earlier when it is not used for an hour")
    current: bool = Field(description="whether it is the one that asks")


class OpenSessions(BaseModel):
    """Open sessions, the last used first."""

    sessions: list[OpenSessionAnswer]


class SessionsEnded(BaseModel):
    """How many sessions were ended."""

    ended: int


@router.get(
    "/v1/sessions", operation_id="listSessions", summary="List one's own open sessions", responses=problems(401, 403)
)
async def list_sessions(door: AtDoor, person: Person) -> OpenSessions:
    """Where one is signed in: when each session began and was last used."""
    return _answer(await door.ask(door.operations.sessions.open_sessions(person)), person)


@router.delete(
    "/v1/sessions", operation_id="endOtherSessions", summary="End one's other sessions", responses=problems(401, 403)
)
async def end_other_sessions(door: AtDoor, person: Person) -> SessionsEnded:
    """All but the one that asks, at once and for all processes."""
    return SessionsEnded(ended=await door.ask(door.operations.sessions.end_others(person)))


@router.delete(
    "/v1/sessions/{session}",
    operation_id="endSession",
    summary="End one of one's own sessions",
    responses=problems(401, 403, 404, 422),
)
async def end_session(
    request: Request, response: Response, door: AtDoor, person: Person, session: SessionId
) -> SessionsEnded:
    """At once and for all processes. The one that asks may be ended too: that is to sign out."""
    await door.find(door.operations.sessions.end_session(person, session))
    if session == person.id:
        take_back(request, response)
    return SessionsEnded(ended=1)


@of_users.get(
    _OF_USER,
    operation_id="listUserSessions",
    summary="List the open sessions of a user",
    responses=problems(401, 403, 404, 422),
)
async def list_user_sessions(door: AtDoor, person: Person, user_id: UserId) -> OpenSessions:
    """It takes one who may give all roles of the user."""
    return _answer(await door.find(door.operations.people.sessions(person.actor, user_id)), person)


@of_users.delete(
    _OF_USER,
    operation_id="endUserSessions",
    summary="Sign a user out everywhere",
    responses=problems(401, 403, 404, 422),
)
async def end_user_sessions(door: AtDoor, person: Person, user_id: UserId) -> SessionsEnded:
    """All sessions of the user end; it may sign in again. It takes one who may give all roles of the user."""
    return SessionsEnded(ended=await door.find(door.operations.people.end_sessions(person.actor, user_id)))


@of_users.delete(
    f"{_OF_USER}/{{session_id}}",
    operation_id="endUserSession",
    summary="End a session of a user",
    responses=problems(401, 403, 404, 422),
)
async def end_user_session(door: AtDoor, person: Person, user_id: UserId, session_id: SessionId) -> SessionsEnded:
    """At once and for all processes. It takes one who may give all roles of the user."""
    work = door.operations.people.end_sessions(person.actor, user_id, session_id)
    return SessionsEnded(ended=await door.find(work))


def _answer(found: Sequence[OpenSession], person: Session) -> OpenSessions:
    return OpenSessions(
        sessions=[
            OpenSessionAnswer(
                id=each.id,
                begun_at=each.created_at,
                last_used_at=each.last_used_at,
                expires_at=each.expires_at,
                current=each.id == person.id,
            )
            for each in found
        ]
    )
