"""Handing in events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.console.cli.support import Place, order_created


def test_one_event_from_standard_input_is_accepted(place: Place) -> None:
    result = place.run("publish", stdin=json.dumps(order_created("4711")))
    assert result.exit_code == 0, result.output
    (row,) = place.json("messages", "--order", "4711")
    assert f"accepted   message {row['id']}, 1 delivery" in result.stdout
    assert result.stdout.endswith("1 accepted, 0 duplicate, 0 rejected.\n")


def test_an_array_from_a_file_is_answered_event_by_event(place: Place) -> None:
    file = place.folder / "events.json"
    file.write_text(json.dumps([order_created("1"), order_created("1"), order_created("2", account="nobody")]))
    result = place.run("publish", str(file))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["accepted", "duplicate", "rejected"]
    assert "nobody" in lines[2]
    assert lines[3] == "1 accepted, 1 duplicate, 1 rejected."


def test_json_lines_with_a_bad_line_reject_only_that_line(place: Place) -> None:
    lines = b"\n".join(
        [json.dumps(order_created("1")).encode(), b'{"half":', json.dumps(order_created("2")).encode(), b""]
    )
    result = place.run("publish", "-", "--json", stdin=lines)
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [each["result"] for each in found] == ["accepted", "rejected", "accepted"]
    assert found[1]["code"] == "not_json"
    assert list(found[0]) == ["event", "result", "message_id", "deliveries", "code", "sentence"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"no json at all", "not_json"),
        (b"\xff\xfe\x00", "not_utf8"),
        (b"{}", "invalid_envelope"),
        (json.dumps(order_created("1", type="order.vanished")).encode(), "unknown_type"),
        (json.dumps(order_created("1", data={"external_order_id": ""})).encode(), "invalid_payload"),
        (json.dumps(order_created("1", channel="nowhere")).encode(), "unknown_channel"),
        (json.dumps(order_created("1", note="x" * 300_000)).encode(), "body_too_large"),
    ],
)
def test_bad_input_is_rejected_with_its_reason(place: Place, body: bytes, code: str) -> None:
    result = place.run("publish", "--json", stdin=body)
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert found["code"] == code
    assert found["sentence"]
    assert place.json("messages") == []


def test_the_same_identity_with_another_body_is_rejected(place: Place) -> None:
    place.publish(order_created("1", "evt"))
    result = place.run("publish", stdin=json.dumps(order_created("2", "evt")))
    assert result.exit_code == 1
    assert "rejected" in result.stdout


def test_an_account_may_be_given_for_events_that_name_none(place: Place) -> None:
    event = order_created("1")
    del event["account"]
    assert place.run("publish", stdin=json.dumps(event)).exit_code == 1
    assert place.run("publish", "--account", "acme", stdin=json.dumps(event)).exit_code == 0


@pytest.mark.parametrize("content", [b"", b"  \n ", b"[]"])
def test_nothing_to_hand_in_is_a_usage_error(place: Place, content: bytes) -> None:
    result = place.run("publish", stdin=content)
    assert result.exit_code == 2
    assert "no events" in result.stderr


def test_a_file_that_is_not_there_is_a_usage_error(place: Place, tmp_path: Path) -> None:
    result = place.run("publish", str(tmp_path / "missing.json"))
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
