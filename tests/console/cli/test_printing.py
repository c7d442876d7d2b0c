"""What is printed fits, is clean, and holds still for a spreadsheet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli.clean import clean
from console.cli.clock import Zone, span
from console.cli.exporting import safe_cell
from console.cli.failing import without_passwords
from console.cli.printing import plain
from domain.errors import ShopRejected
from domain.outcomes import Park
from tests.console.cli.support import Place, order_created, stock_changed


@given(st.text())
def test_clean_text_moves_no_cursor(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 or sign in "\u202e\u2066" for sign in cleaned)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_no_cell_begins_like_a_formula(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.removeprefix("'") == text.removeprefix("'")


def test_numbers_and_nothing_stay_what_they_are() -> None:
    assert safe_cell(-5) == -5
    assert safe_cell(None) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://guest:hush@host/v", "amqp://guest:***@host/v"),
        ("postgresql+psycopg://u:p%40ss@db", "postgresql+psycopg://u:***@db"),
        ("https://shop.example.com/a:b", "https://shop.example.com/a:b"),
    ],
)
def test_passwords_in_urls_are_masked(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


@dataclass(frozen=True)
class Sample:
    at: datetime
    parts: tuple[int, ...]


def test_json_times_are_utc_whatever_their_offset() -> None:
    moment = datetime(2025, 1, 1, 2, 0, tzinfo=timezone(timedelta(hours=2)))
    assert plain(Sample(moment, (1, 2))) == {"at": "2025-01-01T00:00:00Z", "parts": [1, 2]}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (45, "45 s"),
        (61, "1 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (360_000, "4 d 4 h"),
        (86_400, "1 d"),
    ],
)
def test_a_length_of_time_is_short(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_time_is_as_short_as_it_can_be_understood() -> None:
    zone = Zone(UTC, "UTC")
    now = datetime.now(UTC)
    assert zone.short(None) == "-"
    assert zone.short(now) == f"{now:%H:%M:%S}"
    assert zone.short(datetime(2001, 2, 3, 4, 5, tzinfo=UTC)) == "3 Feb 2001"


@pytest.mark.parametrize("width", [80, 100, 120])
def test_every_table_fits_the_terminal(place: Place, width: int) -> None:
    (message,) = place.publish(order_created("4711-" + "long" * 10))
    place.attempt(ShopRejected("The shop refused the order: " + "because " * 30))
    place.publish(order_created("4712"), stock_changed("MUG-1", 1, 1))
    place.attempt(Park("Carrier 'UPS' has no shipping method: map it in the channel.", "carrier_unmapped", "mapping"))
    place.reject(b"x" * 500, "The body is not JSON.")
    place.run("jobs", "period", "acme/bright-main", "order_import", "15m")
    for line in (
        "logs", "messages", f"messages show {message}", "messages rejected", "channels list", "tasks",
        "jobs list", "accounts list", "topology show", "doctor", "channels settings acme/bright-main",
    ):  # fmt: skip
        result = place.run(*line.split(), COLUMNS=str(width))
        drawn = [row for row in result.stdout.splitlines() if "towpath " not in row]
        assert max(map(len, drawn)) <= width, line
