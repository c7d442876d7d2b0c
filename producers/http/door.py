"""The door: what all endpoints share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from broker.operations import Operations
from domain.access import Action
from domain.errors import UnknownName
from producers.http.callers import Caller, caller_of
from producers.http.collector import Collector
from producers.http.cookies import session_cookie
from producers.http.gauges import Gauges
from producers.http.keys import Keys
from producers.http.limits import HttpLimits
from producers.http.patience import Patience
from producers.http.problems import Refusal

T = TypeVar("T")

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="An API key of one account. Scopes: `events:write`, `read`, `operate`, `admin`.",
)


class Door:
    """The operator surface with bounds around it. ``closing`` is set when the server is about to stop."""

    def __init__(self, operations: Operations, limits: HttpLimits) -> None:
        self.operations = operations
        self.limits = limits
        self.keys = Keys(operations.desk, limits)
        self.collector = Collector(operations, limits)
        self.closing = asyncio.Event()
        self.polling = 0
        self.sign_ins = Patience(limits.sign_ins)
        self._lookups = Patience(limits.lookups)
        desk = operations.desk
        self.gauges = Gauges(
            operations.meters,
            lambda: self.ask(desk.statistics()),
            limits.statistics_fresh_seconds,
            lambda: self.ask(operations.calls.budgets()),
        )

    async def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a look-up or change at the desk.

        Raises:
            StorageUnavailable: too many at once, or no answer within ``answer_seconds``.
        """
        return await self._lookups.wait_for(work, self.limits.answer_seconds)

    async def find(self, work: Coroutine[Any, Any, T]) -> T:
        """As :meth:`ask`; what does not exist, or must not be known to, is answered 404."""
        try:
            return await self.ask(work)
        except UnknownName as error:
            raise Refusal(404, error.code, error.sentence) from None

    async def close(self) -> None:
        """End long polls and answer what waits."""
        self.closing.set()
        await self.collector.close()


def door_of(request: Request) -> Door:
    """The door of the application a request came to."""
    door: Door = request.app.state.door
    return door


async def _door(request: Request) -> Door:
    return door_of(request)


class May:
    """Dependency: the caller, who may do an action in the account that the address names, or the key speaks for."""

    def __init__(self, action: Action) -> None:
        self._action = action

    async def __call__(
        self,
        request: Request,
        key: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        session: Annotated[str | None, Security(session_cookie)],
    ) -> Caller:
        """The caller of a request."""
        return await caller_of(door_of(request), request, self._action)


AtDoor = Annotated[Door, Depends(_door)]
Reader = Annotated[Caller, Depends(May(Action.READ))]
Exporter = Annotated[Caller, Depends(May(Action.EXPORT_DATA))]
MappingEditor = Annotated[Caller, Depends(May(Action.EDIT_MAPPINGS))]
