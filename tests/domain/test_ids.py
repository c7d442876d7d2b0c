"""Ids are UUIDv7 and grow."""

from __future__ import annotations

import threading
import time
import uuid
from itertools import pairwise

import pytest

from domain.ids import new_id


def milliseconds(made: str) -> int:
    return uuid.UUID(made).int >> 80


def test_ids_made_in_a_row_strictly_grow_also_as_text() -> None:
    made = [new_id() for _ in range(20_000)]
    assert all(earlier < later for earlier, later in pairwise(made))


def test_an_id_is_a_uuid_of_version_7_that_tells_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id())
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= milliseconds(str(made)) <= after + 50


def test_ids_grow_also_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    second, third = new_id(), new_id()
    assert first < second < third


def test_threads_never_make_the_same_id_and_each_sees_its_own_grow() -> None:
    rows: list[list[str]] = [[] for _ in range(4)]

    def make(row: list[str]) -> None:
        row.extend(new_id() for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    everything = [made for row in rows for made in row]
    assert len(set(everything)) == len(everything) == 8_000
    assert all(row == sorted(row) for row in rows)
