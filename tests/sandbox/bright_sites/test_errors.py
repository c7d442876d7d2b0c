"""The shapes in which the shop refuses."""

from __future__ import annotations

import pytest

from sandbox.bright_sites import Shop
from tests.sandbox.bright_sites.helpers import Caller, ship

MESSAGE = "Invalid parameter 'shipment[note]': Must be a String (max 255 characters)"


@pytest.fixture
def path(shop: Shop) -> str:
    return f"/orders/{shop.buy()[0]}/shipments"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("errors_list", {"errors": [MESSAGE]}),
        ("error_string", {"error": MESSAGE}),
        ("errors_by_field", {"errors": {"shipment[note]": [MESSAGE]}}),
    ],
)
def test_refusals_come_in_the_shape_that_is_set(
    api: Caller, control: Caller, path: str, shape: str, expected: object
) -> None:
    control.post("/settings", {"error_shape": shape}, 200)
    assert api.refused("POST", path, ship(1, 1, note="x" * 256)) == (422, expected)


def test_refusals_may_come_as_an_html_page(api: Caller, control: Caller, path: str) -> None:
    control.post("/settings", {"error_shape": "html"}, 200)
    answer = api.http.post(path, json=ship(1, 1, note="x" * 256))
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert "255 characters" in answer.text


def test_a_body_that_is_not_json_is_answered_400_and_booked(api: Caller, shop: Shop, path: str) -> None:
    answer = api.http.post(path, content=b"{oops", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert shop.ledger.calls[-1].body == "{oops"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_body_without_the_json_content_type_is_not_seen(api: Caller, path: str, content_type: str) -> None:
    answer = api.http.post(path, content=b'{"shipment":{}}', headers={"Content-Type": content_type})
    assert answer.json() == {"errors": ["Missing parameter 'shipment'"]}
