"""Addresses: what belongs to an account has one for API keys, which know their account, and one that names it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path
from fastapi.routing import APIRoute

from producers.http.documented import OF_ACCOUNT, START, problems


async def _account(account: Annotated[str, Path(description="code of the account")]) -> None:
    """Puts the parameter into the document; whether the caller belongs there is asked where it is known."""


def add_routes(app: FastAPI, router: APIRouter) -> None:
    """Add routes to the application, and each a second time, below the account that it is about."""
    app.include_router(router)
    for route in router.routes:
        if isinstance(route, APIRoute):
            app.add_api_route(route.path.replace(START, OF_ACCOUNT, 1), route.endpoint, **_same(route))


def _same(route: APIRoute) -> dict[str, Any]:
    """What the second address has in common with the first."""
    return {
        "response_model": route.response_model,
        "status_code": route.status_code,
        "tags": route.tags,
        "dependencies": [*route.dependencies, Depends(_account)],
        "summary": route.summary,
        "description": route.description,
        "response_description": route.response_description,
        "responses": {**problems(400, 404, 422), **route.responses},
        "methods": sorted(route.methods or ()),
        "operation_id": f"{route.operation_id}OfAccount",
        "response_class": route.response_class,
        "openapi_extra": route.openapi_extra,
    }
