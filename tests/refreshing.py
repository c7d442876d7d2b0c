"""A platform whose tokens live for an hour and are renewed by a refresh token that may be used once.

:class:`TokenServer` is a shop with such tokens as a real HTTP server; :data:`PLATFORM` is its connector, made of the
same parts as those of real shops.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr

from connectors.http import AllowedHosts, Caller, Endpoint, Operation, build_endpoint
from connectors.registry import MANIFESTS, PLATFORMS, Platform
from domain.authorization import Tokens
from domain.channels import Channel, ConnectorManifest
from domain.moments import Clock
from domain.periods import ALL_PERIODS, NEVER
from domain.ports import ConnectionCheck, Shop
from domain.setting_fields import CHANNEL_FIELDS, offered

if TYPE_CHECKING:
    import pytest

NAME = "hourly"
HOUR = timedelta(hours=1)
JOBS = {
    "order_import": ALL_PERIODS,
    "order_update": (NEVER,),
    "authorization_refresh": ALL_PERIODS,
    "pii_redaction": ALL_PERIODS,
}
MANIFEST = ConnectorManifest(
    platform=NAME,
    title="Hourly",
    version="beta",
    token="refreshing",
    jobs=JOBS,
    settings=offered(CHANNEL_FIELDS, JOBS),
)
SET_STATUS = Operation("set_status", "Setting the status", "PUT", "/orders/{id}", "set")
RENEW = Operation("renew", "Renewing the authorization", "POST", "/token", "unsafe")


@dataclass(slots=True)
class State:
    """Where the calls of a channel go."""

    endpoint: Endpoint


class HourlyShop:
    """As much of a shop as the tests call."""

    def __init__(self, caller: Caller, state: State) -> None:
        self._caller = caller

    async def set_order_status(self, external_order_id: str, status: str, note: str | None) -> None:
        await self._caller.call(SET_STATUS, {"id": external_order_id}, about="order", body={"status": status})

    async def check(self) -> ConnectionCheck:
        await self._caller.call(SET_STATUS, {"id": "0"}, about="connection test", body={})
        return ConnectionCheck(True, True, "Shop and token work.")


async def refresh(caller: Caller, token: SecretStr) -> Tokens:
    """The platform's renewal: one call, and the refresh token is used up by it."""
    given = token.get_secret_value()
    answer = await caller.call(RENEW, about="authorization", body={"refresh_token": given}, hide=(given,))
    expires_at = datetime.fromisoformat(answer["expires_at"])
    return Tokens(SecretStr(answer["access_token"]), SecretStr(answer["refresh_token"]), expires_at)


def new_state(channel: Channel, allowed: AllowedHosts) -> State:
    return State(build_endpoint(channel, "", "X-Token", allowed))


PLATFORM = Platform(MANIFEST, new_state, lambda caller, state: cast(Shop, HourlyShop(caller, state)), refresh)


@dataclass
class TokenServer:
    """What the platform knows, by its own clock. Of ``lose`` renewals the answer is not sent; while ``away`` it renews
    nothing. With ``patient`` a refresh token that was used last is answered again, by the tokens it led to. Other calls
    are answered when there have been as many as ``together``. ``asked`` is its ledger of renewals: each refresh token
    that came, and whether it led to new tokens.
    """

    clock: Clock
    calls: list[str] = field(default_factory=list)
    access: str = ""
    refresh: str = ""
    expires_at: datetime | None = None
    renewals: int = 0
    lose: int = 0
    away: bool = False
    patient: bool = False
    together: int = 0
    crowd: int = 0
    used: str = ""
    asked: list[tuple[str, bool]] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: threading.Condition = field(default_factory=threading.Condition)

    def issue(self) -> Tokens:
        """New tokens; those before are worth nothing."""
        number = next(self.numbers)
        self.access, self.refresh = f"access-canary-{number:04d}", f"refresh-canary-{number:04d}"
        self.expires_at = self.clock() + HOUR
        return Tokens(SecretStr(self.access), SecretStr(self.refresh), self.expires_at)

    def answer(self, method: str, path: str, token: str | None, body: dict[str, Any]) -> tuple[int, Any] | None:
        with self.lock:
            self.calls.append(f"{method} {path.split('/')[1]}")
            if path == "/token":
                return (503, {"error": "down"}) if self.away else self._renew(body)
            self.crowd += 1
            self.lock.notify_all()
            self.lock.wait_for(lambda: self.crowd >= self.together, 30)
            if token != self.access or self.expires_at is None or self.clock() >= self.expires_at:
                return 401, {"error": "The token is not valid."}
            self.statuses[path.rsplit("/", 1)[1]] = body.get("status", "")
            return 200, {}

    def _renew(self, body: dict[str, Any]) -> tuple[int, Any] | None:
        given = body.get("refresh_token", "")
        fresh = given == self.refresh
        self.asked.append((given, fresh))
        if not fresh:
            return self._told() if self.patient and given == self.used else (401, {"error": "invalid_grant"})
        self.used = given
        self.issue()
        self.renewals += 1
        if self.lose:
            self.lose -= 1
            return None
        return self._told()

    def _told(self) -> tuple[int, Any]:
        assert self.expires_at is not None
        tokens = {"access_token": self.access, "refresh_token": self.refresh}
        return 200, {**tokens, "expires_at": self.expires_at.isoformat()}


@contextmanager
def serving(server: TokenServer) -> Iterator[str]:
    """The server under way; its host and port."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
            answer = server.answer(self.command, self.path, self.headers.get("x-token"), body)
            if answer is None:
                self.close_connection = True
                return
            said = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_PUT = do_POST = _do  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: Any) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{made.server_address[1]}"
    finally:
        made.shutdown()
        made.server_close()
        thread.join(5)


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the platform known for the length of a test."""
    monkeypatch.setitem(PLATFORMS, NAME, PLATFORM)
    monkeypatch.setitem(MANIFESTS, NAME, MANIFEST)


def main() -> None:
    """``python -m tests.refreshing ROLE…``: Towpath, which knows the platform."""
    PLATFORMS[NAME], MANIFESTS[NAME] = PLATFORM, MANIFEST
    from app.__main__ import main as run

    run()


if __name__ == "__main__":
    main()
