"""The door: what all endpoints share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from broker.operations import KeyHolder, Operations
from producers.http.collector import Collector
from producers.http.gauges import Gauges
from producers.http.keys import Keys
from producers.http.limits import HttpLimits
from producers.http.patience import Patience

T = TypeVar("T")

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="apiKey",
    description="An API key of one account. Scopes: `events:write`, `read`, `operate`.",
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
        self._lookups = Patience(limits.lookups)
        desk = operations.desk
        self.gauges = Gauges(operations.meters, lambda: self.ask(desk.statistics()), limits.statistics_fresh_seconds)

    async def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a look-up or change at the desk.

        Raises:
            StorageUnavailable: too many at once, or no answer within ``answer_seconds``.
        """
        return await self._lookups.wait_for(work, self.limits.answer_seconds)

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


class _KeyWith:
    """Dependency: the holder of the request's key, which must have a scope."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def __call__(
        self, request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
    ) -> KeyHolder:
        return await door_of(request).keys.holder(request.headers.get("authorization"), self._scope)


AtDoor = Annotated[Door, Depends(_door)]
Reader = Annotated[KeyHolder, Depends(_KeyWith("read"))]
Operator = Annotated[KeyHolder, Depends(_KeyWith("operate"))]
Administrator = Annotated[KeyHolder, Depends(_KeyWith("admin"))]
