"""Copies, leases that run out, workers that go and workers that claim at once: on each database, against the model."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Connection

from broker.ledger import Claim, Incoming, Settlement
from domain.envelope import read_back
from domain.errors import IdentityConflict
from domain.events import payload_of
from storage.database import Database
from storage.metadata import metadata
from storage.tables import messages
from tests.storage.ledger.test_machine import LEASE, WORKERS, LedgerMachine
from tests.storage.support import ALL_JOBS, done

SCHEMA_VERSION = "alembic_version"


class LaneMachine(LedgerMachine):
    """The ledger machine, with what happens around the lanes: more copies, more workers, less time."""

    url: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.copies: Counter[str] = Counter()

    def database(self) -> Database:
        if self.url is None:
            return super().database()
        opened = Database(self.url, exclusive=False)
        opened.write(_empty)
        return opened

    @precondition(lambda self: self.model.items)
    @rule(data=st.data(), indent=st.sampled_from([None, 2]))
    def the_same_event_comes_again(self, data: st.DataObject, indent: int | None) -> None:
        """However it is spaced: it is known, counted, and nothing else happens."""
        row = self._some_message(data)
        before = self._everything()
        (answer,) = self.do(self.site.admit(_incoming(json.dumps(json.loads(row.body), indent=indent).encode())))
        assert (answer.message_id, answer.duplicate, answer.deliveries, answer.error) == (row.id, True, 0, None)
        assert self._everything() == before
        self.copies[row.id] += 1

    @precondition(lambda self: self.model.items)
    @rule(data=st.data())
    def another_event_comes_under_the_same_id(self, data: st.DataObject) -> None:
        """It is refused, and nothing happens."""
        event = json.loads(self._some_message(data).body)
        event["subject"] = "something else"
        before = self._everything()
        (answer,) = self.do(self.site.admit(_incoming(json.dumps(event).encode())))
        assert isinstance(answer.error, IdentityConflict)
        assert self._everything() == before

    @rule(most=st.integers(1, 3))
    def both_workers_claim_at_once(self, most: int) -> None:
        due, least = self.model.due(), min(self._claimable(worker, most) for worker in WORKERS)
        taken = self.do(self._at_once(most))
        lanes = [claim.lane for _, claim in taken]
        assert len(set(lanes)) == len(lanes)
        assert set(lanes) <= due
        assert len(lanes) >= least
        for worker, claim in taken:
            self._held(worker, claim)

    async def _at_once(self, most: int) -> list[tuple[str, Claim]]:
        each = await asyncio.gather(*(self.site.ledger.claim(worker, ALL_JOBS, most) for worker in WORKERS))
        return [(worker, claim) for worker, claims in zip(WORKERS, each, strict=True) for claim in claims]

    @rule(worker=st.sampled_from(WORKERS))
    def a_lease_runs_out(self, worker: str) -> None:
        """Only who is silent for too long loses its lanes; what it says later is not heard."""
        (other,) = set(WORKERS) - {worker}
        for seconds in (LEASE - 1, 2):
            assert self.do(self.site.ledger.rescue()) == 0
            self.site.clock.advance(seconds)
            self.model.now += int(seconds * 1_000_000)
            self.do(self.site.beat(other, LEASE))
        assert self.do(self.site.ledger.rescue()) == len(self.model.interrupt([worker]))
        self._lost_by(worker)
        self.do(self.site.beat(worker, LEASE))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def a_late_worker_settles_before_anybody_took_its_lane(self, data: st.DataObject) -> None:
        """Its lease is over, but the lane is still its own: the work is not done twice."""
        worker, claim = data.draw(st.sampled_from(self.claims), label="claim")
        self.claims.remove((worker, claim))
        self.do(self.site.beat(worker, -1))
        verdicts = tuple(done(each) for each in claim.deliveries)
        (settled,) = self.do(self.site.ledger.settle(worker, [Settlement(claim, verdicts, frozenset(), self.channel)]))
        assert not settled.fenced
        judged = {verdict.delivery.id: verdict for verdict in verdicts}
        self.model.settle(claim.lane, lambda item: self._judge(item, judged[item.id]))
        self.stale.append((worker, claim))
        self.do(self.site.beat(worker, LEASE))

    @precondition(lambda self: self._twice_in_one_hand())
    @rule(data=st.data())
    def an_old_and_a_new_settlement_of_a_lane_come_together(self, data: st.DataObject) -> None:
        """A worker lost a lane and claimed it again, and settles both in one go: only the newer one is written."""
        worker, old, new = data.draw(st.sampled_from(self._twice_in_one_hand()), label="old and new")
        self.claims.remove((worker, new))
        both = [Settlement(each, tuple(map(done, each.deliveries)), channel=self.channel) for each in (old, new)]
        fenced, settled = self.do(self.site.ledger.settle(worker, both))
        assert (fenced.fenced, settled.fenced) == (True, False)
        judged = {verdict.delivery.id: verdict for verdict in both[1].verdicts}
        self.model.settle(new.lane, lambda item: self._judge(item, judged[item.id]))
        self.stale.append((worker, new))

    def _twice_in_one_hand(self) -> list[tuple[str, Claim, Claim]]:
        return [
            (worker, old, new)
            for worker, new in self.claims
            for owner, old in self.stale
            if owner == worker and old.lane == new.lane
        ]

    @rule(worker=st.sampled_from(WORKERS))
    def a_worker_leaves(self, worker: str) -> None:
        """What it still holds is free; it comes back under the same name."""
        self.do(self.site.ledger.leave(worker))
        self.model.interrupt([worker])
        self._lost_by(worker)
        self.do(self.site.beat(worker, LEASE))

    def _lost_by(self, worker: str) -> None:
        self.stale += [each for each in self.claims if each[0] == worker]
        self.claims = [each for each in self.claims if each[0] != worker]

    def _some_message(self, data: st.DataObject) -> Any:
        stored = sorted(self.site.rows(messages), key=lambda row: (row.received_at, row.id))
        return stored[data.draw(st.integers(0, len(stored) - 1), label="message")]

    @invariant()
    def each_event_is_kept_once_with_the_count_of_its_copies(self) -> None:
        stored = self.site.rows(messages)
        assert len(stored) == len({(row.source, row.event_id) for row in stored}) == len(self.model.items)
        assert {row.id: row.copies for row in stored if row.copies} == dict(self.copies)

    @invariant()
    def the_numbers_a_person_sees_are_right(self) -> None:
        seen = self.do(self.site.desk.statistics())
        assert (seen.messages, seen.duplicates) == (len(self.model.items), self.copies.total())
        assert seen.deliveries == Counter(item.state for item in self.model.items.values())
        assert seen.lanes.get("running", 0) == len(self.model.held)
        assert sum(seen.lanes.values()) == len(self.model.lanes())


def _incoming(body: bytes) -> Incoming:
    envelope = read_back(body)
    return Incoming(envelope, payload_of(envelope), body)


def _empty(connection: Connection) -> None:
    for table in reversed(metadata.sorted_tables):
        if table.name != SCHEMA_VERSION:
            connection.execute(table.delete())


def _run(examples: int, **attributes: Any) -> None:
    run_state_machine_as_test(
        type("Machine", (LaneMachine,), attributes),
        settings=settings(
            max_examples=examples,
            stateful_step_count=35,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_lanes_keep_their_word_on_sqlite(sqlite_template: Path) -> None:
    _run(25, template=sqlite_template)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_lanes_keep_their_word_on_postgresql(postgresql_server: object, postgresql_emptied: str) -> None:
    _run(12, url=postgresql_emptied)
