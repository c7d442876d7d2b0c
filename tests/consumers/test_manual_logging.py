"""Manual logging on the sandbox: what its calls asked and answered is kept for its time, without tokens."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from broker.operations import CaptureFilter, CaptureRow
from domain.captures import KEPT
from storage.capture_tables import call_captures
from storage.people_tables import audit
from tests.consumers.store import Store
from tests.house import READ_WRITE

HOUR = timedelta(hours=1)


async def captures(store: Store, **wanted: Any) -> list[CaptureRow]:
    return list(await store.house.operations.captures.captures(CaptureFilter("acme", **wanted)))


async def switch_on(store: Store, job: str = "order_update", time: timedelta = HOUR) -> None:
    await store.house.operations.captures.switch_on("acme", "main", job, time, actor="tester")


async def set_status(store: Store, order: int, status: str = "in_progress") -> None:
    data = {"external_order_id": str(order), "status": status, "note": "From Ann"}
    message = await store.house.event("order.status_changed", data)
    assert (await store.run(message)).state == "done"


async def test_requests_and_responses_of_the_job_are_kept_by_order(store: Store) -> None:
    order = store.buy()
    await switch_on(store)
    await set_status(store, order)
    await store.run(await store.house.order_event(order, "order.updated"))
    rows = await captures(store, business_key=str(order))
    assert [f"{row.method} {row.path}" for row in reversed(rows)] == [
        f"{call.method} {call.path}" for call in store.shop.ledger.calls[:2]
    ]
    assert {row.job for row in rows} == {"order_update"}
    assert json.loads(rows[0].request)["order"]["status"] == "in_progress"
    assert json.loads(rows[0].response)["order_id"] == order
    assert all(row.expires_at - row.at == KEPT for row in rows)


async def test_neither_token_nor_payment_secret_is_kept(store: Store) -> None:
    order = store.buy()
    await switch_on(store)
    await set_status(store, order)
    stored = str(await store.house.execute(select(call_captures)))
    assert READ_WRITE not in stored and "X-API-TOKEN" not in stored.upper()
    authorization = store.shop.order(order)["payment"]["authorization"]
    assert authorization and authorization not in stored


async def test_nothing_is_kept_while_it_is_off_or_once_its_time_is_over(store: Store) -> None:
    order = store.buy()
    await set_status(store, order)
    await switch_on(store)
    store.house.clock.advance(3601)
    await set_status(store, order, "shipped")
    assert await captures(store) == []
    assert await store.house.operations.captures.logged_jobs("acme") == []


async def test_switching_it_off_ends_it_at_once_and_both_are_audited(store: Store) -> None:
    order = store.buy()
    await switch_on(store)
    await store.house.operations.captures.switch_off("acme", "main", "order_update", actor="tester")
    await set_status(store, order)
    assert await captures(store) == []
    told = await store.house.execute(select(audit.c.action, audit.c.actor).order_by(audit.c.seq.desc()).limit(2))
    assert [tuple(row) for row in told] == [("manual_logging.off", "tester"), ("manual_logging.on", "tester")]


async def test_what_was_kept_is_deleted_when_its_time_is_over(store: Store) -> None:
    await switch_on(store)
    await set_status(store, store.buy())
    kept = len(await captures(store))
    store.house.clock.advance(KEPT.total_seconds() + 1)
    assert await captures(store) == []
    assert await store.house.captures.purge() == kept > 0
    assert await store.house.execute(select(call_captures)) == []
