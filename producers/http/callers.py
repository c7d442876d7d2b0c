"""Callers: who asks, with an API key or signed in, in which account, and whether that one may (domain.access)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from broker.operations import KeyHolder
from domain.access import KEY_MAY, Action, Actor, Decision, Key, NotAllowed, Place, ensure, judge
from domain.channels import Account
from domain.errors import UnknownName
from producers.http.cookies import ensure_own_page, ensure_token, token_of
from producers.http.problems import Refusal

if TYPE_CHECKING:
    from broker.operations import Session
    from producers.http.door import Door

_CHALLENGE = 'Bearer realm="towpath"'
_NOBODY = "Send a valid API key as 'Authorization: Bearer KEY', or sign in by POST /v1/session."
_CODE = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the account it is about: by code, where it belongs, and whether it is enabled."""

    who: Actor
    account: str
    place: Place
    enabled: bool
    may: frozenset[Action]

    @classmethod
    def of(cls, who: Actor, account: str, place: Place, *, enabled: bool) -> Caller:
        """The caller with all it may there."""
        may = [each for each in Action if judge(who, each, place, account_enabled=enabled) is Decision.ALLOWED]
        return cls(who, account, place, enabled, frozenset(may))

    @property
    def actor(self) -> str:
        """Who asks, as the audit writes it."""
        return self.who.name

    def ensure(self, action: Action) -> None:
        """Go on only if the caller may.

        Raises:
            Refusal: 404 where nothing of this account may be seen, 403 with the reason where only this is missing.
        """
        if action in self.may:
            return
        absent = unknown_account(self.account)
        try:
            ensure(self.who, action, self.place, account_enabled=self.enabled, absent=absent)
        except NotAllowed as error:
            raise refusal_of(error, self.who, action) from None
        except UnknownName as error:
            raise Refusal(404, error.code, error.sentence) from None


def unknown_account(code: str) -> UnknownName:
    """The error for an account that does not exist, or of which the caller must not learn that it does."""
    return UnknownName(f"There is no account {code!r}.", code="unknown_account")


def refusal_of(error: NotAllowed, who: Actor | None = None, action: Action | None = None) -> Refusal:
    """403 with the reason; to a key with the challenge that RFC 6750, section 3.1, asks for."""
    headers = {}
    if who is not None and isinstance(who.holds, Key) and error.code == "missing_scope":
        headers["WWW-Authenticate"] = f'{_CHALLENGE}, error="insufficient_scope", scope="{_scope_for(action)}"'
    return Refusal(403, error.code, error.sentence, headers=headers)


def unauthorized(detail: str = _NOBODY, code: str = "unauthorized") -> Refusal:
    """401, the same whatever is wrong with what was sent (RFC 6750, section 3)."""
    return Refusal(401, code, detail, headers={"WWW-Authenticate": _CHALLENGE})


def caller_of_key(holder: KeyHolder) -> Caller:
    """Who asks with a key."""
    return Caller.of(holder.actor, holder.account, holder.place, enabled=holder.enabled)


async def caller_of(door: Door, request: Request, action: Action) -> Caller:
    """Who asks, and may do ``action`` in the account that the address names, or the key speaks for.

    Raises:
        Refusal: 401 nobody; 404 an account that is not the caller's; 403 not allowed, with the reason; 400 no account
            named by one who is signed in.
        StorageUnavailable: it cannot be looked up now.
    """
    named: str | None = request.path_params.get("account")
    authorization = request.headers.get("authorization")
    if authorization is not None or token_of(request) is None:
        caller = await door.keys.caller(authorization)
        if named is not None and named != caller.account:
            error = unknown_account(named)
            raise Refusal(404, error.code, error.sentence)
    else:
        caller = await _signed_in(door, request, named)
    caller.ensure(action)
    return caller


async def session_of(door: Door, request: Request) -> Session:
    """The session of a request; one that changes something must come from a page of our own.

    Raises:
        Refusal: 401 nobody is signed in, 403 the request was made by another site.
    """
    token = token_of(request)
    session = await door.ask(door.operations.sessions.session(token)) if token else None
    if token is None or session is None:
        raise unauthorized()
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        ensure_own_page(request)
        ensure_token(request, token)
    return session


async def _signed_in(door: Door, request: Request, named: str | None) -> Caller:
    session = await session_of(door, request)
    if named is None:
        path = request.url.path.removeprefix("/v1/")
        raise Refusal(400, "account_missing", f"Name the account you mean in the address: /v1/accounts/ACCOUNT/{path}.")
    code = named if _CODE.fullmatch(named) else ""
    found: Account | None = await door.ask(door.operations.sessions.account(code))
    if found is None:
        error = unknown_account(named)
        raise Refusal(404, error.code, error.sentence)
    return Caller.of(session.actor, found.code, Place(found.organization_id, found.id), enabled=found.enabled)


def _scope_for(action: Action | None) -> str:
    """The narrowest scope that allows it."""
    return next((scope.value for scope, may in KEY_MAY.items() if action in may), "")
