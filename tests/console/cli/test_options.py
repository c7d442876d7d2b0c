"""How options are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from console.cli.options import business_key, narrowed, place, since

NOW = datetime(2025, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("3D", timedelta(days=3)),
    ],
)
def test_an_age_counts_back_from_now(text: str, age: timedelta) -> None:
    assert since(text, NOW) == NOW - age


@given(st.integers(10**8, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_an_iso_time_with_offset_is_that_instant(moment: datetime) -> None:
    assert since(moment.isoformat(), NOW) == moment


def test_an_iso_time_without_offset_is_local_and_aware() -> None:
    found = since("2025-11-30T14:00", NOW)
    assert found is not None
    assert found.astimezone().isoformat().startswith("2025-11-30T14:00:00")


def test_nothing_asked_is_no_limit() -> None:
    assert since(None) is None


@given(st.text(max_size=12))
def test_any_text_is_a_time_or_a_usage_error(text: str) -> None:
    try:
        found = since(text, NOW)
    except typer.BadParameter:
        return
    assert found is not None
    assert found.tzinfo is not None


@pytest.mark.parametrize("text", ["acme", "acme/", "/bright", "a/b/c", ""])
def test_a_channel_is_named_with_its_account(text: str) -> None:
    assert place("acme/bright-main") == ("acme", "bright-main")
    with pytest.raises(typer.BadParameter):
        place(text)


def test_a_filter_by_channel_may_name_the_account() -> None:
    assert narrowed(None, "acme/bright") == ("acme", "bright")
    assert narrowed("acme", "bright") == ("acme", "bright")
    assert narrowed("acme", "acme/bright") == ("acme", "bright")
    with pytest.raises(typer.BadParameter):
        narrowed("other", "acme/bright")


def test_order_and_sku_exclude_each_other() -> None:
    assert business_key("4711", None) == "4711"
    assert business_key(None, "MUG") == "MUG"
    with pytest.raises(typer.BadParameter):
        business_key("4711", "MUG")
