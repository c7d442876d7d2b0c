"""Putting the door together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from broker.operations import Operations
from domain.events import CONTRACT_VERSION
from producers.http import (
    accounts,
    acting,
    api_keys,
    auditing,
    calls,
    captures,
    care,
    channel_life,
    events,
    feed,
    health,
    hook,
    jobs,
    lookups,
    mapping,
    organizations,
    session,
    sessions,
    settings,
    translation,
    users,
)
from producers.http.addresses import add_routes
from producers.http.documented import describe
from producers.http.door import Door
from producers.http.limits import HttpLimits
from producers.http.shell import Shell
from producers.http.shortcut import Shortcut

_TAGS = [
    {"name": "events", "description": "Send events."},
    {"name": "read", "description": "Look things up."},
    {"name": "operate", "description": "Act on messages and deliveries."},
    {"name": "mappings", "description": "Which codes stand for which, and what is missing."},
    {"name": "care", "description": "How long personal data stay, and hooks."},
    {"name": "hooks", "description": "Where a shop posts what is new or changed."},
    {"name": "channels", "description": "Make, test, edit and delete channels; the warehouses of the account."},
    {"name": "settings", "description": "What can be set, what is set, and who changed it."},
    {"name": "session", "description": "Sign in and out."},
    {"name": "people", "description": "Users, API keys, and who changed what."},
    {"name": "health", "description": "For orchestration and monitoring."},
]


def create_app(operations: Operations, limits: HttpLimits | None = None) -> FastAPI:
    """The HTTP API over an operator surface; nothing runs before the first request.

    Further routes may be added to it; they get the security headers and problem details too.
    """
    door = Door(operations, limits or HttpLimits())
    app = FastAPI(
        title="Towpath",
        version=CONTRACT_VERSION,
        description="Events in, shop calls out. Errors are RFC 9457 problem details.",
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.door = door
    for module in (
        events,
        lookups,
        calls,
        captures,
        feed,
        acting,
        jobs,
        mapping,
        channel_life,
        settings,
        care,
        auditing,
    ):
        add_routes(app, module.router)
    for router in (
        api_keys.router,
        session.router,
        sessions.router,
        users.router,
        sessions.of_users,
        auditing.of_organization,
        accounts.router,
        organizations.router,
        hook.router,
        health.router,
    ):
        app.include_router(router)
    translation.install(app)
    app.add_middleware(Shortcut, path="/v1/events", endpoint=events.take_events)
    app.add_middleware(Shell)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.door.close()
