"""Every part of the benchmarks runs and says something that can be true, whatever the figures."""

from __future__ import annotations

import pytest

from bench import light, memory, one_call
from bench.__main__ import PARTS, main, part, title
from bench.contenders import BARE, CONTENDERS, Contender
from bench.services import Services


def runnable() -> list[object]:
    return [
        pytest.param(
            each,
            id=each.name,
            marks=pytest.mark.skipif(not each.installed, reason=f"{each.name}: the extra 'bench' is not installed"),
        )
        for each in CONTENDERS
    ]


@pytest.mark.slow
@pytest.mark.parametrize("contender", runnable())
def test_a_contender_works_off_a_backlog_with_one_call_per_event(services: Services, contender: Contender) -> None:
    row = one_call.measure_one(services, contender)
    assert row.per_second and row.per_second > 1
    assert row.calls_per_event == 1
    assert row.memory_mb and 20 < row.memory_mb < 500


@pytest.mark.slow
def test_light_load_gives_times_from_publish_to_commit(services: Services) -> None:
    if not services.commit_times:
        pytest.skip("this PostgreSQL does not record commit times")
    row = light.measure_one(services, BARE)
    assert row.p50_ms and row.p99_ms and 0.1 < row.p50_ms <= row.p99_ms < 60_000


@pytest.mark.slow
def test_memory_is_read_at_three_marks(services: Services) -> None:
    rows = memory.measure(services)
    assert len(rows) == 3
    assert all(row.memory_mb and row.memory_mb > 20 for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PARTS if name not in ("one_call", "light", "memory")])
def test_a_part_of_towpath_alone_says_what_it_measured(services: Services, name: str) -> None:
    rows = part(name).measure(services)
    assert rows
    assert all(row.what for row in rows)
    assert any(row.per_second or row.p50_ms for row in rows)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_has_a_title(name: str) -> None:
    assert title(part(name))


def test_a_part_that_does_not_exist_is_refused_with_the_list_of_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["one_cal"])
    assert "no such part: one_cal; there are one_call, light, " in capsys.readouterr().err
