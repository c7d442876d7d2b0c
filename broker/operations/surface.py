"""Operations: what a person or a machine may ask of Towpath, with its rules; views only show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from broker.bell import Bell
from broker.guard import CheckGuard
from broker.handling import HELD
from broker.ledger import Admission, Incoming, Ledger
from broker.meters import Meters
from broker.operations.calls import Calls
from broker.operations.captures import Captures
from broker.operations.care import Care
from broker.operations.channel_life import ChannelLife, connectable
from broker.operations.desk import Desk
from broker.operations.keys import KeyRing
from broker.operations.mappings import Mappings
from broker.operations.organizations import OrganizationSurface
from broker.operations.people import People
from broker.operations.pushing import Pushing
from broker.operations.sessions import SignIn
from broker.operations.settings import SettingsSurface
from broker.operations.staff import Staff
from broker.operations.values import ChannelRow, Finding, LogFilter, LogRow, NewChannel, ScheduleRow
from broker.operations.warehouses import WarehouseSurface
from broker.transports.seam import Transport
from domain.access import Actor
from domain.channels import Channel, ConnectorManifest
from domain.envelope import Envelope, parse
from domain.errors import InputError, MalformedEvent, TowpathError, UnknownName
from domain.events import payload_of
from domain.ids import first_id
from domain.jobs import job_type
from domain.mappings import MappingKind
from domain.moments import utc_now
from domain.periods import Period
from domain.ports import ConnectionCheck, ShopOpener
from domain.settings import Changes
from domain.synclog import Trigger

FOLLOW_SECONDS = 0.5
FOLLOW_PAGE = 500
FOLLOW_OVERLAP = timedelta(seconds=30)
"""How much later than a row with a later id a row may be committed: transactions take far less."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the surface works on. ``manifest_of`` raises UnknownName for a platform that does not exist.

    ``trusted`` are shop domains with a port that may be called although they are not public (the sandbox, tests);
    ``platforms`` all that there are.
    """

    ledger: Ledger
    desk: Desk
    mappings: Mappings
    people: People
    transport: Transport
    manifest_of: Callable[[str], ConnectorManifest]
    shops: ShopOpener
    meters: Meters
    bell: Bell
    calls: Calls
    captures: Captures
    care: Care
    trusted: frozenset[str] = frozenset()
    platforms: tuple[ConnectorManifest, ...] = ()


class Operations:
    """The operator surface. Lookups and simple changes are on :attr:`desk` and :attr:`mappings`, what is asked about
    people on :attr:`people`, who is signed in on :attr:`sessions`, keys on :attr:`keys`, settings on :attr:`settings`,
    organizations and their accounts on :attr:`organizations`, warehouses on :attr:`warehouses`, making, testing,
    editing and deleting channels on :attr:`life`, hooks and authorizations on :attr:`care`, what shops post to hooks on
    :attr:`pushing`; what has rules of its own is here; API calls are on :attr:`calls` and :attr:`captures`.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.desk = parts.desk
        self.mappings = parts.mappings
        self.calls = parts.calls
        self.captures = parts.captures
        self.care = parts.care
        self.pushing = Pushing(parts.care, parts.manifest_of, parts.bell)
        self.people = Staff(parts.people, parts.desk)
        self.settings = SettingsSurface(parts.desk, parts.manifest_of, parts.bell)
        self.organizations = OrganizationSurface(parts.desk)
        self.warehouses = WarehouseSurface(parts.desk)
        self.life = ChannelLife(parts.desk, self._connectable, self._check, parts.bell)
        self.sessions = SignIn(parts.people)
        self.keys = KeyRing(parts.desk)

    async def ingest(
        self, bodies: Sequence[bytes], *, account: str | None = None, trigger: Trigger = Trigger.EVENT
    ) -> list[Admission]:
        """Take in structured CloudEvents; each gets an answer, durable when this returns.

        ``account`` is the one the sender may speak for: it is filled in where an event names none and must match where
        it names one.
        """
        decoded = [_decode(body, account, trigger) for body in bodies]
        events = [each for each in decoded if isinstance(each, Incoming)]
        answers = iter(await self._parts.ledger.admit(events))
        result = [next(answers) if isinstance(each, Incoming) else Admission(error=each) for each in decoded]
        self._parts.meters.admitted(result)
        self._parts.bell.ring()
        return result

    async def create_channel(self, new: NewChannel, *, actor: str = "installation") -> str:
        """A new channel; its platform must exist and its domain have the platform's form.

        Raises:
            UnknownName: no such platform or account.
            InputError: the domain, code or token cannot be right, or the domain belongs to another channel.
        """
        manifest = self._parts.manifest_of(new.platform)
        connectable(manifest, new.domain, new.token, self._parts.trusted)
        if manifest.api_versions and new.settings.api_version not in manifest.api_versions:
            raise InputError(
                f"{manifest.title} speaks API versions {', '.join(manifest.api_versions)}, not "
                f"{new.settings.api_version}.",
                code="unknown_api_version",
            )
        manifest.ensure_automation(new.settings.automation)
        renews = manifest.token == "refreshing"  # noqa: S105 - a kind of token, not one
        return await self.desk.create_channel(replace(new, renews=renews), fields=manifest.fields, actor=actor)

    async def check_channel(self, account: str, channel: str) -> ConnectionCheck:
        """*Test connection*: ask the shop whether domain and token work and whether the token may write, changing
        nothing.

        Raises:
            UnknownName: no such account or channel.
        """
        row = await self._channel_row(account, channel)
        found = await self._parts.ledger.channel(row.id)
        if found is None or found.fault:
            return ConnectionCheck(False, False, found.fault if found else "The channel was deleted.")
        return await self._check(found)

    def _connectable(self, platform: str, domain: str, token: str) -> str:
        return connectable(self._parts.manifest_of(platform), domain, token, self._parts.trusted)

    async def _check(self, channel: Channel) -> ConnectionCheck:
        """Ask the shop; the calls count for the channel. Of one that is held nothing is asked."""
        if channel.held:
            return ConnectionCheck(False, False, HELD)
        guard = CheckGuard(self.calls.note)
        try:
            return await self._parts.shops(channel, guard).check()
        finally:
            await guard.finish()

    async def _channel_row(self, account: str, channel: str) -> ChannelRow:
        for row in await self.desk.channels(account):
            if row.code == channel:
                return row
        raise UnknownName(f"Account {account!r} has no channel {channel!r}.", code="unknown_channel")

    async def make_hook(self, account: str, channel: str, *, actor: str) -> str:
        """A new secret for the channel's hook; its path is ``/hooks/{channel}/{secret}``. Shown this once.

        Raises:
            UnknownName: no such account or channel.
            InputError: its platform posts nothing.
        """
        manifest = self._parts.manifest_of((await self._channel_row(account, channel)).platform)
        if not manifest.webhooks:
            raise InputError(f"{manifest.title} posts nothing to a hook.", code="hook_not_offered")
        return await self.care.make_hook(account, channel, actor=actor)

    async def set_retention(self, by: Actor, account: str, days: int | None, *, channel: str | None = None) -> None:
        """Set after how many days personal data are erased, of a channel or an account; the setting of that name.

        ``None`` keeps them; for a channel it lets the account's value count.

        Raises:
            NotAllowed: ``by`` may not change the settings of the account.
            UnknownName: no such account or channel, or ``by`` must not learn that there is.
            InputError: no such number of days can be.
        """
        name = "pii_retention_days"
        changes = Changes({name: days}) if days is not None else Changes(clear=frozenset({name}))
        if channel is None:
            await self.settings.change_account(by, account, changes)
        else:
            await self.settings.change_channel(by, account, channel, changes)

    async def ensure_mapping(self, account: str, channel: str, kind: MappingKind) -> None:
        """Check that the platform of a channel has mappings of a kind.

        Raises:
            UnknownName: no such account or channel.
            InputError: it has none.
        """
        manifest = self._parts.manifest_of((await self._channel_row(account, channel)).platform)
        if kind not in manifest.mappings:
            raise InputError(
                f"A {manifest.title} channel has no {kind.title} mappings; it has: {', '.join(manifest.mappings)}.",
                code="mapping_not_offered",
            )

    async def set_schedule(
        self, account: str, channel: str, job: str, period: Period, *, actor: str = "installation"
    ) -> None:
        """How often a job of a channel runs; only what its connector declares is allowed.

        Raises:
            UnknownName: no such account, channel or job.
            InputError: the job cannot be scheduled, or not with this period.
        """
        kind = job_type(job)
        manifest = self._parts.manifest_of((await self._channel_row(account, channel)).platform)
        if not kind.scheduled or job not in manifest.jobs:
            raise InputError(
                f"{kind.title} of a {manifest.title} channel does not run on a schedule.",
                code="not_schedulable",
            )
        allowed = manifest.jobs[job]
        if period not in allowed and not (
            period.text.startswith("daily@") and any(each.text.startswith("daily") for each in allowed)
        ):
            names = ", ".join(each.text for each in allowed)
            raise InputError(f"{manifest.title} allows these periods for {job}: {names}.", code="period_not_allowed")
        await self.desk.set_schedule(account, channel, job, period, actor=actor)
        self._parts.bell.ring()

    async def jobs(self, account: str, channel: str) -> Sequence[ScheduleRow]:
        """*Sync actions*: every job that the channel's platform has and that can be run, with its last and next run.

        Raises:
            UnknownName: no such account or channel.
        """
        return await self.desk.jobs(account, channel, await self._runnable(account, channel))

    async def run_now(self, account: str, channel: str, job: str, *, actor: str = "installation") -> str:
        """*Sync*: queue one manual run of a job; the message id.

        Raises:
            UnknownName: no such account, channel or job.
            InputError: the platform does not have this job, or it contradicts the account's source of products.
        """
        kind = job_type(job)
        if job not in await self._runnable(account, channel):
            raise InputError(f"{kind.title} cannot be run by hand on channel {channel}.", code="not_offered")
        message = await self.desk.run_now(account, channel, job, actor=actor)
        self._parts.bell.ring()
        return message

    async def _runnable(self, account: str, channel: str) -> list[str]:
        manifest = self._parts.manifest_of((await self._channel_row(account, channel)).platform)
        return [job for job in manifest.jobs if job_type(job).scheduled]

    async def follow(self, wanted: LogFilter) -> AsyncIterator[LogRow]:
        """Sync log rows as they come, each once, without end.

        Workers commit their rows in another order than the rows' ids were made, so the last
        :data:`FOLLOW_OVERLAP` are looked at again each time.
        """
        known = {row.id async for row in self._fresh_rows(wanted, frozenset())}
        while True:
            async for row in self._fresh_rows(wanted, frozenset(known)):
                known.add(row.id)
                yield row
            await asyncio.sleep(FOLLOW_SECONDS)
            over = _overlap_begins()
            known = {row_id for row_id in known if row_id > over}

    async def _fresh_rows(self, wanted: LogFilter, known: frozenset[str]) -> AsyncIterator[LogRow]:
        after = _overlap_begins()
        while rows := await self.desk.logs(replace(wanted, after_id=after, known=known, limit=FOLLOW_PAGE)):
            for row in rows:
                after = row.id
                yield row

    async def doctor(self) -> list[Finding]:
        """What is wrong, in plain words: database, transport, topology, channels, waiting work."""
        findings = [await self._look_at_database(), await self._look_at_transport()]
        try:
            rows = await self.desk.channels(None)
            for row in rows:
                findings.append(
                    Finding(
                        f"channel {row.account}/{row.code}",
                        row.state == "connected",
                        row.state_reason or "connected",
                    )
                )
            findings += await self.pushing.findings(rows)
            numbers = await self.desk.statistics()
            stuck = numbers.oldest_due_seconds > 60
            sentence = f"The oldest due work waits {numbers.oldest_due_seconds:.0f} s"
            findings.append(
                Finding(
                    "backlog",
                    not stuck,
                    f"{sentence}: start more 'towpath consume'." if stuck else f"{sentence}.",
                )
            )
        except TowpathError as error:
            findings.append(Finding("ledger", False, error.sentence))
        return findings

    async def _look_at_database(self) -> Finding:
        try:
            await self.desk.statistics()
        except TowpathError as error:
            return Finding("database", False, error.sentence)
        return Finding("database", True, "The database answers.")

    async def _look_at_transport(self) -> Finding:
        try:
            problems = await self._parts.transport.check()
        except TowpathError as error:
            return Finding("transport", False, error.sentence)
        if problems:
            return Finding("transport", False, " ".join(problems) + " Run 'towpath topology declare'.")
        return Finding("transport", True, "The message transport answers and its topology is complete.")

    @property
    def platforms(self) -> tuple[ConnectorManifest, ...]:
        """What each platform can do, settings included; views offer nothing else."""
        return self._parts.platforms

    @property
    def can_write(self) -> bool:
        """Whether the database could store what was last to be stored."""
        return self._parts.ledger.can_write

    @property
    def ready(self) -> bool:
        """Whether the transport could take work right now."""
        return self._parts.transport.healthy

    @property
    def meters(self) -> Meters:
        """The counters of this process."""
        return self._parts.meters


def _overlap_begins() -> str:
    return first_id(utc_now() - FOLLOW_OVERLAP)


def _decode(body: bytes, account: str | None, trigger: Trigger) -> Incoming | InputError:
    try:
        envelope = parse(body)
        if account is not None and envelope.account not in (None, account):
            return UnknownName(
                f"The key speaks for account {account!r}, the event for {envelope.account!r}.",
                code="wrong_account",
            )
        if account is not None and envelope.account is None:
            envelope = Envelope.model_validate({**envelope.model_dump(), "account": account})
            body = envelope.to_json()
        return Incoming(envelope, payload_of(envelope), body, trigger)
    except (MalformedEvent, UnknownName) as error:
        return error
