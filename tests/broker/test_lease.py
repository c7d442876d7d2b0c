"""A worker's lease by a clock of its own: renewed in time, or lost for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from broker import lease as module
from broker.lease import Lease
from broker.ledger import Ledger
from domain.errors import LeaseLost, StorageUnavailable


class Book:
    """The part of a ledger that leases need; ``slow`` seconds pass on the clock during each beat."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.beats: list[tuple[str, str, float]] = []
        self.left: list[str] = []
        self.away = False
        self.slow = 0.0

    async def beat(self, worker: str, roles: str, lease_seconds: float) -> None:
        self.beats.append((worker, roles, lease_seconds))
        self.clock.now += self.slow
        if self.away:
            raise StorageUnavailable("The database is away.")

    async def leave(self, worker: str) -> None:
        self.left.append(worker)


class Clock:
    """A monotonic clock that goes when told."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def book(clock: Clock) -> Book:
    return Book(clock)


def lease_of(book: Book, seconds: float = 60.0, margin: float = 35.0) -> Lease:
    return Lease(cast("Ledger", book), "consume", seconds, margin)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - whatever a test waits for
            await asyncio.sleep(0)


def test_a_lease_that_was_never_taken_allows_nothing(book: Book) -> None:
    with pytest.raises(LeaseLost, match="Only 0 s of the lease are left; 35 s are needed"):
        lease_of(book).ensure(0)


async def test_a_taken_lease_allows_calls_until_only_the_margin_is_left(book: Book, clock: Clock) -> None:
    lease = lease_of(book)
    await lease.begin()
    assert book.beats == [(lease.worker, "consume", 60.0)]
    assert lease.remaining == 60.0
    clock.now += 25.0
    lease.ensure(lease.term)
    clock.now += 0.001
    with pytest.raises(LeaseLost):
        lease.ensure(lease.term)


async def test_the_lease_counts_from_before_the_question_not_from_the_answer(book: Book) -> None:
    book.slow = 10.0
    lease = lease_of(book)
    await lease.begin()
    assert lease.remaining == 50.0


async def test_a_lease_that_could_not_be_taken_is_said(book: Book) -> None:
    book.away = True
    lease = lease_of(book)
    with pytest.raises(StorageUnavailable):
        await lease.begin()
    assert lease.remaining < 0


async def test_a_kept_lease_is_renewed_again_and_again_until_told_to_stop(book: Book, clock: Clock) -> None:
    lease = lease_of(book, seconds=0.004, margin=0.001)
    stop = asyncio.Event()
    keeping = asyncio.create_task(lease.keep(stop))
    await until(lambda: len(book.beats) >= 3)
    assert lease.remaining == pytest.approx(0.004)
    clock.now += 1.0
    seen = len(book.beats)
    await until(lambda: len(book.beats) > seen)
    lease.ensure(lease.term)
    stop.set()
    await asyncio.wait_for(keeping, 5)


async def test_a_lease_is_renewed_at_a_quarter_of_its_length_and_each_second_while_the_database_is_away(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    stop = asyncio.Event()

    async def comes(_stop: asyncio.Event, seconds: float) -> bool:
        waits.append(seconds)
        book.away = len(waits) == 1
        if len(waits) == 3:
            stop.set()
        return stop.is_set()

    monkeypatch.setattr(module, "comes", comes)
    await lease_of(book).keep(stop)
    assert waits == [15.0, 1.0, 15.0]


async def test_while_the_database_is_away_the_lease_runs_out_and_is_not_taken_for_good(
    book: Book, clock: Clock
) -> None:
    lease = lease_of(book, seconds=60.0)
    await lease.begin()
    book.away = True
    stop = asyncio.Event()
    keeping = asyncio.create_task(lease.keep(stop))
    await until(lambda: len(book.beats) == 2)
    clock.now += 30.0
    with pytest.raises(LeaseLost):
        lease.ensure(lease.term)
    stop.set()
    await asyncio.wait_for(keeping, 5)


async def test_a_lease_given_back_allows_nothing_more(book: Book) -> None:
    lease = lease_of(book)
    await lease.begin()
    await lease.end()
    assert book.left == [lease.worker]
    with pytest.raises(LeaseLost):
        lease.ensure(lease.term)


async def test_a_lease_is_given_up_also_when_the_database_cannot_be_told(book: Book) -> None:
    lease = lease_of(book)
    await lease.begin()

    async def away(worker: str) -> None:
        raise StorageUnavailable("The database is away.")

    book.leave = away  # type: ignore[method-assign]
    with pytest.raises(StorageUnavailable):
        await lease.end()
    with pytest.raises(LeaseLost):
        lease.ensure(lease.term)


async def test_what_was_claimed_before_the_lease_was_over_may_not_go_on_however_fresh_it_is_now(
    book: Book, clock: Clock
) -> None:
    lease = lease_of(book, seconds=60.0)
    await lease.begin()
    term = lease.term
    clock.now += 50.0
    await lease.begin()
    lease.ensure(term)
    clock.now += 60.0
    await lease.begin()
    with pytest.raises(LeaseLost, match="was over for a while"):
        lease.ensure(term)
    lease.ensure(lease.term)


async def test_a_renewal_whose_answer_comes_after_the_end_of_the_lease_may_have_come_too_late(
    book: Book, clock: Clock
) -> None:
    lease = lease_of(book, seconds=60.0)
    await lease.begin()
    term = lease.term
    clock.now += 55.0
    book.slow = 10.0
    await lease.begin()
    with pytest.raises(LeaseLost, match="was over for a while"):
        lease.ensure(term)


def test_every_worker_has_a_name_of_its_own(book: Book) -> None:
    assert lease_of(book).worker != lease_of(book).worker
