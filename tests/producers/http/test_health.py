from __future__ import annotations

import asyncio

from producers.http.gauges import Gauges
from tests.producers.http.support import Site, stock


def value(text: str, name: str) -> float:
    """The value of one series in Prometheus text."""
    (line,) = (line for line in text.splitlines() if line.startswith(name + " "))
    return float(line.rpartition(" ")[2])


async def test_a_live_process_says_so_without_a_key(site: Site) -> None:
    answer = await site.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_live_process_says_so_without_its_database(site: Site) -> None:
    site.database.close()
    assert (await site.client.get("/healthz")).status_code == 200


async def test_it_is_ready_while_database_and_transport_answer(site: Site) -> None:
    answer = await site.client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


async def test_it_is_not_ready_without_the_database_and_names_it(site: Site) -> None:
    site.database.close()
    answer = await site.client.get("/readyz")
    findings = {finding["subject"]: finding["ok"] for finding in answer.json()["findings"]}
    assert (answer.status_code, findings) == (503, {"database": False, "transport": True})


async def test_it_is_not_ready_without_the_transport_and_names_it(site: Site) -> None:
    await site.transport.close()
    answer = await site.client.get("/readyz")
    findings = {finding["subject"]: finding["ok"] for finding in answer.json()["findings"]}
    assert (answer.status_code, findings) == (503, {"database": True, "transport": False})


async def test_metrics_count_what_came_in_and_show_what_waits(site: Site) -> None:
    await site.send_batch([stock(1), stock(1), stock(2, channel="mian")])
    answer = await site.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert value(answer.text, 'towpath_events_in_total{result="accepted"}') == 1
    assert value(answer.text, 'towpath_events_in_total{result="duplicate"}') == 1
    assert value(answer.text, 'towpath_events_in_total{result="refused"}') == 1
    assert value(answer.text, 'towpath_lanes{job="all",state="ready"}') == 1
    assert value(answer.text, 'towpath_lag_seconds{job="all"}') >= 0


async def test_metrics_are_given_while_the_database_is_away(site: Site) -> None:
    await site.send(stock(1))
    site.database.close()
    answer = await site.client.get("/metrics")
    assert answer.status_code == 200
    assert value(answer.text, 'towpath_events_in_total{result="accepted"}') == 1


async def test_the_statistics_are_read_once_for_many_who_ask_within_their_freshness(site: Site) -> None:
    asked = 0

    async def ask():  # type: ignore[no-untyped-def]
        nonlocal asked
        asked += 1
        return await site.operations.desk.statistics()

    gauges = Gauges(site.operations.meters, ask, 60)
    await asyncio.gather(*(gauges.refresh() for _ in range(20)))
    assert asked == 1


async def test_metrics_hold_nothing_of_what_came_in(site: Site) -> None:
    await site.send(stock(1))
    text = (await site.client.get("/metrics")).text
    assert not any(word in text for word in ("SKU-1", "e-1", "acme", "main", site.secrets["write"]))
