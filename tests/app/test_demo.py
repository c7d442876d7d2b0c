"""The demo's trading day, short, on both stacks: judged from the shop's own books."""

from __future__ import annotations

import json

import pytest

from tests.app.harness import Stack


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_short_trading_day_passes_with_nothing_lost_doubled_stale_or_out_of_order(stack: Stack) -> None:
    done = stack.command("demo", "--json", "--orders", "40", patience=200, TOWPATH_ALLOWED_HOSTS="")
    assert done.returncode == 0, done.stdout.decode()[-3000:] + done.stderr.decode()[-3000:]
    report = json.loads(done.stdout)
    counts = {name: report["verdict"][name] for name in ("lost", "duplicated", "stale", "out_of_order")}
    assert set(counts.values()) == {0}
    assert (report["passed"], report["unfinished"], report["orders"]) == (True, 0, 40)
    assert report["broker"] == ("embedded journal" if stack.embedded else "RabbitMQ")
    assert report["crashes"] >= 1
    assert report["rejected"] >= 7
    assert (report["tasks_resolved"], report["tasks_expected"]) == (2, 2)
    assert [("blocked" in line, "; mapped" in line) for line in report["tasks"]] == [(True, True)] * 2
    assert report["scheduled_runs"] >= 1
    assert report["calls_settled"] <= report["calls_made"] <= report["calls_counted"]
    assert report["calls_counted"] + report["calls_left"] == report["calls_budget"]
    rows = stack.command("logs", "--account", report["account"], "--json", "--limit", "10")
    assert rows.returncode == 0, rows.stderr.decode()
    assert len(json.loads(rows.stdout)) == 10
