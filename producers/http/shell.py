"""Around everything: security headers on every answer, and no failure without an answer."""

from __future__ import annotations

import traceback
from pathlib import PurePath

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.ids import new_id
from producers.http.problems import Refusal, problem_response

log = structlog.get_logger(__name__)

_DEEPEST = 6


class Shell:
    """ASGI middleware. A failure becomes a 500 problem whose ``instance`` stands in the log.

    The log names the error and where it was raised, never its text: that may quote what came in.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _guard(MutableHeaders(scope=message))
            await send(message)

        try:
            await self._app(scope, receive, send_guarded)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the last resort
            instance = f"urn:uuid:{new_id()}"
            log.error("http_failed", instance=instance, error=type(error).__name__, where=_where(error))
            if not begun:
                await problem_response(_failed(instance))(scope, receive, send_guarded)


def _guard(headers: MutableHeaders) -> None:
    """What keeps a browser from making more of an answer than it is (ASVS 5.0, 3.4)."""
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cache-Control", "no-store")


def _failed(instance: str) -> Refusal:
    detail = f"Towpath failed on this request. Whoever runs it finds the reason in the log under {instance}."
    return Refusal(500, "internal_error", detail, members={"instance": instance})


def _where(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_DEEPEST:]
    return [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
