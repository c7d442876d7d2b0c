"""What an API call gets back, and the failures that become an answer."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from sandbox.bright_sites.wire import dumps

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and content type of one answer."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE


def answer(document: object, status: int = 200) -> Answer:
    """An answer with this document as JSON."""
    return Answer(status, dumps(document).encode())


class ApiError(Exception):
    """A call the shop refuses. `field` is the parameter at fault, or `base`."""

    status = 500

    def __init__(self, message: str, field: str = "base") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class BadRequestError(ApiError):
    """The body is not JSON, or not an object."""

    status = 400


class UnauthorizedError(ApiError):
    """No token, or one the shop does not accept."""

    status = 401


class ForbiddenError(ApiError):
    """A read-only token on a write."""

    status = 403


class NotFoundError(ApiError):
    """Unknown id, path or version."""

    status = 404


class InvalidError(ApiError):
    """A bad parameter or a broken business rule."""

    status = 422


def failure_answer(failure: ApiError, shape: str) -> Answer:
    """The failure in one of the error shapes (facts §1: the real shape is unknown, so it is a switch)."""
    if shape == "error_string":
        return answer({"error": failure.message}, failure.status)
    if shape == "errors_by_field":
        return answer({"errors": {failure.field: [failure.message]}}, failure.status)
    if shape == "html":
        return html_page(failure.message, failure.status)
    return answer({"errors": [failure.message]}, failure.status)


def html_page(message: str, status: int) -> Answer:
    """A page such as a proxy or an error handler would show."""
    text = (
        f"<!DOCTYPE html><html><head><title>{status}</title></head>"
        f"<body><h1>{status}</h1><p>{escape(message)}</p></body></html>"
    )
    return Answer(status, text.encode(), HTML_TYPE)
