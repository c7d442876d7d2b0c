"""Starting and stopping the shop: in a thread, as a process, in a loop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.__main__ import main
from sandbox.bright_sites import Fault, Shop, ShopSettings, serve, start_in_thread
from tests.sandbox.bright_sites.helpers import Caller, wait_until

ROOT = Path(__file__).parents[3]
TINY = ShopSettings(products=1, variants=1)


@contextmanager
def _process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "sandbox", "bright-sites", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), line
            yield process, line.split()[-1]
        finally:
            process.kill()


def test_a_shop_starts_in_a_thread_and_stops() -> None:
    with start_in_thread(TINY) as running:
        assert running.control_url == running.url + "/_sandbox"
        assert httpx.get(running.control_url + "/state").json()["settings"]["products"] == 1
        running.shop.buy()
        assert httpx.get(running.control_url + "/state").json()["orders"] == 1
    running.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(running.url)


def test_two_shops_run_side_by_side_and_share_nothing() -> None:
    with start_in_thread(TINY) as one, start_in_thread(TINY) as two:
        one.shop.buy()
        counts = [httpx.get(each.control_url + "/state").json()["orders"] for each in (one, two)]
    assert counts == [1, 0]


def test_a_taken_port_is_an_os_error() -> None:
    with start_in_thread(TINY) as running, pytest.raises(OSError, match="address"):
        start_in_thread(TINY, port=int(running.url.rsplit(":", 1)[1]))


def test_a_shop_with_a_hanging_call_stops_at_once() -> None:
    with start_in_thread(TINY) as running:
        running.shop.faults.add(Fault(kind="hang", seconds=60))
        with socket.create_connection(("127.0.0.1", int(running.url.rsplit(":", 1)[1]))) as client:
            client.sendall(b"GET /api/v2.7.0/orders HTTP/1.1\r\nHost: shop\r\n\r\n")
            wait_until(lambda: bool(running.shop.faults.all()[0].struck))
            begin = time.monotonic()
            running.stop()
            assert time.monotonic() - begin < 5
    assert running.shop.ledger.calls[0].status == "aborted"


async def test_serve_runs_in_a_loop_until_it_is_cancelled() -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(Shop(TINY), "127.0.0.1", 0, ready.set_result))
    url = await asyncio.wait_for(ready, 5)
    async with httpx.AsyncClient() as client:
        assert (await client.get(url + "/_sandbox/state")).status_code == 200
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_where_it_listens_and_ends_on_a_signal(number: signal.Signals) -> None:
    with _process("--products", "2", "--variants", "3", "--buy", "4") as (process, url):
        state = httpx.get(url + "/_sandbox/state").json()
        assert (state["orders"], state["stock_rows"]) == (4, 6)
        process.send_signal(number)
        assert process.wait(5) == 0
        assert process.stderr is not None and process.stderr.read() == ""


def test_the_process_says_in_a_sentence_why_it_cannot_open(capsys: pytest.CaptureFixture[str]) -> None:
    with start_in_thread(TINY) as running:
        assert main(["bright-sites", "--port", running.url.rsplit(":", 1)[1]]) == 1
    assert "cannot open" in capsys.readouterr().err
    assert main(["bright-sites", "--variants", "0"]) == 1
    assert "variants must be at least 1" in capsys.readouterr().err


def test_reset_begins_again_with_the_same_settings(shop: Shop, api: Caller, control: Caller) -> None:
    shop.buy(3)
    shop.faults.add(Fault(kind="throttle", times=None))
    api.http.get("/orders")
    control.post("/reset", {}, 200)
    state = control.get("/state")
    assert (state["orders"], state["calls"], state["faults"], state["stock_rows"]) == (0, 0, 0, 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"products": 3}, "products cannot change while the shop is open"),
        ({"error_shape": "xml"}, "error_shape must be one of"),
        ({"latency_ms": "slow"}, "latency_ms must be a float"),
        ({"strict_transitions": 1}, "strict_transitions must be a bool"),
    ],
)
def test_a_wrong_setting_is_refused_with_a_sentence(control: Caller, changes: dict[str, object], message: str) -> None:
    status, body = control.refused("POST", "/settings", changes)
    assert (status, message in body["error"]) == (400, True)


def test_stock_rows_can_be_capped() -> None:
    assert len(Shop(ShopSettings(products=3, variants=4, rows=10)).stock()) == 10


def test_the_control_api_refuses_a_body_that_is_not_a_json_object(control: Caller) -> None:
    for content in (b"{oops", b"[1]"):
        assert control.http.post("/buy", content=content).status_code == 400
