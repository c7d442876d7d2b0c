"""A real server on a free port over a real ledger, and what tests ask of it."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from broker.bell import Bell
from broker.ledger import Settlement, Verdict
from broker.meters import Meters
from broker.operations import NewChannel, NewUser, Operations, User
from broker.operations.surface import Parts
from broker.transports.memory import InMemoryTransport
from connectors.bright_sites import MANIFEST
from connectors.registry import pushed_jobs
from domain.access import Actor, Grant, Role
from domain.channels import Channel, ConnectorManifest
from domain.errors import UnknownName
from domain.ids import new_id
from domain.jobs import JOB_TYPES
from domain.moments import utc_now
from domain.outcomes import Announcement, Effects
from domain.ports import CallGuard, ConnectionCheck, Shop
from domain.states import DeliveryState
from domain.synclog import Level
from producers.http import HttpLimits, create_app, serve
from producers.http.cookies import COOKIE, CSRF_HEADER, csrf_token
from storage.calls import SqlCalls
from storage.captures import SqlCaptures
from storage.care.sql_care import SqlCare
from storage.database import Database
from storage.desk.sql_desk import SqlDesk
from storage.directory import Directory
from storage.ledger import SqlLedger
from storage.mappings.sql_mappings import SqlMappings
from storage.people.sql_people import SqlPeople
from storage.schema import upgrade
from storage.vault import Vault
from tests.producers.http.contract import Contract

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that never speak TLS: reading the machine's certificates would take longer than most tests."""

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
KEYS = {
    "write": ("acme", ("events:write",)),
    "read": ("acme", ("read",)),
    "operate": ("acme", ("read", "operate")),
    "all": ("acme", ("events:write", "read", "operate")),
    "admin": ("acme", ("read", "admin")),
    "foreign": ("globex", ("events:write", "read", "operate")),
}


@dataclass
class Template:
    """A prepared database file, the secrets of its keys by name, and what the OpenAPI document promises."""

    path: Path
    secrets: dict[str, str]
    contract: Contract


@dataclass
class Site:
    """A running door."""

    url: str
    app: FastAPI
    client: httpx.AsyncClient
    operations: Operations
    ledger: SqlLedger
    database: Database
    transport: InMemoryTransport
    secrets: dict[str, str]
    stop: asyncio.Event
    serving: asyncio.Task[None]
    worker: str = field(default_factory=new_id)

    def key(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secrets[name]}"}

    async def send(self, event: Any, *, key: str = "write", **headers: str) -> httpx.Response:
        return await self.client.post("/v1/events", json=event, headers={**STRUCTURED, **self.key(key), **headers})

    async def send_raw(
        self, body: bytes, kind: str = STRUCTURED["content-type"], *, key: str = "write", **headers: str
    ) -> httpx.Response:
        return await self.client.post(
            "/v1/events", content=body, headers={"content-type": kind, **self.key(key), **headers}
        )

    async def send_batch(self, events: list[Any], *, key: str = "write") -> httpx.Response:
        return await self.client.post("/v1/events", json=events, headers={**BATCH, **self.key(key)})

    async def get(self, path: str, *, key: str = "read", **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={**self.key(key), **headers})

    async def enter(self, role: Role, account: str | None = None, organization: str | None = None) -> Visitor:
        """Somebody new with one role who is signed in; in the organization of acme unless another is named."""
        ids = {each.code: each for each in await self.operations.desk.accounts()}
        home = organization or ids[account or "acme"].organization_id
        grant = Grant(role, home, ids[account].id if account else None)
        email = f"{new_id()}@example.com"
        people = self.operations.people
        await people.add(Actor.installation(), NewUser(home, email, "Somebody", (grant,)))
        user = await people.user(Actor.installation(), email)
        begun = await SqlPeople(self.database).sessions.begin(user, email, "192.0.2.1")
        assert begun is not None
        return Visitor(self, begun.token, user)

    async def run(self, state: DeliveryState = DeliveryState.DONE, sentence: str = "Stock set.") -> int:
        """Settle everything that is due, as a worker would; how many deliveries."""
        await self.ledger.beat(self.worker, "consume", 30)
        claims = await self.ledger.claim(self.worker, list(JOB_TYPES), 1000)
        settlements = [
            Settlement(claim, tuple(_verdict(delivery, state, sentence) for delivery in claim.deliveries))
            for claim in claims
        ]
        await self.ledger.settle(self.worker, settlements)
        return sum(len(claim.deliveries) for claim in claims)


@dataclass
class Visitor:
    """Somebody who is signed in: sends the cookie, and what goes along with a change."""

    site: Site
    token: str
    user: User

    @property
    def headers(self) -> dict[str, str]:
        return {"cookie": f"{COOKIE}={self.token}", CSRF_HEADER: csrf_token(self.token)}

    async def ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        return await self.site.client.request(method, path, headers={**self.headers, **rest.pop("headers", {})}, **rest)

    async def get(self, path: str, **rest: Any) -> httpx.Response:
        return await self.ask("GET", path, **rest)


def _verdict(delivery: Any, state: DeliveryState, sentence: str) -> Verdict:
    now = utc_now()
    told = Announcement("stock.imported", {"sku": delivery.business_key}, delivery.business_key)
    return Verdict(
        delivery=delivery,
        state=state,
        outcome=state.value.capitalize(),
        level=Level.INFO if state is DeliveryState.DONE else Level.ERROR,
        code="ok" if state is DeliveryState.DONE else "refused",
        sentence=sentence,
        started_at=now,
        finished_at=now,
        effects=Effects(announcements=(told,)) if state is DeliveryState.DONE else Effects(),
    )


def stock(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A valid event; changes replace or add attributes, ``None`` takes them away."""
    event = {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "oms",
        "type": "stock.changed",
        "channel": "main",
        "data": {"sku": f"SKU-{number}", "warehouse": "w1", "total": 9, "allocated": 2, "version": number},
    }
    return {name: value for name, value in {**event, **changes}.items() if value is not None}


def platforms(platform: str) -> ConnectorManifest:
    if platform != "bright_sites":
        raise UnknownName(f"No platform {platform!r}.")
    return MANIFEST


class ReadOnlyShop:
    """Answers *Test connection*; the door makes no other call."""

    async def check(self) -> ConnectionCheck:
        return ConnectionCheck(True, False, "The token may only read.")


def shops(channel: Channel, guard: CallGuard) -> Shop:
    return cast(Shop, ReadOnlyShop())


def wire(database: Database) -> tuple[Operations, SqlLedger, InMemoryTransport]:
    vault = Vault([b"k" * 32])
    directory = Directory(vault, pushed=pushed_jobs)
    ledger = SqlLedger(database, directory)
    transport = InMemoryTransport()
    desk = SqlDesk(database, directory, vault, lambda platform: "stable")
    mappings, people = SqlMappings(database, directory), SqlPeople(database)
    care = SqlCare(database, directory, vault)
    beside = SqlCalls(database, directory), SqlCaptures(database, directory), care
    asked = (ledger, desk, mappings, people, transport, platforms, shops, Meters(), Bell())
    parts = Parts(*asked, *beside, platforms=(MANIFEST,))
    return Operations(parts), ledger, transport


async def furnish(database: Database) -> dict[str, str]:
    """Two accounts with a channel each and keys; secrets by name."""
    operations, _, _ = wire(database)
    organization = await operations.desk.create_organization("Org")
    for account, channel in (("acme", "main"), ("globex", "shop")):
        await operations.desk.create_account(organization, account, account.title(), "UTC")
        await operations.desk.create_channel(
            NewChannel(account, channel, "Shop", "bright_sites", f"{account}.example.com", "shop-token-9876")
        )
    return {name: (await operations.desk.create_key(*key)).secret for name, key in KEYS.items()}


def make_template(folder: Path) -> Template:
    """The database that every test gets a copy of."""
    path = folder / "template.db"
    database = Database(f"sqlite:///{path}")
    try:
        database.write(upgrade)
        secrets = asyncio.run(furnish(database))
        contract = Contract(create_app(wire(database)[0]).openapi())
    finally:
        database.close()
    return Template(path, secrets, contract)


@asynccontextmanager
async def open_site(template: Template, folder: Path, limits: HttpLimits | None = None) -> AsyncIterator[Site]:
    """A server over a copy of the template."""
    path = folder / "towpath.db"
    shutil.copy(template.path, path)
    database = Database(f"sqlite:///{path}")
    try:
        async with open_site_on(database, template, limits) as site:
            yield site
    finally:
        database.close()


@asynccontextmanager
async def open_site_on(database: Database, template: Template, limits: HttpLimits | None = None) -> AsyncIterator[Site]:
    """A server over a furnished database; every answer to ``client`` is held against the OpenAPI document."""
    operations, ledger, transport = wire(database)
    await transport.start()
    app = create_app(operations, limits)
    stop = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, address.set_result))
    url = await asyncio.wait_for(address, 10)
    try:
        hooks = {"response": [template.contract.check]}
        async with httpx.AsyncClient(base_url=url, event_hooks=hooks, timeout=10, verify=NO_TLS) as client:
            yield Site(url, app, client, operations, ledger, database, transport, template.secrets, stop, serving)
    finally:
        stop.set()
        await asyncio.wait_for(serving, 10)
        await transport.close()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)
