"""The collector: what waits while one admission runs goes into the next: one commit answers many senders."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.crash import crash_point
from broker.ledger import Admission
from broker.operations import Operations
from domain.errors import StorageUnavailable, TowpathError
from producers.http.limits import HttpLimits


@dataclass(slots=True)
class _Waiting:
    bodies: Sequence[bytes]
    size: int
    answer: asyncio.Future[list[Admission]]


@dataclass(slots=True)
class _Line:
    """The senders of one account. ``since`` is when the admission that runs now began."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    since: float = 0.0


class Collector:
    """Admits events of many requests together; per account, because an admission speaks for one.

    Nothing lingers: a lone request is admitted at once. Who has given up before its turn is not admitted.
    """

    def __init__(self, operations: Operations, limits: HttpLimits) -> None:
        self._operations = operations
        self._limits = limits
        self._lines: dict[str, _Line] = {}
        self._runners: set[asyncio.Task[None]] = set()
        self._events = 0
        self._bytes = 0

    async def admit(self, account: str, bodies: Sequence[bytes], seconds: float) -> list[Admission]:
        """What became of each event, durable; the events of one call stay together and in order.

        Raises:
            StorageUnavailable: too many wait, the database does not answer, or not within ``seconds``. After
                the last the events may have been stored nevertheless: sent again, they are known as copies.
        """
        self._check_room(account)
        waiting = _Waiting(bodies, sum(map(len, bodies)), asyncio.get_running_loop().create_future())
        self._events += len(bodies)
        self._bytes += waiting.size
        line = self._lines.get(account)
        if line is None:
            line = self._lines[account] = _Line()
            runner = asyncio.create_task(self._run(account, line))
            self._runners.add(runner)
            runner.add_done_callback(self._runners.discard)
        line.waiting.append(waiting)
        try:
            async with asyncio.timeout(max(seconds, 0)):
                return await waiting.answer
        except TimeoutError:
            raise StorageUnavailable(f"The database gave no answer within {seconds:.1f} s.") from None

    async def close(self, seconds: float = 5.0) -> None:
        """Wait until what stands in line is admitted."""
        if self._runners:
            await asyncio.wait(self._runners, timeout=seconds)

    def _check_room(self, account: str) -> None:
        line = self._lines.get(account)
        stuck = line is not None and line.since and time.monotonic() - line.since > self._limits.answer_seconds
        full = self._events >= self._limits.waiting_events or self._bytes >= self._limits.waiting_bytes
        if stuck or full:
            raise StorageUnavailable("Too many events wait for the database.", code="overloaded")

    async def _run(self, account: str, line: _Line) -> None:
        try:
            while line.waiting:
                if taken := self._take(line):
                    line.since = time.monotonic()
                    await self._admit(account, taken)
                    self._forget(taken)
        finally:
            del self._lines[account]
            self._forget(line.waiting)
            for left in line.waiting:
                left.answer.cancel()

    def _take(self, line: _Line) -> list[_Waiting]:
        """From the front of the line as many as one transaction should hold."""
        taken: list[_Waiting] = []
        count = 0
        while line.waiting:
            if line.waiting[0].answer.done():
                self._forget([line.waiting.popleft()])
                continue
            count += len(line.waiting[0].bodies)
            if taken and count > self._limits.admit_events:
                break
            taken.append(line.waiting.popleft())
        return taken

    def _forget(self, gone: Sequence[_Waiting] | deque[_Waiting]) -> None:
        self._events -= sum(len(each.bodies) for each in gone)
        self._bytes -= sum(each.size for each in gone)

    async def _admit(self, account: str, taken: Sequence[_Waiting]) -> None:
        """Admit together; where that fails, and not for the database, each request stands for itself."""
        try:
            answers = await self._operations.ingest([body for each in taken for body in each.bodies], account=account)
        except TowpathError as error:
            _fail(taken, error)
        except Exception as error:  # noqa: BLE001 - becomes the answer of the one request it belongs to
            if len(taken) == 1:
                _fail(taken, error)
                return
            for each in taken:
                await self._admit(account, [each])
        else:
            crash_point("ingest.after_commit")
            position = 0
            for each in taken:
                if not each.answer.done():
                    each.answer.set_result(answers[position : position + len(each.bodies)])
                position += len(each.bodies)


def _fail(taken: Sequence[_Waiting], error: Exception) -> None:
    for each in taken:
        if not each.answer.done():
            each.answer.set_exception(error)
