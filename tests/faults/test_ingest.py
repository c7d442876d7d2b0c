"""F01, F02, F04: what a sender of ``POST /v1/events`` hears while the other side dies or its database is away.

F04 has one form on the embedded default: its database is a file, which is away when another program keeps it locked.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.envelope import BATCH, Envelope
from tests.app.harness import CRASHED, Child, Office, Stack, address_of, eventually
from tests.app.web import Web
from tests.app.workload import Work, order_events
from tests.faults.judging import judge
from tests.faults.wires import Wires
from tests.services.process import free_port
from tests.services.provide import Postgres

CROWD, FEW = 30, 8
PROMISED_SECONDS, NOISE_SECONDS = 2.0, 2.0
ROWS = ("messages", "deliveries", "lanes")
distributed = pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)


@dataclass(frozen=True)
class Answer:
    """What a sender hears; ``status`` 0 when the connection ended without an answer."""

    status: int
    text: str
    retry_after: str | None
    seconds: float

    @property
    def results(self) -> list[str]:
        """What became of each event."""
        return [each["status"] for each in json.loads(self.text)["results"]]


@dataclass(frozen=True)
class Sender:
    """Sends a batch once."""

    address: str
    key: str

    def send(self, events: list[Envelope]) -> Answer:
        """What is heard, and after how many seconds."""
        body = b"[" + b",".join(each.to_json() for each in events) + b"]"
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": BATCH}
        began = time.monotonic()
        with closing(http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=20)) as connection:
            try:
                connection.request("POST", "/v1/events", body, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                return Answer(0, repr(error), None, time.monotonic() - began)
        return Answer(answer.status, text, answer.headers["Retry-After"], time.monotonic() - began)


def doors(stack: Stack, port: int, **environment: str) -> Child:
    """The process that listens at the port: everything in one, or, with a broker, the role ``serve`` alone."""
    return stack.start("up" if stack.embedded else "serve", "--port", str(port), **environment)


def takers(stack: Stack, **environment: str) -> Child:
    """The process that takes events from the broker: everything in one, or, with a broker, the role ``relay``."""
    return stack.start("up" if stack.embedded else "relay", **environment)


def consumers(stack: Stack, **environment: str) -> None:
    """The process that does the work, where it is another one."""
    if not stack.embedded:
        stack.start("consume", **environment).works()


def others(stack: Stack, **environment: str) -> None:
    """All processes but the one that listens, where it does not do everything."""
    if not stack.embedded:
        stack.start("relay", **environment).works()
        stack.start("consume", **environment).works()


def rows(office: Office) -> dict[str, int]:
    return {table: office.sql(f"SELECT count(*) FROM {table}")[0][0] for table in ROWS}


def copies(office: Office) -> int:
    return int(office.sql("SELECT sum(copies) FROM messages")[0][0])


def test_F01_a_kill_before_the_commit_answers_nobody_keeps_nothing_and_the_repetition_works(
    stack: Stack, office: Office
) -> None:
    work = Work(over_http=order_events(stack.shop.buy(1)[0]))
    port = free_port()
    dying = doors(stack, port, TOWPATH_CRASH_AT="admit.before_commit")
    assert Sender(address_of(dying), office.key).send(work.over_http).status == 0
    assert dying.wait() == CRASHED
    assert rows(office) == dict.fromkeys(ROWS, 0)
    again = Sender(address_of(doors(stack, port)), office.key).send(work.over_http)
    assert (again.status, again.results) == (202, ["accepted"] * len(work.over_http))
    others(stack)
    judge(stack, office, work)


def test_F01_a_kill_before_the_commit_of_an_event_from_the_broker_keeps_nothing_and_it_comes_again(
    stack: Stack, office: Office
) -> None:
    work = Work(over_broker=order_events(stack.shop.buy(1)[0]))
    work.send_over_broker(stack)
    dying = takers(stack, TOWPATH_CRASH_AT="admit.before_commit")
    assert dying.wait() == CRASHED
    assert rows(office) == dict.fromkeys(ROWS, 0)
    takers(stack)
    consumers(stack)
    judge(stack, office, work)
    assert copies(office) == 0


def test_F02_a_kill_after_the_commit_answers_nobody_and_the_repetition_is_a_duplicate_with_one_effect(
    stack: Stack, office: Office
) -> None:
    work = Work(over_http=order_events(stack.shop.buy(1)[0]))
    port = free_port()
    dying = doors(stack, port, TOWPATH_CRASH_AT="ingest.after_commit")
    assert Sender(address_of(dying), office.key).send(work.over_http).status == 0
    assert dying.wait() == CRASHED
    stored = rows(office)
    assert stored["messages"] == stored["deliveries"] == len(work.over_http)
    again = Sender(address_of(doors(stack, port)), office.key).send(work.over_http)
    assert (again.status, again.results) == (202, ["duplicate"] * len(work.over_http))
    assert rows(office)["deliveries"] == stored["deliveries"]
    others(stack)
    judge(stack, office, work)
    assert copies(office) == len(work.over_http)


def test_F02_a_kill_after_the_commit_of_an_event_from_the_broker_finds_it_a_duplicate_with_one_effect(
    stack: Stack, office: Office
) -> None:
    work = Work(over_broker=order_events(stack.shop.buy(1)[0]))
    work.send_over_broker(stack)
    dying = takers(stack, TOWPATH_CRASH_AT="intake.after_commit")
    assert dying.wait() == CRASHED
    stored = rows(office)
    assert stored["messages"] == stored["deliveries"] > 0
    takers(stack)
    consumers(stack)
    judge(stack, office, work)
    assert copies(office) == stored["messages"]


@distributed
@pytest.mark.parametrize("how", ["killed", "refusing", "black hole"])
def test_F04_a_database_that_is_away_is_a_503_within_two_seconds_and_all_flows_when_it_is_back(
    stack: Stack, office: Office, wires: Wires, postgresql_server: Postgres, how: str
) -> None:
    assert wires.database is not None
    break_it, mend_it = {
        "killed": (postgresql_server.crash, postgresql_server.restart),
        "refusing": (wires.database.refuse, wires.database.heal),
        "black hole": (wires.database.black_hole, wires.database.heal),
    }[how]
    door = stack.start("serve", **wires.environment)
    others(stack, **wires.environment)
    work = begun(stack, office, door)
    before = threads(door)
    break_it()
    try:
        hears_503(door, office, work)
        assert Web(address_of(door)).ask("GET", "/readyz")[0] == 503
        assert threads(door) <= before + FEW, "threads pile up"
    finally:
        mend_it()
    work.send_over_http(address_of(door), office.key)
    judge(stack, office, work)


@pytest.mark.parametrize("stack", ["embedded"], indirect=True)
def test_F04_a_database_file_that_is_locked_is_a_503_within_two_seconds_and_all_flows_when_it_is_free(
    stack: Stack, office: Office
) -> None:
    door = stack.start("up")
    work = begun(stack, office, door)
    before = threads(door)
    with closing(sqlite3.connect(stack.settings.data_dir / "towpath.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        hears_503(door, office, work)
        assert threads(door) <= before + FEW, "threads pile up"
        other.execute("ROLLBACK")
    work.send_over_http(address_of(door), office.key)
    judge(stack, office, work)


def begun(stack: Stack, office: Office, door: Child) -> Work:
    """An order for each of a crowd of senders; the first event is accepted."""
    work = Work(over_http=[each for order in stack.shop.buy(CROWD) for each in order_events(order)[:3]])
    sender = Sender(address_of(door), office.key)
    eventually(lambda: sender.send(work.over_http[:1]).status == 202, 30, "the first event is accepted")
    return work


def hears_503(door: Child, office: Office, work: Work) -> None:
    """A crowd of senders send their orders at once, twice; each hears in time that it must come again."""
    sender = Sender(address_of(door), office.key)
    batches = [work.over_http[at : at + 3] for at in range(0, len(work.over_http), 3)]
    with ThreadPoolExecutor(CROWD) as pool:
        answers = [answer for _ in range(2) for answer in pool.map(sender.send, batches)]
    assert {(answer.status, answer.retry_after) for answer in answers} == {(503, "2")}
    seconds = sorted(answer.seconds for answer in answers)
    assert seconds[len(seconds) // 2] < PROMISED_SECONDS, seconds
    assert seconds[-1] < PROMISED_SECONDS + NOISE_SECONDS, seconds
    assert Web(address_of(door)).ask("GET", "/healthz")[0] == 200


def threads(child: Child) -> int:
    return len(list(Path(f"/proc/{child.pid}/task").iterdir()))
