"""Signing in and out, and what one may (sales channels, section 1)."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from broker.operations import NewSession, Session, SignInRefused, TooManyTries
from domain.access import Action, Place, can
from domain.people import LONGEST_EMAIL
from producers.http.asked import asked
from producers.http.callers import session_of, unauthorized
from producers.http.cookies import csrf_token, ensure_own_page, give, session_cookie, take_back, token_of
from producers.http.documented import body_docs, problems
from producers.http.door import AtDoor, Door
from producers.http.problems import Refusal

router = APIRouter(tags=["session"])

SIGN_IN_SECONDS = 10.0
"""Checking a password takes time on purpose, and more where many are checked at once."""
_LONGEST_SECRET = 1024


class SignInRequest(BaseModel):
    """Who signs in."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=LONGEST_EMAIL, examples=["owner@example.com"])
    password: SecretStr = Field(max_length=_LONGEST_SECRET)


class PasswordRequest(BaseModel):
    """One's own password."""

    model_config = ConfigDict(extra="forbid")

    current_password: SecretStr = Field(max_length=_LONGEST_SECRET)
    new_password: SecretStr = Field(max_length=_LONGEST_SECRET, description="15 to 256 characters")


class GrantAnswer(BaseModel):
    """A role, in a whole organization or (``account`` is its code) in one account."""

    role: str
    organization: str = Field(description="id")
    account: str | None


class AccountAnswer(BaseModel):
    """An account one belongs to and all one may do in it."""

    code: str
    name: str
    organization: str = Field(description="id")
    timezone: str
    enabled: bool
    disable_at: AwareDatetime | None
    may: list[Action]


class SessionAnswer(BaseModel):
    """Who is signed in. ``csrf_token`` goes along with every request that changes something."""

    user: str = Field(description="id")
    email: str
    name: str
    organization: str = Field(description="id")
    grants: list[GrantAnswer]
    may: list[Action] = Field(description="in the organization itself")
    accounts: list[AccountAnswer]
    expires_at: AwareDatetime = Field(description="the latest; earlier when it is not used for an hour")
    csrf_token: str


class SignedOut(BaseModel):
    """Nobody is signed in any more."""

    status: Literal["signed_out"] = "signed_out"


InSession = Depends(session_cookie)


async def _person(request: Request, door: AtDoor, _: Annotated[str | None, Security(session_cookie)]) -> Session:
    if request.headers.get("authorization") is not None:
        key = await door.keys.caller(request.headers["authorization"])
        raise Refusal(403, "not_allowed", f"This is for people: sign in. An API key speaks for {key.account!r} alone.")
    return await session_of(door, request)


Person = Annotated[Session, Depends(_person)]
"""Who is signed in, for what is not of one account."""


@router.post(
    "/v1/session",
    operation_id="signIn",
    summary="Sign in",
    responses=problems(400, 401, 403, 408, 413, 415, 422, 429),
    openapi_extra=body_docs(SignInRequest),
)
async def sign_in(request: Request, response: Response, door: AtDoor) -> SessionAnswer:
    """Begin a session; its token comes as a cookie that scripts cannot read. One that was open ends.

    The answer to an unknown user and to a wrong password is the same. After several failures for a name, or from an
    address, the next try must wait, each time longer: 429 with `Retry-After`.
    """
    _ensure_json(request)
    ensure_own_page(request)
    body = await asked(request, door, SignInRequest)
    sessions = door.operations.sessions
    begun = await _tried(door, sessions.sign_in(body.email, body.password.get_secret_value(), _address(request)))
    if earlier := token_of(request):
        await door.ask(sessions.sign_out(earlier))
    return await _begun(request, response, door, begun)


@router.get(
    "/v1/session",
    operation_id="showSession",
    summary="Who is signed in?",
    dependencies=[InSession],
    responses=problems(401),
)
async def show_session(request: Request, door: AtDoor) -> SessionAnswer:
    """The user, the accounts it belongs to, what it may do there, and the token for requests that change something."""
    return await _answer(door, await session_of(door, request), token_of(request) or "")


@router.delete(
    "/v1/session",
    operation_id="signOut",
    summary="Sign out",
    dependencies=[InSession],
    responses=problems(401, 403, 422),
)
async def sign_out(
    request: Request,
    response: Response,
    door: AtDoor,
    everywhere: Annotated[bool, Query(description="end all sessions of the user")] = False,
) -> SignedOut:
    """End the session, at once and for all processes."""
    await session_of(door, request)
    await door.ask(door.operations.sessions.sign_out(token_of(request) or "", everywhere=everywhere))
    take_back(request, response)
    return SignedOut()


@router.put(
    "/v1/session/password",
    operation_id="changePassword",
    summary="Change one's own password",
    dependencies=[InSession],
    responses=problems(400, 401, 403, 408, 413, 422, 429),
    openapi_extra=body_docs(PasswordRequest),
)
async def change_password(request: Request, response: Response, door: AtDoor) -> SessionAnswer:
    """All sessions of the user end; this one goes on with a new cookie and a new token."""
    session = await session_of(door, request)
    body = await asked(request, door, PasswordRequest)
    current, new = body.current_password.get_secret_value(), body.new_password.get_secret_value()
    begun = await _tried(
        door, door.operations.sessions.change_password(session, current, new, _address(request)), own=True
    )
    return await _begun(request, response, door, begun)


async def _tried(door: Door, work: Coroutine[Any, Any, NewSession], *, own: bool = False) -> NewSession:
    """The session that a try begins.

    Raises:
        Refusal: 429 too many tries, 401 refused (of one's own current password, 403).
    """
    try:
        return await door.sign_ins.wait_for(work, SIGN_IN_SECONDS)
    except TooManyTries as error:
        raise Refusal(429, error.code, error.sentence, headers={"Retry-After": str(error.seconds)}) from None
    except SignInRefused as error:
        if own:
            raise Refusal(403, "wrong_password", "The current password is wrong.") from None
        raise unauthorized(error.sentence, error.code) from None


async def _begun(request: Request, response: Response, door: Door, begun: NewSession) -> SessionAnswer:
    give(request, response, begun.token)
    return await _answer(door, begun.session, begun.token)


async def _answer(door: Door, session: Session, token: str) -> SessionAnswer:
    user, actor = session.user, session.actor
    accounts = await door.ask(door.operations.sessions.accounts(session))
    codes = {account.id: account.code for account in accounts}
    return SessionAnswer(
        user=user.id,
        email=user.email,
        name=user.name,
        organization=user.organization_id,
        grants=[
            GrantAnswer(role=each.role, organization=each.organization_id, account=codes.get(each.account_id or ""))
            for each in user.grants
        ],
        may=[each for each in Action if can(actor, each, Place(user.organization_id))],
        accounts=[
            AccountAnswer(
                code=each.code,
                name=each.name,
                organization=each.organization_id,
                timezone=each.timezone,
                enabled=each.enabled,
                disable_at=each.disable_at,
                may=[
                    action
                    for action in Action
                    if can(actor, action, Place(each.organization_id, each.id), account_enabled=each.enabled)
                ],
            )
            for each in accounts
        ],
        expires_at=session.expires_at,
        csrf_token=csrf_token(token),
    )


def _address(request: Request) -> str:
    """Where a request comes from; behind a trusted proxy (docs/access.md) the address that it tells."""
    return request.client.host if request.client else ""


def _ensure_json(request: Request) -> None:
    """A form of another site can send no JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "unsupported_media_type", "Send JSON, as application/json.")
