"""What manual logging may keep of a request and its response."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.captures import HIDDEN, MOST_CHARACTERS, capture_of, logging_time, redacted
from domain.errors import InputError

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TOKEN = "s3cr3t-token-1234"
REQUEST = (
    f"PUT /api/v2.7.0/orders/4711?token={TOKEN}&page=2 HTTP/1.1\r\nHost: shop\r\nX-API-TOKEN: {TOKEN}\r\n\r\n"
    f'{{"order":{{"status":"shipped","note":"{TOKEN}"}}}}'
).encode()
documents = st.recursive(
    st.none() | st.integers() | st.just(TOKEN) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "api_key", "X-Token", "card_number", "b"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_a_capture_has_method_path_and_bodies_and_no_header() -> None:
    kept = capture_of(NOW, REQUEST, "order 4711", 200, b'{"order_id":4711,"authorization":"A-99"}', [TOKEN])
    assert (kept.method, kept.path, kept.order) == (
        "PUT",
        f"/api/v2.7.0/orders/4711?token={HIDDEN}&page=2",
        "4711",
    )
    assert json.loads(kept.request) == {"order": {"status": "shipped", "note": HIDDEN}}
    assert json.loads(kept.response) == {"order_id": 4711, "authorization": HIDDEN}
    assert "Host" not in str(kept) and TOKEN not in str(kept)


@given(documents)
def test_no_document_brings_a_token_or_a_secret_member_into_a_capture(document: object) -> None:
    kept = redacted(json.dumps(document).encode(), [TOKEN])
    assert TOKEN not in kept

    def secrets(value: object) -> list[object]:
        if isinstance(value, dict):
            mine = [member for name, member in value.items() if name in ("api_key", "X-Token", "card_number")]
            return mine + [each for member in value.values() for each in secrets(member)]
        return [each for member in value for each in secrets(member)] if isinstance(value, list) else []

    assert all(each in (None, "", HIDDEN) for each in secrets(json.loads(kept)))


def test_what_is_no_json_is_kept_without_the_token_and_what_is_long_is_cut() -> None:
    assert redacted(f"<html>{TOKEN}\xff</html>".encode("latin-1"), [TOKEN]) == f"<html>{HIDDEN}�</html>"
    assert len(redacted(json.dumps("x" * 100_000).encode())) == MOST_CHARACTERS


@pytest.mark.parametrize("wanted", [timedelta(0), timedelta(hours=24, seconds=1), timedelta(minutes=-1)])
def test_manual_logging_is_for_24_hours_at_the_most(wanted: timedelta) -> None:
    with pytest.raises(InputError):
        logging_time(wanted)
    assert logging_time(timedelta(hours=24)) == timedelta(hours=24)
