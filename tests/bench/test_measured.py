"""The table says what was measured, and a dash where nothing was."""

from __future__ import annotations

import json

import pytest

from bench.light import percentile
from bench.measured import Row, show, table


def test_columns_are_in_line_over_all_parts() -> None:
    text = table([("First", [Row("short", 1234.4, 0.5)]), ("Second", [Row("a longer name", p50_ms=3.25)])])
    head, _, _, first, _, _, second = text.splitlines()
    assert head.split() == ["events/s", "CPU", "ms/event", "calls/event", "p50", "ms", "p99", "ms", "PSS", "MB"]
    assert first.split() == ["short", "1,234", "0.50", "-", "-", "-", "-"]
    assert second.split() == ["a", "longer", "name", "-", "-", "-", "3.2", "-", "-"]
    assert first.index("1,234") + 5 == head.index("events/s") + 8


def test_json_holds_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    show([("First", [Row("one", 10.0, extra="slow")])], as_json=True)
    [part] = json.loads(capsys.readouterr().out)
    assert part["part"] == "First"
    assert part["rows"][0]["per_second"] == 10.0
    assert part["rows"][0]["extra"] == "slow"
    assert part["rows"][0]["p50_ms"] is None


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([float(each) for each in range(1, 101)], share) == value
