"""Errors as RFC 9457 problem details, the same shape everywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from domain.errors import IdentityConflict, InputError, MalformedEvent
from domain.ids import new_id

PROBLEM_JSON = "application/problem+json"


class Problem(BaseModel):
    """What went wrong (RFC 9457). ``code`` is a fixed word for programs; ``detail`` is for people."""

    type: str = Field(
        description="`urn:towpath:problem:` and the code", examples=["urn:towpath:problem:invalid_payload"]
    )
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(
        examples=["data of stock.changed is not valid: total: Input should be greater than or equal to 0"]
    )
    code: str = Field(examples=["invalid_payload"])
    instance: str | None = Field(
        default=None, description="names this occurrence; a failure of the server is logged under it"
    )
    errors: list[dict[str, str]] | None = Field(default=None, description="which parameters are wrong, and why")
    results: list[dict[str, Any]] | None = Field(default=None, description="of a batch: what became of each event")


class Refusal(Exception):
    """An answer other than success: HTTP status, code, sentence, further headers and members."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})


def problem(status: int, code: str, detail: str) -> dict[str, Any]:
    """The members every problem has."""
    return {
        "type": f"urn:towpath:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }


def problem_response(refusal: Refusal) -> Response:
    """The answer to send; its ``instance`` is new."""
    content = problem(refusal.status, refusal.code, refusal.detail)
    content |= {"instance": f"urn:uuid:{new_id()}", **refusal.members}
    return Response(json.dumps(content), refusal.status, refusal.headers, media_type=PROBLEM_JSON)


def unavailable(retry_after: int, detail: str, code: str = "storage_unavailable") -> Refusal:
    """503 with ``Retry-After`` (RFC 9110, 10.2.3)."""
    return Refusal(503, code, detail, headers={"Retry-After": str(retry_after)})


def status_of(error: InputError) -> int:
    """The HTTP status of what is wrong with an event: 413 too large, 400 no event, 409 identity, else 422."""
    if error.code == "body_too_large":
        return 413
    if isinstance(error, IdentityConflict):
        return 409
    if isinstance(error, MalformedEvent) and error.code != "invalid_payload":
        return 400
    return 422


def problem_of(error: InputError) -> dict[str, Any]:
    """The problem members of a refused event."""
    return problem(status_of(error), error.code, error.sentence)
