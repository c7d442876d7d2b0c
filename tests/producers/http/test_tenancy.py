"""Two accounts cannot see each other: every documented address, asked by everybody who must not get through."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import pytest_asyncio

from broker.ledger import Rejection, Settlement
from broker.operations import NewChannel
from broker.verdicts import Attempt, judge
from domain.access import Actor, Role
from domain.errors import MalformedEvent
from domain.jobs import JOB_TYPES
from domain.mappings import MappingKind, Missing, Side, row_of
from domain.moments import utc_now
from domain.outcomes import Park
from producers.http import create_app
from storage.database import Database
from storage.metadata import metadata
from tests.producers.http.support import Site, Template, Visitor, open_site, stock, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Actor.installation()
SKU = "GOLDEN-MUG"
OPEN = {"/healthz", "/readyz", "/metrics", "/hooks/{channel}/{secret}", "/hooks/{channel}/{secret}/{topic}"}
OWN = "/v1/session"
"""What everybody may do with the own session alone (test_session.py)."""
BODIES: dict[str, Any] = {
    "takeEvents": {**stock(7), "account": "acme"},
    "discardDelivery": {"reason": "because"},
    "saveMapping": {"channel_carrier": "UPS", "oms_carrier": "UPS"},
    "createKey": {"scopes": ["read"]},
    "rotateKey": {},
    "createUser": {"email": "fresh@example.com", "name": "Fresh", "grants": [{"role": "viewer", "account": "acme"}]},
    "changeUser": {"name": "Changed"},
    "resetPassword": {"password": "a sentence that is long"},
    "giveRole": {"role": "viewer", "account": "acme"},
    "testConnection": {"domain": "new.example.com", "token": "token-1234"},
    "createChannel": {"code": "new", "name": "New", "domain": "new.example.com", "token": "token-1234"},
    "editChannel": {"name": "Changed"},
    "createAccount": {"code": "fresh", "name": "Fresh"},
    "createWarehouse": {"code": "fresh", "name": "Fresh"},
    "renameWarehouse": {"name": "Changed"},
    "switchAccount": {"enabled": False},
    "setRetention": {"pii_retention_days": 30},
    "setChannelRetention": {"pii_retention_days": 30},
    "authorizeChannel": {"access_token": "fresh", "refresh_token": "fresher"},
    "testEditedConnection": {"token": "token-1234"},
    "changeChannelSettings": {"put": {"stock_buffer": 3}},
    "changeAccountSettings": {"put": {"stock_buffer": 3}},
}
RESTRICTED = ("/audit", "/keys", "/captures")
"""What nobody reads but those who look after the account."""
LOOKED_AFTER = (
    "/manual-logging/{job}",
    "/retention",
    "/hook",
    "/authorization",
    "/channels/{channel}",
    "/test",
    "/{switch}",
    "/settings",
)
"""What nobody changes but those who look after the account: the key of the other account here has no such scope."""
SAYS_NOTHING = (
    "announcements",
    "warehouses",
    "/jobs",
    "calls",
    "budget",
    "platforms",
    "manual-logging",
    "/settings",
    "history",
)
"""What tells of nothing that only this account has, as furnished here."""
PARAMETERS = {"removeMapping": {"code": "UPS"}, "takeRole": {"account": "acme"}}


@dataclass
class Tenants:
    """A site whose account acme has everything there is, and people who are not of it."""

    site: Site
    ids: dict[str, str]
    traces: dict[str, str]
    visitors: dict[str, Visitor] = field(default_factory=dict)

    async def ask(self, who: str, method: str, path: str, operation: str) -> httpx.Response:
        """Who is nobody, a key, or one of the visitors."""
        headers: dict[str, str] = {}
        if who.startswith("key"):
            headers = self.site.key(who.removeprefix("key "))
        elif who in self.visitors:
            headers = self.visitors[who].headers
        body = BODIES.get(operation.removesuffix("OfAccount"))
        if operation.startswith("takeEvents"):
            headers["content-type"] = "application/cloudevents+json"
        content = json.dumps(body).encode() if body is not None else b""
        params = PARAMETERS.get(operation.removesuffix("OfAccount"))
        self.site.client.cookies.clear()
        return await self.site.client.request(method, path, headers=headers, content=content, params=params)

    def filled(self, path: str, **other: str) -> str:
        return re.sub(r"{(\w+)}", lambda match: {**self.ids, **other}[match.group(1)], path)

    def dump(self) -> dict[str, list[Any]]:
        """All that is stored, but who was seen when."""
        return {
            name: self.site.database.read(lambda connection, t=table: connection.execute(t.select()).all())  # type: ignore[misc]
            for name, table in metadata.tables.items()
            if name != "sessions"
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tenants(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tenants]:
    async with open_site(template, tmp_path_factory.mktemp("tenants")) as site:
        yield await furnished(site)


async def furnished(site: Site) -> Tenants:
    desk = site.operations.desk
    elsewhere = await desk.create_organization("Elsewhere")
    await desk.create_account(elsewhere, "zenith", "Zenith", "UTC")
    await desk.create_channel(NewChannel("zenith", "z", "Z", "bright_sites", "zenith.example.com", "token-1234"))
    rejection = Rejection(b"what came", MalformedEvent("No JSON.", code="not_json"), "inbox", "order.created.acme.main")
    await site.ledger.admit((), [rejection])
    ground = row_of(MappingKind.CARRIER, {"channel_carrier": "Raven Express", "oms_carrier": "RAVEN"})
    await site.operations.mappings.save("acme", "main", ground, "tester")
    message, delivery = await waiting(site)
    (task,) = await site.operations.mappings.tasks("acme")
    accounts = {account.code: account for account in await desk.accounts()}
    await site.operations.warehouses.create(ROOT, accounts["acme"].organization_id, "hall-nine", "Hall nine")
    await site.operations.warehouses.enable(ROOT, "acme", "hall-nine", enabled=True)
    employee = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme")
    key = await desk.create_key("acme", ["read"], name="Raven key")
    (open_one,) = await site.operations.people.sessions(ROOT, employee.user.id)
    await site.operations.make_hook("acme", "main", actor="tester")
    ids = {
        "account": "acme", "message_id": message, "delivery_id": delivery, "task_id": task.id, "channel": "main",
        "kind": "carrier", "user_id": employee.user.id, "role": "account_administrator", "key_id": key.id,
        "organization": accounts["acme"].organization_id, "warehouse": "hall-nine", "switch": "disable",
        "job": "order_import", "session_id": open_one.id,
    }  # fmt: skip
    (channel,) = await desk.channels("acme")
    traces = {
        "account": accounts["acme"].id, "code": "acme", "message": message, "delivery": delivery, "task": task.id,
        "order": SKU, "channel": channel.id, "domain": channel.domain, "user": employee.user.id,
        "email": employee.user.email, "key": key.id, "key name": "Raven key", "carrier": "Raven",
        "secret": key.secret[:8], "what came": "what came", "session": open_one.id,
    }  # fmt: skip
    made = Tenants(site, ids, traces)
    made.visitors = {
        "neighbour": await site.enter(Role.ACCOUNT_ADMINISTRATOR, "globex"),
        "stranger": await site.enter(Role.ORGANIZATION_OWNER, organization=elsewhere),
        "viewer": await site.enter(Role.VIEWER, "acme"),
        "user": await site.enter(Role.ACCOUNT_USER, "acme"),
    }
    return made


async def waiting(site: Site) -> tuple[str, str]:
    """A message of acme that waits for a mapping, and its delivery."""
    (result,) = (await site.send(stock(1, data={**stock(1)["data"], "sku": SKU}))).json()["results"]
    await site.ledger.beat(site.worker, "consume", 30)
    missing = Missing(MappingKind.CARRIER, Side.OMS, "Raven Night")
    park = Park("A mapping is missing.", "carrier_unmapped", "mapping", missing=(missing,))
    for claim in await site.ledger.claim(site.worker, list(JOB_TYPES), 10):
        verdicts = tuple(judge(park, each, Attempt(utc_now(), utc_now())) for each in claim.deliveries)
        await site.ledger.settle(site.worker, [Settlement(claim, verdicts)])
    life = await site.operations.desk.message(result["message"])
    assert life is not None
    return result["message"], life.message.deliveries[0].id


def addresses() -> list[tuple[str, str, str]]:
    """Method, path and operation of every address that is not open to everybody."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/empty.db")
        document = create_app(wire(database)[0]).openapi()
        database.close()
    return [
        (method.upper(), path, operation["operationId"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path not in OPEN and not path.startswith(OWN)
    ]


ADDRESSES = addresses()
named = pytest.mark.parametrize(("method", "path", "operation"), ADDRESSES, ids=[f"{m} {p}" for m, p, _ in ADDRESSES])


def is_of_account(path: str) -> bool:
    return path.startswith("/v1/accounts/{account}/")


def is_of_people(path: str) -> bool:
    return path.startswith(("/v1/users", "/v1/organizations"))


def expected(who: str, method: str, path: str) -> set[int]:
    """What the rules say (sales channels, section 1)."""
    if who == "nobody":
        return {401}
    if who.startswith("key") and is_of_people(path):
        return {403}
    if is_of_account(path):
        return {404} if who in ("key foreign", "neighbour", "stranger") else refused_inside(method, path)
    if not is_of_people(path):
        # The short form: a key has its own account there, who is signed in must name one.
        if who.startswith("key") and "{" in path and not (method != "GET" and path.endswith(LOOKED_AFTER)):
            return {404}
        return {200, 422, 403} if who.startswith("key") else {400}
    if who in ("viewer", "user"):
        return {403, 404}
    if path == "/v1/users" and method == "GET":
        return {200}
    return {404}


def refused_inside(method: str, path: str) -> set[int]:
    """What a viewer of the account is answered."""
    restricted = path.endswith(RESTRICTED) or method != "GET"
    return {403} if restricted else {200}


@named
@pytest.mark.parametrize("who", ["nobody", "key foreign", "neighbour", "stranger", "viewer"])
async def test_nobody_gets_through_who_must_not_and_learns_nothing(
    tenants: Tenants, who: str, method: str, path: str, operation: str
) -> None:
    before = tenants.dump()
    sent = tenants.filled(path)
    answer = await tenants.ask(who, method, sent, operation)
    assert answer.status_code in expected(who, method, path), answer.text
    assert tenants.dump() == before
    if who == "viewer":
        return
    plain = operation.removesuffix("OfAccount")
    known = sent + json.dumps([BODIES.get(plain), PARAMETERS.get(plain)])
    for name, trace in tenants.traces.items():
        assert trace in known or trace not in answer.text, f"{name} is told"


@named
async def test_what_is_not_ones_own_is_answered_like_what_does_not_exist(
    tenants: Tenants, method: str, path: str, operation: str
) -> None:
    if "{" not in path:
        return
    nothing = dict.fromkeys(("account", "message_id", "delivery_id", "task_id", "channel", "key_id"), "nothing")
    nothing |= {"session_id": "nothing", "warehouse": "nothing", "user_id": "nothing", "organization": "nothing"}
    for who in ("key foreign", "neighbour", "stranger"):
        if 404 not in expected(who, method, path):
            continue
        told = [
            (await tenants.ask(who, method, tenants.filled(path, **other), operation)).json() for other in ({}, nothing)
        ]
        for each in told:
            each["instance"] = ""
            each["detail"] = re.sub(r"'(acme|main|nothing|[0-9a-f-]{36})'", "''", each["detail"])
        assert told[0] == told[1], who


async def test_the_expectations_hold_for_something(tenants: Tenants) -> None:
    """Who belongs there gets through: the addresses and bodies above are real ones."""
    user = tenants.visitors["user"]
    for method, path, operation in ADDRESSES:
        if is_of_account(path) and method == "GET" and not path.endswith(RESTRICTED):
            answer = await user.get(tenants.filled(path))
            assert answer.status_code == 200, path
            assert any(trace in answer.text for trace in tenants.traces.values()) or path.endswith(SAYS_NOTHING), (
                operation
            )
