"""Every fault kind on a real socket."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from sandbox.bright_sites import Fault, RunningShop, Shop
from tests.sandbox.bright_sites.helpers import Caller, ship, wait_until


@pytest.fixture
def shipment(shop: Shop) -> tuple[str, dict[str, Any]]:
    (order_id,) = shop.buy()
    return f"/orders/{order_id}/shipments", ship(shop.order(order_id)["line_items"][0]["id"], 1)


def _made(shop: Shop) -> int:
    return sum(effect.kind == "shipment_created" for effect in shop.ledger.effects)


def test_latency_delays_the_call_and_then_answers_it(shop: Shop, api: Caller) -> None:
    shop.faults.add(Fault(kind="latency", ms=80, max_ms=90))
    begin = time.perf_counter()
    api.get("/orders")
    assert 0.08 <= time.perf_counter() - begin < 2
    assert shop.ledger.calls[-1].ms >= 80


def test_latency_of_the_settings_delays_every_call(shop: Shop, api: Caller) -> None:
    shop.change_settings({"latency_ms": 30})
    for _ in range(2):
        api.get("/orders")
    assert all(call.ms >= 30 for call in shop.ledger.calls)


def test_throttling_answers_429_without_writing(shop: Shop, api: Caller, shipment: tuple[str, dict[str, Any]]) -> None:
    shop.faults.add(Fault(kind="throttle", retry_after=7))
    shop.faults.add(Fault(kind="throttle"))
    first, second = (api.http.post(shipment[0], json=shipment[1]) for _ in range(2))
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert (second.status_code, "Retry-After" in second.headers) == (429, False)
    assert _made(shop) == 0


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_any_5xx_is_answered_as_a_page(shop: Shop, api: Caller, status: int) -> None:
    shop.faults.add(Fault(kind="server_error", status=status))
    answer = api.http.get("/orders")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


def test_a_server_error_after_the_write_keeps_the_write(
    shop: Shop, api: Caller, shipment: tuple[str, dict[str, Any]]
) -> None:
    shop.faults.add(Fault(kind="server_error", after_write=True))
    assert api.http.post(shipment[0], json=shipment[1]).status_code == 500
    assert _made(shop) == 1
    assert shop.ledger.calls[-1].effects


def test_a_hanging_call_ends_when_the_client_gives_up(shop: Shop, api: Caller) -> None:
    shop.faults.add(Fault(kind="hang", seconds=30))
    with pytest.raises(httpx.ReadTimeout):
        api.http.get("/orders", timeout=0.1)
    wait_until(lambda: shop.ledger.calls[-1].status == "aborted")
    assert shop.ledger.calls[-1].ms < 5000


def test_a_hanging_call_is_broken_off_when_its_time_is_over(shop: Shop, api: Caller) -> None:
    shop.faults.add(Fault(kind="hang", seconds=0.1))
    with pytest.raises(httpx.TransportError):
        api.http.get("/orders")
    assert shop.ledger.calls[-1].ms >= 100


def test_a_reset_before_leaves_no_write(shop: Shop, api: Caller, shipment: tuple[str, dict[str, Any]]) -> None:
    shop.faults.add(Fault(kind="reset_before", method="post"))
    with pytest.raises(httpx.ReadError, match="reset"):
        api.http.post(shipment[0], json=shipment[1])
    assert _made(shop) == 0
    assert (shop.ledger.calls[-1].status, shop.ledger.calls[-1].body) == ("aborted", shipment[1])


def test_a_reset_after_keeps_the_write(shop: Shop, api: Caller, shipment: tuple[str, dict[str, Any]]) -> None:
    rule = shop.faults.add(Fault(kind="reset_after", path=r"/shipments$"))
    with pytest.raises(httpx.TransportError):
        api.http.post(shipment[0], json=shipment[1])
    assert len(api.get(shipment[0])["shipments"]) == 1
    call = shop.ledger.calls[0]
    assert (call.status, call.fault) == ("aborted", rule.id)
    assert [shop.ledger.effects[number - 1].kind for number in call.effects] == ["shipment_created"]


def test_half_a_body_is_cut_off_by_a_close(shop: Shop, api: Caller, shipment: tuple[str, dict[str, Any]]) -> None:
    shop.faults.add(Fault(kind="half_body"))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        api.http.post(shipment[0], json=shipment[1])
    assert _made(shop) == 1


def test_wrong_json_comes_with_200(shop: Shop, api: Caller) -> None:
    shop.faults.add(Fault(kind="wrong_json"))
    answer = api.http.get("/orders")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting"):
        answer.json()


def test_an_html_page_comes_with_200(shop: Shop, api: Caller) -> None:
    shop.faults.add(Fault(kind="html", message="Please <log in>"))
    answer = api.http.get("/orders")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "&lt;log in&gt;" in answer.text


def test_an_error_body_comes_with_200(shop: Shop, api: Caller) -> None:
    shop.faults.add(Fault(kind="error_body", message="try later"))
    assert api.get("/orders") == {"error": "try later"}


def test_a_client_that_gives_up_during_latency_does_not_undo_the_write(
    shop: Shop, api: Caller, shipment: tuple[str, dict[str, Any]]
) -> None:
    shop.faults.add(Fault(kind="latency", ms=150))
    with pytest.raises(httpx.ReadTimeout):
        api.http.post(shipment[0], json=shipment[1], timeout=0.05)
    wait_until(lambda: _made(shop) == 1)


def test_an_outage_breaks_every_call_until_it_is_lifted_and_spares_the_control_api(
    api: Caller, control: Caller
) -> None:
    control.post("/outage", {}, 200)
    for _ in range(3):
        with pytest.raises(httpx.TransportError):
            api.http.get("/orders")
    assert control.get("/state")["outage"] is True
    control.delete("/outage")
    assert api.get("/orders")["orders"] == []
    calls = control.get("/calls")["calls"]
    assert [(call["status"], call["fault"]) for call in calls] == [("aborted", "outage")] * 3 + [(200, None)]


def test_an_outage_ends_by_itself_after_its_time(shop: Shop, api: Caller) -> None:
    shop.faults.start_outage(0.15)
    with pytest.raises(httpx.TransportError):
        api.http.get("/orders")
    wait_until(lambda: not shop.faults.outage)
    api.get("/orders")


def test_a_rule_strikes_so_many_times_and_only_what_it_matches(running: RunningShop, api: Caller) -> None:
    rule = running.shop.faults.add(
        Fault(kind="server_error", method="GET", path=r"/orders$", token="read-write", times=2)
    )
    reader = {"X-API-TOKEN": "sandbox-read-only"}
    assert httpx.get(f"{running.url}/api/v2.7.0/orders", headers=reader).status_code == 200
    assert api.http.get("/products").status_code == 200
    assert [api.http.get("/orders").status_code for _ in range(3)] == [500, 500, 200]
    assert (rule.struck, rule.left) == (2, 0)


def test_a_rule_with_a_probability_strikes_the_same_calls_for_the_same_seed(shop: Shop, api: Caller) -> None:
    runs = []
    for _ in range(2):
        shop.faults.clear()
        shop.faults.add(Fault(kind="throttle", times=None, probability=0.5, seed=7))
        runs.append([api.http.get("/orders").status_code for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 429}


def test_rules_are_listed_and_cleared_through_control(api: Caller, control: Caller) -> None:
    first = control.post("/faults", {"kind": "throttle", "times": None})
    second = control.post("/faults", {"kind": "html", "times": None})
    assert [rule["id"] for rule in control.get("/faults")["faults"]] == [first["id"], second["id"]]
    assert api.http.get("/orders").status_code == 429
    assert control.delete(f"/faults/{first['id']}") == {"cleared": 1}
    assert "html" in api.http.get("/orders").headers["content-type"]
    assert control.delete("/faults") == {"cleared": 1}
    assert api.get("/orders")["orders"] == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"kind": "flood"}, "kind"),
        ({"kind": "server_error", "status": 404}, "500 to 599"),
        ({"kind": "latency", "ms": 5, "max_ms": 1}, "max_ms"),
        ({"kind": "html", "path": "("}, "not a regular expression"),
        ({"kind": "html", "tiems": 2}, "tiems"),
    ],
)
def test_a_wrong_rule_is_refused_with_a_sentence(control: Caller, rule: dict[str, Any], message: str) -> None:
    status, body = control.refused("POST", "/faults", rule)
    assert status == 400
    assert message in body["error"]
    assert control.refused("DELETE", "/faults/fault-99")[0] == 404
