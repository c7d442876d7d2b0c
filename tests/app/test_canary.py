"""Secrets and personal data pushed through every path of running processes: none may come out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from domain.envelope import STRUCTURED
from tests.app.foreign import publish
from tests.app.harness import ACCOUNT, CHANNEL, Child, Office, Stack, address_of, eventually, set_up
from tests.app.web import Web
from tests.app.workload import event, order_events, parcel_events

TOKEN = "canary-token-7Qv2xLm9Rz4K"
MAIL = "zacharine.quill@canary.example"


def canaries_of(order: Mapping[str, Any]) -> dict[str, str]:
    """What must stay inside, by what it is."""
    contact, address = order["shipping_contact"], order["shipping_address"]
    return {
        "token": TOKEN,
        "e-mail": MAIL,
        "name": contact["last_name"],
        "phone": contact["phone"],
        "street": address["first_address"],
    }


def spill(order: Mapping[str, Any], *names: str) -> str:
    """A sentence that holds these canaries, or all."""
    found = canaries_of(order)
    return "Refused for " + " ".join(found[name] for name in names or found)


@pytest.mark.slow
def test_nothing_secret_or_personal_leaves_by_logs_sync_log_metrics_or_doctor(stack: Stack) -> None:
    stack.shop.control("POST", "tokens", {"label": "canary", "value": TOKEN, "permission": "read_write"})
    office = set_up(stack, TOKEN)
    orders = stack.shop.buy(7, email=MAIL, guest=False)
    order = orders[-1]
    running = stack.start("up", TOWPATH_LOG="debug").works()
    web = Web(address_of(running), {"Authorization": f"Bearer {office.key}"})
    _live(stack, office, web, order)
    for number, (kind, more) in enumerate(_faults(orders)):
        stack.shop.fault(kind, **more)
        noted = {**_status(orders[number], "in_progress"), "note": f"{number}: {spill(orders[number])}"}
        _send(web, event("oms", f"again/{number}", "order.status_changed", noted))
        eventually(lambda: stack.shop.control("GET", "faults")["faults"][0]["struck"] > 0, 40, f"{kind} struck")
        stack.shop.control("DELETE", "faults")
    eventually(lambda: not sum(office.numbers().lanes.values()), 60, "everything is settled")
    _bad_messages(stack, web, order)
    eventually(lambda: office.numbers().rejected >= (0 if stack.embedded else 2), 20, "bad messages are filed")
    assert {"Retry", "Dead", "Done"} <= {row.outcome for row in office.logs()}
    status, metrics = web.ask("GET", "/metrics")
    assert status == 200
    _find_none(stack, office, metrics, orders, running)


def _status(order: Mapping[str, Any], status: str) -> dict[str, Any]:
    return {"external_order_id": str(order["order_id"]), "status": status}


def _send(web: Web, each: Any) -> None:
    status, answer = web.ask("POST", "/v1/events", each.to_json(), STRUCTURED)
    assert status == 202, answer


def _live(stack: Stack, office: Office, web: Web, order: Mapping[str, Any]) -> None:
    """Import, with the pushed document too, and ship."""
    pushed = {"external_order_id": str(order["order_id"]), "order": order}
    _send(web, event("shop", "pushed", "order.created", pushed))
    for each in order_events(order):
        _send(web, each)
    eventually(lambda: not sum(office.numbers().lanes.values()), 30, "everything is settled")
    assert len([each for each in stack.shop.effects() if each["kind"] == "shipment_created"]) == len(
        parcel_events(order)
    )


def _faults(orders: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a shop may answer that holds what it should not; each strikes once.

    Names and streets can be told from the shop's own words once the order was read, as before a note is written.
    """
    yield "error_body", {"message": spill(orders[0]), "method": "PUT"}
    yield "error_body", {"message": spill(orders[1], "token", "e-mail"), "method": "GET"}
    yield "html", {"status": 500, "method": "PUT"}
    yield "wrong_json", {"method": "GET"}
    yield "half_body", {"method": "GET"}
    yield "reset_after", {"method": "PUT"}


def _bad_messages(stack: Stack, web: Web, order: Mapping[str, Any]) -> None:
    words = spill(order)
    bodies = [
        b"{" + words.encode(),
        event("oms", "bad/1", "order.status_changed", {**_status(order, "new"), "customer": words}).to_json(),
        event("oms", "bad/2", "stock.changed", {"sku": words, "total": words}).to_json(),
    ]
    for body in bodies:
        assert web.ask("POST", "/v1/events", body, STRUCTURED)[0] in (400, 422)
        if not stack.embedded:
            key = f"stock.changed.{ACCOUNT}.{CHANNEL}"
            publish(stack.settings.broker_url.get_secret_value(), key, body)
    assert Web(web.url, {"Authorization": f"Bearer {TOKEN}"}).ask("GET", "/v1/announcements")[0] == 401


def _find_none(stack: Stack, office: Office, metrics: str, orders: Sequence[Mapping[str, Any]], running: Child) -> None:
    rows = office.sql("SELECT sentence, code, calls, business_key, correlation_id, counts FROM sync_log")
    doctor = stack.command("doctor", "--json")
    logs = stack.command("logs", "--account", ACCOUNT, "--json", "--limit", "500")
    assert logs.returncode == 0, logs.stderr.decode()
    assert running.alive
    running.stop()
    exits = {
        "sync log": json.dumps([[str(value) for value in row] for row in rows]),
        "command line": (logs.stdout + logs.stderr).decode(),
        "doctor": (doctor.stdout + doctor.stderr).decode(),
        "metrics": metrics,
        "process log": running.text(),
    }
    assert all(len(text) > 100 for text in exits.values())
    secrets = {"key": office.key, "broker": "guest:guest@"}
    for number, order in enumerate(orders):
        secrets |= {f"{what} {number}": value for what, value in canaries_of(order).items()}
    spilt = [
        (what, where, text[text.index(secret) - 200 : text.index(secret) + 100])
        for where, text in exits.items()
        for what, secret in secrets.items()
        if secret in text
    ]
    assert not spilt, spilt
