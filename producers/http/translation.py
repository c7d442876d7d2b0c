"""From errors to answers: one handler for each family, all giving problem details."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from domain.access import NotAllowed
from domain.errors import InputError, StorageUnavailable, TowpathError, TransportUnavailable
from producers.http.callers import refusal_of
from producers.http.door import door_of
from producers.http.problems import Refusal, problem_response, status_of, unavailable

_AWAY = "The database gives no answer. Send the same request again later; events sent twice are recognised."
_CROWDED = "Too many requests wait already. Send the same request again later; events sent twice are recognised."
_SENTENCES = {
    404: ("not_found", "There is nothing at this address. The addresses are listed in /openapi.json."),
    405: (
        "method_not_allowed",
        "This address does not know the method. The Allow header names those it knows.",
    ),
}

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(Refusal, answer_of)
    app.add_exception_handler(TowpathError, answer_of)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_parameters)


async def answer_of(request: Request, error: Exception) -> Response:
    """The answer to what an endpoint raised on purpose; anything else is raised again.

    What the database says about itself stays here: it may name hosts and users.
    """
    if isinstance(error, Refusal):
        return problem_response(error)
    if isinstance(error, StorageUnavailable | TransportUnavailable):
        detail = _CROWDED if error.code == "overloaded" else _AWAY
        return problem_response(unavailable(door_of(request).limits.retry_after_seconds, detail, error.code))
    if isinstance(error, NotAllowed):
        return problem_response(refusal_of(error))
    if isinstance(error, InputError):
        return problem_response(Refusal(status_of(error), error.code, error.sentence))
    raise error


async def _of_framework(request: Request, raised: Exception) -> Response:
    error = cast(HTTPException, raised)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_at(request))
    fallback = (HTTPStatus(error.status_code).name.lower(), HTTPStatus(error.status_code).description)
    code, detail = _SENTENCES.get(error.status_code, fallback)
    return problem_response(Refusal(error.status_code, code, detail or code, headers=headers))


def _methods_at(request: Request) -> list[str]:
    """All methods of an address (RFC 9110, 10.2.1); the framework itself names those of one route alone."""
    routes = request.app.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _of_parameters(_: Request, error: Exception) -> Response:
    faults = [_fault(each) for each in cast(RequestValidationError, error).errors()]
    names = ", ".join(fault["parameter"] for fault in faults)
    return problem_response(
        Refusal(422, "invalid_parameters", f"These parameters are not valid: {names}.", members={"errors": faults})
    )


def _fault(error: dict[str, Any]) -> dict[str, str]:
    """Where and why, without the value."""
    return {
        "parameter": ".".join(str(step) for step in error["loc"][1:]) or "body",
        "reason": str(error["msg"]),
    }
