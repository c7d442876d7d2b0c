"""Tokens, versions and paths."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from sandbox.bright_sites import RunningShop, Shop, Token
from tests.sandbox.bright_sites.helpers import BEGIN, Caller, HandClock

READER = {"X-API-TOKEN": "sandbox-read-only"}


def test_a_token_in_the_header_is_accepted(api: Caller) -> None:
    assert api.get("/shipping_methods")["shipping_methods"]


def test_a_token_in_the_query_is_still_accepted(running: RunningShop) -> None:
    answer = httpx.get(f"{running.url}/api/v2.7.0/orders?token=sandbox-read-only")
    assert answer.status_code == 200


@pytest.mark.parametrize("headers", [{}, {"X-API-TOKEN": "wrong"}, {"X-Application-Token": "sandbox-read-only"}])
def test_a_missing_or_unknown_token_is_refused_with_401(running: RunningShop, headers: dict[str, str]) -> None:
    assert httpx.get(f"{running.url}/api/v2.7.0/orders", headers=headers).status_code == 401


def test_a_read_only_token_is_refused_on_a_write(running: RunningShop) -> None:
    (order_id,) = running.shop.buy()
    url = f"{running.url}/api/v2.7.0/orders/{order_id}"
    assert httpx.get(url, headers=READER).status_code == 200
    assert httpx.put(url, headers=READER, json={"order": {"status": "paid"}}).status_code == 403
    assert running.shop.order(order_id)["status"] == "new"


def test_an_expired_token_is_refused(running: RunningShop, clock: HandClock) -> None:
    running.shop.tokens.add(Token("short", "short-value", "read", BEGIN.replace(minute=20)))
    url, headers = f"{running.url}/api/v2.7.0/orders", {"X-API-TOKEN": "short-value"}
    assert httpx.get(url, headers=headers).status_code == 200
    clock.advance(300)
    assert httpx.get(url, headers=headers).status_code == 401


def test_a_revoked_token_is_refused(shop: Shop, api: Caller) -> None:
    shop.tokens.revoke("read-write")
    assert api.refused("GET", "/orders") == (401, {"errors": ["The API token is invalid"]})


def test_control_adds_expires_and_revokes_tokens_and_never_shows_their_value(
    running: RunningShop, control: Caller
) -> None:
    url, headers = f"{running.url}/api/v2.7.0/orders", {"X-API-TOKEN": "partner-value"}
    control.post("/tokens", {"label": "partner", "value": "partner-value", "permission": "read"}, 200)
    assert httpx.get(url, headers=headers).status_code == 200
    later = datetime(2027, 1, 1, tzinfo=UTC).isoformat()
    control.post("/tokens", {"action": "expire", "label": "partner", "expires_at": later}, 200)
    assert httpx.get(url, headers=headers).status_code == 200
    control.post("/tokens", {"action": "expire", "label": "partner"}, 200)
    assert httpx.get(url, headers=headers).status_code == 401
    shown = control.post("/tokens", {"action": "revoke", "label": "partner"}, 200)
    assert shown["tokens"][-1]["revoked"] is True
    assert "partner-value" not in str(shown)


@pytest.mark.parametrize("version", ["2.7.0", "2.6.1"])
def test_both_versions_are_served(running: RunningShop, version: str) -> None:
    assert httpx.get(f"{running.url}/api/v{version}/orders", headers=READER).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/api/v9.9.9/orders", "/api/v2.7.0/webhooks", "/api/v2.7.0/orders/999999", "/api/v2.7.0/orders/abc"],
)
def test_a_wrong_version_path_or_id_is_answered_404(running: RunningShop, path: str) -> None:
    assert httpx.get(running.url + path, headers=READER).status_code == 404


def test_orders_cannot_be_created_nor_shipments_updated(running: RunningShop, api: Caller) -> None:
    (order_id,) = running.shop.buy()
    assert api.refused("POST", "/orders", {"order": {}})[0] == 404
    assert api.refused("PUT", f"/orders/{order_id}/shipments/1", {"shipment": {}})[0] == 404
