"""The command line over the real operator surface on SQLite, with a shop that answers from memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from typer.testing import CliRunner, Result

from broker.bell import Bell
from broker.ledger import Incoming, Rejection, Settlement, Verdict
from broker.meters import Meters
from broker.operations import NewChannel, Operations
from broker.operations.surface import Parts
from broker.transports.memory import InMemoryTransport
from broker.transports.seam import Transport
from broker.verdicts import Attempt, judge, judge_error
from connectors.bright_sites import MANIFEST
from connectors.registry import pushed_jobs
from console.cli import Doors, Opening, build
from console.cli.seams import DemoOptions, DemoProgress
from domain.channels import Channel, ConnectorManifest
from domain.errors import MalformedEvent, UnknownName
from domain.jobs import JOB_TYPES
from domain.moments import utc_now
from domain.outcomes import Outcome
from domain.ports import CallGuard, ConnectionCheck, Shop
from domain.synclog import ApiCall
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

T = TypeVar("T")
TOKEN = "kept-secret-token-7f3a"
"""The access token of the channel that :meth:`Place.set_up` makes."""
WORKER = "worker-1"
WORKING = ConnectionCheck(True, True, "The shop answers and the token may write.")


class MemoryShop:
    """Answers *Test connection*."""

    def __init__(self, answer: ConnectionCheck) -> None:
        self._answer = answer

    async def check(self) -> ConnectionCheck:
        return self._answer


@dataclass
class Place:
    """A folder with a database, and a program that works on it."""

    folder: Path
    connection: ConnectionCheck = WORKING
    transport: Transport = field(default_factory=InMemoryTransport)
    refusal: Exception | None = None
    debug: bool = False
    report: Mapping[str, Any] = field(default_factory=lambda: {"passed": True})
    played: list[Any] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Operations, SqlLedger]]:
        """The surface and the ledger under it."""
        if self.refusal is not None:
            raise self.refusal
        file = self.folder / "towpath.db"
        fresh = not file.exists()
        database = Database(f"sqlite:///{file}", exclusive=False)
        try:
            if fresh:
                database.write(upgrade)
            vault = Vault([b"k" * 32])
            directory = Directory(vault, pushed=pushed_jobs)
            ledger = SqlLedger(database, directory)
            desk = SqlDesk(database, directory, vault, lambda platform: MANIFEST.version)
            yield (
                Operations(
                    Parts(
                        ledger,
                        desk,
                        SqlMappings(database, directory),
                        SqlPeople(database),
                        self.transport,
                        _manifest,
                        self._shop,
                        Meters(),
                        Bell(),
                        SqlCalls(database, directory),
                        SqlCaptures(database, directory),
                        SqlCare(database, directory, vault),
                        platforms=(MANIFEST,),
                    )
                ),
                ledger,
            )
        finally:
            database.close()

    def _shop(self, channel: Channel, guard: CallGuard) -> Shop:
        return cast(Shop, MemoryShop(self.connection))

    @asynccontextmanager
    async def _operations(self, opening: Opening) -> AsyncIterator[Operations]:
        self.openings.append(opening)
        async with self.opened() as (operations, _):
            if opening is Opening.EXAMINE:
                await self.transport.start()
            yield operations

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[Transport]:
        await self.transport.start()
        yield self.transport
        await self.transport.close()

    @property
    def doors(self) -> Doors:
        """What the program gets; the doors that start something write down what they were asked for."""

        def noted(code: int = 0) -> Callable[[Any], int]:
            def note(asked: Any) -> int:
                self.played.append(asked)
                return code

            return note

        def demo(options: DemoOptions, tell: Callable[[DemoProgress], None]) -> Mapping[str, Any]:
            self.played.append(options)
            return self.report

        return Doors(
            open_operations=self._operations,
            open_transport=self._transport,
            run_roles=noted(),
            run_demo=demo,
            run_sandbox=noted(7),
            upgrade_database=lambda: ["The tables were made (0001)."],
            rotate_keys=lambda: ["2 channel tokens were sealed anew."],
            asyncapi=lambda: {"asyncapi": "3.0.0"},
            schemas=lambda: {"order.created": {"type": "object"}},
            settings_summary=lambda: {"TOWPATH_DATABASE_URL": "postgresql://towpath:hush@db/towpath"},
            debug=self.debug,
        )

    def run(self, *words: str, stdin: bytes | str | None = None, **env: str) -> Result:
        """Run one command line."""
        return CliRunner().invoke(
            build(self.doors), list(words), input=stdin, env={"COLUMNS": "100", "TERM": "dumb", **env}
        )

    def json(self, *words: str) -> Any:
        """Run one command line that must succeed; its output as JSON."""
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def do(self, work: Callable[[Operations, SqlLedger], Awaitable[T]]) -> T:
        """Work on the surface and the ledger directly."""

        async def main() -> T:
            async with self.opened() as (operations, ledger):
                return await work(operations, ledger)

        return asyncio.run(main())

    def set_up(self) -> None:
        """Organization Acme Group, account acme in Berlin, channel bright-main."""

        async def work(operations: Operations, _: SqlLedger) -> None:
            organization = await operations.desk.create_organization("Acme Group")
            await operations.desk.create_account(organization, "acme", "Acme", "Europe/Berlin")
            await operations.create_channel(
                NewChannel("acme", "bright-main", "Bright main", "bright_sites", "shop.example.com", TOKEN)
            )

        self.do(work)

    def publish(self, *events: Mapping[str, Any]) -> list[str]:
        """Take in events; their message ids."""

        async def work(operations: Operations, _: SqlLedger) -> list[str]:
            answers = await operations.ingest([json.dumps(event).encode() for event in events])
            assert not [answer.error for answer in answers if answer.error]
            return [str(answer.message_id) for answer in answers]

        return self.do(work)

    def attempt(self, ending: Outcome | Exception, *calls: ApiCall, due_in: float | None = -1.0) -> int:
        """Run all that is due as a worker would, each delivery ending the same way; how many ran.

        ``due_in`` overrides when what stays open is due again; -1 leaves it as judged.
        """

        async def work(_: Operations, ledger: SqlLedger) -> int:
            await ledger.beat(WORKER, "consume", 60.0)
            claims = await ledger.claim(WORKER, list(JOB_TYPES), 100)
            settlements = []
            for claim in claims:
                now = utc_now()
                took = Attempt(now - timedelta(milliseconds=42), now, calls)
                judged = judge_error if isinstance(ending, Exception) else judge
                verdicts = [_due(judged(ending, each, took), due_in) for each in claim.deliveries]  # type: ignore[arg-type]
                settlements.append(Settlement(claim, tuple(verdicts)))
            settled = await ledger.settle(WORKER, settlements)
            assert not any(each.fenced for each in settled)
            return sum(len(each.verdicts) for each in settlements)

        return self.do(work)

    def reject(self, body: bytes, sentence: str) -> None:
        """File something that could not become a message."""
        error = MalformedEvent(sentence, code="not_json")

        async def work(_: Operations, ledger: SqlLedger) -> None:
            nothing: list[Incoming] = []
            await ledger.admit(nothing, [Rejection(body, error, "towpath.inbox", "order.created.acme.all")])

        self.do(work)


def _due(verdict: Verdict, due_in: float | None) -> Verdict:
    return verdict if due_in == -1.0 else replace(verdict, due_in=due_in)


def _manifest(platform: str) -> ConnectorManifest:
    if platform != MANIFEST.platform:
        raise UnknownName(f"There is no platform {platform!r}. Platforms: {MANIFEST.platform}.")
    return MANIFEST


def order_created(number: str, event: str | None = None, **more: Any) -> dict[str, Any]:
    """An order event of channel bright-main."""
    return {
        "specversion": "1.0", "id": event or f"evt-{number}", "source": "/shops/bright",
        "type": "order.created", "account": "acme", "channel": "bright-main",
        "data": {"external_order_id": number}, **more,
    }  # fmt: skip


def stock_changed(sku: str, total: int, version: int) -> dict[str, Any]:
    """A stock event of account acme."""
    return {
        "specversion": "1.0", "id": f"stock-{sku}-{version}", "source": "/oms",
        "type": "stock.changed", "account": "acme",
        "data": {"sku": sku, "warehouse": "main", "total": total, "allocated": 0, "version": version},
    }  # fmt: skip
