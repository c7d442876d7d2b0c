"""Whatever happens in whatever order: the ledger and its model agree, and what must hold always holds."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, select

from broker.ledger import Claim, Delivery, Hands, Settlement, Verdict
from domain.moments import to_micros
from domain.states import DeliveryState
from storage.database import Database
from storage.desk import setup
from storage.tables import deliveries, lanes, sync_log
from tests.storage.ledger.model import NEVER, Hold, Item, Model
from tests.storage.support import ALL_JOBS, Site, done, ended, order, park, retry, stock

WORKERS = ("w1", "w2")
LEASE = 100.0
SUSPECTED = 2
"""After so many deaths in a row a lane is claimed apart from others like it."""
ORDERS = st.tuples(st.just("order"), st.sampled_from("AB"), st.sampled_from(["order.updated", "order.status_changed"]))
LEVELS = st.tuples(st.just("stock"), st.sampled_from("XY"), st.integers(0, 4))
OUTCOMES: dict[str, Callable[[Delivery], Verdict]] = {
    "done": done,
    "dead": ended(DeliveryState.DEAD),
    "unknown": ended(DeliveryState.UNKNOWN),
    "skipped": ended(DeliveryState.SKIPPED),
    "retry": retry(7),
    "doubtful": retry(7, unsure=True),
    "park": park(),
    "silent": park(seconds=3, logged=False),
}


class LedgerMachine(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.site = Site(self.database())
        # When a lane of the dead comes back depends on its name: each example must have the same.
        names = map("00000000-0000-7000-8000-{:012}".format, itertools.count(1))
        with mock.patch.object(setup, "new_id", lambda: next(names)):
            self.site.furnish()
        self.model = Model(to_micros(self.site.clock.now))
        self.channel = self.do(self.site.ledger.channel(self.site.main))
        self.claims: list[tuple[str, Claim]] = []
        self.stale: list[tuple[str, Claim]] = []
        self.finished: dict[str, list[int]] = {}
        self.born: dict[str, int] = {}
        self.moved: set[str] = set()

    def database(self) -> Database:
        """One with the newest schema and no rows."""
        path = Path(self.folder.name) / "towpath.db"
        shutil.copy(self.template, path)
        return Database(f"sqlite:///{path}")

    def teardown(self) -> None:
        self.site.database.close()
        self.loop.close()
        self.folder.cleanup()

    def do(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    @initialize()
    def workers_begin(self) -> None:
        for worker in WORKERS:
            self.do(self.site.beat(worker, LEASE))

    @rule(
        wanted=st.lists(ORDERS | LEVELS, min_size=1, max_size=4),
        worker=st.sampled_from(WORKERS),
        room=st.integers(0, 3),
    )
    def take_in(self, wanted: list[tuple[str, str, Any]], worker: str, room: int) -> None:
        """Events come in at a worker that has room for some lanes, or for none."""
        self._tell_time_apart()
        events = [order(name, more) if kind == "order" else stock(name, more) for kind, name, more in wanted]
        hands = Hands(worker, frozenset(ALL_JOBS), room)
        before = self.model.lanes()
        taken = self.do(self.site.ledger.take_in(events, (), hands))
        ids = {row.message_id: row.id for row in self.site.rows(deliveries)}
        items = []
        for (kind, name, more), answer in zip(wanted, taken.answers, strict=True):
            id = ids[answer.message_id]
            if kind == "order":
                items.append(self.model.arrive(id, f"{self.site.main}/order/{name}"))
            else:
                items.append(self.model.arrive(id, f"{self.site.main}/stock", f"{name}\x1fw1", more))
            self.born[id] = len(self.born)
        assert [answer.deliveries for answer in taken.answers] == [int(item.is_open) for item in items]
        handed = {claim.lane for claim in taken.claims}
        begun = {item.lane for item in items if item.key is None} - before
        assert handed <= begun and len(handed) == len(taken.claims) <= room
        assert handed == begun or room < len({item.lane for item in items})
        for claim in taken.claims:
            self._held(worker, claim)

    @rule(worker=st.sampled_from(WORKERS), most=st.integers(1, 3), in_turn=st.booleans())
    def claim(self, worker: str, most: int, in_turn: bool) -> None:
        due = self.model.due()
        skip = [self.site.channels["outlet"]] if in_turn else []
        claims = self.do(self.site.ledger.claim(worker, ALL_JOBS, most, skip))
        assert {claim.lane for claim in claims} <= due
        assert len(claims) == self._claimable(worker, most)
        for claim in claims:
            self._held(worker, claim)

    def _claimable(self, worker: str, most: int) -> int:
        """How many lanes a worker gets: of those that may be what kills its workers, one at a time."""
        due = self.model.due()
        suspects = {lane for lane, crashes in self.model.crashes.items() if crashes >= SUSPECTED}
        has_one = any(hold.worker == worker and lane in suspects for lane, hold in self.model.held.items())
        first = int(not has_one and bool(due & suspects))
        return first + min(most - first, len(due - suspects))

    def _held(self, worker: str, claim: Claim) -> None:
        items = self.model.members(claim.lane)
        assert [each.id for each in claim.deliveries] == [item.id for item in items]
        for each, item in zip(claim.deliveries, items, strict=True):
            assert (each.attempt, each.failures, each.unsure) == (item.attempts + 1, item.failures, item.unsure)
        assert claim.crashes == self.model.crashes.get(claim.lane, 0)
        self.model.held[claim.lane] = Hold(worker, claim.token, items)
        self.claims.append((worker, claim))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), go_on=st.booleans())
    def settle(self, data: st.DataObject, go_on: bool) -> None:
        worker, claim = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1), label="claim"))
        outcomes = st.sampled_from(sorted(OUTCOMES))
        verdicts = tuple(OUTCOMES[data.draw(outcomes, label="outcome")](each) for each in claim.deliveries)
        jobs = frozenset(ALL_JOBS if go_on else ())
        (settled,) = self.do(self.site.ledger.settle(worker, [Settlement(claim, verdicts, jobs, self.channel)]))
        assert not settled.fenced
        judged = {verdict.delivery.id: verdict for verdict in verdicts}
        self.model.settle(claim.lane, lambda item: self._judge(item, judged[item.id]))
        assert (settled.next_claim is not None) == (go_on and claim.lane in self.model.due())
        if settled.next_claim is not None:
            self._held(worker, settled.next_claim)
        self.stale.append((worker, claim))

    def _judge(self, item: Item, verdict: Verdict) -> None:
        item.attempts += verdict.logged
        item.failures += verdict.spends_attempt
        item.unsure = verdict.unsure
        item.state = str(verdict.state)
        if item.is_open:
            item.due = NEVER if verdict.due_in is None else self.model.now + int(verdict.due_in * 1e6)
        else:
            self.finished.setdefault(item.lane, []).append(self.born[item.id])

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def settle_once_more(self, data: st.DataObject) -> None:
        """A worker that was taken for dead, or settled already, comes again with an old token."""
        worker, claim = data.draw(st.sampled_from(self.stale), label="stale")
        before = self._everything()
        verdicts = tuple(done(each) for each in claim.deliveries)
        (settled,) = self.do(self.site.ledger.settle(worker, [Settlement(claim, verdicts)]))
        assert settled.fenced
        assert self._everything() == before

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def disown(self, data: st.DataObject) -> None:
        """A worker gives back what it was never told of."""
        worker, lost = data.draw(st.sampled_from(self.claims), label="lost")
        known = {each.lane: each.token for owner, each in self.claims if owner == worker and each is not lost}
        assert self.do(self.site.ledger.disown(worker, known)) == 1
        assert self.model.interrupt([worker], set(known)) == [lost.lane]
        self.claims.remove((worker, lost))
        self.stale.append((worker, lost))

    @rule(worker=st.sampled_from(WORKERS))
    def crash(self, worker: str) -> None:
        """The lease of a worker ends; what it held is freed, and it begins anew under the same name."""
        self.do(self.site.beat(worker, -1))
        freed = self.do(self.site.ledger.rescue())
        assert freed == len(self.model.interrupt([worker]))
        self.stale += [each for each in self.claims if each[0] == worker]
        self.claims = [each for each in self.claims if each[0] != worker]
        self.do(self.site.beat(worker, LEASE))

    @rule(seconds=st.sampled_from([0.4, 1.7, 7, 20]))
    def time_passes(self, seconds: float) -> None:
        self.site.clock.advance(seconds)
        self.model.now += int(seconds * 1_000_000)
        for worker in WORKERS:
            self.do(self.site.beat(worker, LEASE))

    @precondition(lambda self: self.model.items)
    @rule(data=st.data(), discard=st.booleans())
    def operate(self, data: st.DataObject, discard: bool) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.items, key=self.born.__getitem__)), label="delivery")
        self._tell_time_apart()
        self.moved.add(id)
        if discard:
            assert self.do(self.site.desk.discard([id], "no")) == self.model.discard(self.model.items[id])
        else:
            assert self.do(self.site.desk.replay([id])) == self.model.replay(self.model.items[id])

    def _tell_time_apart(self) -> None:
        """Two lanes of one name never come into being in the same microsecond."""
        self.site.clock.advance(0.000001)
        self.model.now += 1

    def _everything(self) -> tuple[list[Any], list[Any], list[Any]]:
        def work(connection: Connection) -> list[list[Any]]:
            return [list(connection.execute(select(table)).all()) for table in (deliveries, lanes, sync_log)]

        stored, known, log = self.site.database.read(work)
        return stored, known, log

    @invariant()
    def what_must_hold_holds(self) -> None:
        stored, known, log = self._everything()
        self._ledger_and_model_agree(stored)
        self._nothing_vanishes(stored)
        self._a_lane_exists_while_it_has_open_deliveries_and_has_one_holder_at_most(stored, known)
        self._of_each_value_one_is_open_besides_the_running_one(stored)
        self._what_runs_to_its_end_in_a_fifo_lane_does_so_in_the_order_it_came()
        self._each_attempt_has_its_row_in_the_log(stored, log)

    def _ledger_and_model_agree(self, stored: list[Any]) -> None:
        assert {
            row.id: (row.lane, row.seq, row.state, row.attempts, row.failures, row.unsure, row.superseded_by)
            + ((row.due_at,) if row.state == "open" else ())
            for row in stored
        } == {
            item.id: (item.lane, item.seq, item.state, item.attempts, item.failures, item.unsure, item.winner)
            + ((item.due,) if item.is_open else ())
            for item in self.model.items.values()
        }

    def _nothing_vanishes(self, stored: list[Any]) -> None:
        assert {row.id for row in stored} == self.born.keys()
        assert {row.state for row in stored} <= set(DeliveryState)

    def _a_lane_exists_while_it_has_open_deliveries_and_has_one_holder_at_most(
        self, stored: list[Any], known: list[Any]
    ) -> None:
        assert sorted(row.key for row in known) == sorted({row.lane for row in stored if row.state == "open"})
        holders = {row.key: (row.holder, row.token) for row in known if row.holder is not None}
        assert holders == {lane: (hold.worker, hold.token) for lane, hold in self.model.held.items()}
        assert {row.key for row in known if row.state == "running"} == holders.keys()

    def _of_each_value_one_is_open_besides_the_running_one(self, stored: list[Any]) -> None:
        waiting = Counter(
            row.coalesce_key
            for row in stored
            if row.state == "open" and row.coalesce_key is not None and row.token is None
        )
        assert all(count == 1 for count in waiting.values())

    def _what_runs_to_its_end_in_a_fifo_lane_does_so_in_the_order_it_came(self) -> None:
        moved = {self.born[id] for id in self.moved}
        for lane, numbers in self.finished.items():
            if "/order/" in lane:
                ordered = [number for number in numbers if number not in moved]
                assert ordered == sorted(ordered)

    def _each_attempt_has_its_row_in_the_log(self, stored: list[Any], log: list[Any]) -> None:
        logged = Counter(row.delivery_id for row in log if row.attempt > 0)
        assert logged == {row.id: row.attempts for row in stored if row.attempts}


@pytest.mark.timeout(180)
def test_the_ledger_keeps_its_word_whatever_happens(sqlite_template: Path) -> None:
    machine = type("Machine", (LedgerMachine,), {"template": sqlite_template})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
