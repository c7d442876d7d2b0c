"""What works beside a running ``up`` on the same SQLite file, and what is refused."""

from __future__ import annotations

import json

import pytest

from tests.app.harness import ACCOUNT, Office, Stack, eventually
from tests.app.workload import event, stock_event

pytestmark = pytest.mark.parametrize("stack", ["embedded"], indirect=True)


def test_a_second_up_on_the_same_file_is_refused_with_a_sentence(stack: Stack, office: Office) -> None:
    assert office.house.database.dialect == "sqlite"
    first = stack.start("up").works()
    second = stack.start("up")
    assert second.wait() == 1
    assert f"(pid {first.pid})" in second.text()
    assert "many processes together need PostgreSQL" in second.text()
    assert "Traceback" not in second.text()
    assert first.alive


def test_the_lock_of_a_killed_process_does_not_keep_the_next_one_out(stack: Stack, office: Office) -> None:
    assert office.house.database.dialect == "sqlite"
    stack.start("up").works().kill()
    assert stack.start("up").works().alive


def test_publishing_looking_and_replaying_work_beside_a_running_up(stack: Stack, office: Office) -> None:
    stack.start("up").works()
    sku = stack.shop.skus()[0]
    lost = event("oms", "status/9", "order.status_changed", {"external_order_id": "9", "status": "shipped"})
    good = stock_event(sku, 1, 55)
    done = stack.command("publish", "--json", stdin=good.to_json() + b"\n" + lost.to_json() + b"\n")
    assert done.returncode == 0, done.stderr.decode()
    assert [answer["result"] for answer in json.loads(done.stdout)] == ["accepted", "accepted"]
    eventually(lambda: stack.shop.stock()[sku] == 55, 20, "the running process did the work")
    eventually(lambda: office.numbers().deliveries.get("dead") == 1, 20, "the unknown order ended dead")
    rows = stack.command("logs", "--account", ACCOUNT, "--order", "9", "--json")
    assert [row["code"] for row in json.loads(rows.stdout)] == ["order_unknown"], rows
    replayed = stack.command("replay", "--order", "9", "--json")
    assert json.loads(replayed.stdout) == {"matched": 1, "replayed": 1}, replayed
    eventually(lambda: len(office.logs(business_key="9")) == 2, 20, "it ran again")


def test_publishing_a_bad_event_from_the_shell_says_why_and_ends_with_one(stack: Stack, office: Office) -> None:
    assert office.house.database.dialect == "sqlite"
    done = stack.command("publish", stdin=stock_event("X", 1, 5).to_json().replace(b'"total":8', b'"total":-8'))
    assert done.returncode == 1
    assert b"greater than or equal to 0" in done.stdout
    assert b"Traceback" not in done.stderr
