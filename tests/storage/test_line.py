from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest

from storage.line import Line
from tests.services.process import wait_until


class Hand:
    """A thread that takes jobs until it gets ``None``."""

    def __init__(self, name: str, line: Line[str | None], done: SimpleQueue[tuple[str, str]]) -> None:
        self._name, self._line, self._done = name, line, done
        self.thread = threading.Thread(target=self._work, daemon=True)
        waiting = len(line._idle)
        self.thread.start()
        assert wait_until(lambda: len(line._idle) == waiting + 1, 5)

    def _work(self) -> None:
        while (job := self._line.get()) is not None:
            self._done.put((self._name, job))


def test_jobs_come_in_the_order_they_were_put() -> None:
    line: Line[int] = Line()
    for job in range(5):
        line.put(job)
    assert [line.get() for _ in range(4)] == [0, 1, 2, 3]
    assert line.get_nowait() == 4
    with pytest.raises(LookupError):
        line.get_nowait()


def test_the_thread_that_waits_shortest_gets_the_next_job() -> None:
    line: Line[str | None] = Line()
    done: SimpleQueue[tuple[str, str]] = SimpleQueue()
    hands = [Hand(name, line, done) for name in ("first", "second", "third")]
    for job in ("a", "b", "c"):
        line.put(job)
        assert done.get(timeout=5) == ("third", job)
        assert wait_until(lambda: len(line._idle) == 3, 5)
    for _ in hands:
        line.put(None)
    for hand in hands:
        hand.thread.join(5)
        assert not hand.thread.is_alive()


def put_all(line: Line[str | None], jobs: list[str]) -> None:
    for job in jobs:
        line.put(job)


def test_each_job_is_done_once_however_many_threads_put_and_take() -> None:
    line: Line[str | None] = Line()
    done: SimpleQueue[tuple[str, str]] = SimpleQueue()
    hands = [Hand(str(at), line, done) for at in range(4)]
    jobs = [[f"{part}-{at}" for at in range(500)] for part in range(4)]
    putters = [threading.Thread(target=put_all, args=(line, mine)) for mine in jobs]
    for each in putters:
        each.start()
    for each in putters:
        each.join(10)
    for _ in hands:
        line.put(None)
    for hand in hands:
        hand.thread.join(10)
    assert sorted(done.get(timeout=1)[1] for _ in range(2000)) == sorted(job for mine in jobs for job in mine)
    assert done.empty()
