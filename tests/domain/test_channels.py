"""Settings of a channel."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from domain.budget import Budget
from domain.channels import Channel, ChannelSettings, StockMode


@pytest.mark.parametrize(
    "wrong",
    [
        {"stock_bufer": 1},
        {"stock_buffer": -1},
        {"stock_cap": -1},
        {"calls_per_second": 0},
        {"calls_per_second": 10_001},
        {"burst": 0},
        {"stock_mode": "sometimes"},
        {"unmapped_carrier": "ignore"},
        {"import_overlap_seconds": -1},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../etc/passwd"},
        {"timezone": ""},
    ],
    ids=str,
)
def test_a_setting_that_is_unknown_or_out_of_range_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ChannelSettings.model_validate(wrong)
    assert [fault["loc"][0] for fault in caught.value.errors()] == list(wrong)


def test_settings_come_back_from_a_table_as_they_were() -> None:
    settings = ChannelSettings(
        stock_mode=StockMode.SCHEDULE,
        stock_warehouses=("main", "east"),
        stock_cap=0,
        timezone="Europe/Berlin",
    )
    assert ChannelSettings.model_validate_json(settings.model_dump_json()) == settings


def test_the_token_of_a_channel_is_not_shown() -> None:
    channel = Channel(
        "1",
        "2",
        "acme",
        "bright",
        "B",
        "bright_sites",
        "x.example",
        SecretStr("hush"),
        True,
        ChannelSettings(),
    )
    assert "hush" not in repr(channel)


def test_a_budget_of_calls_is_checked_and_given_as_one() -> None:
    settings = ChannelSettings(calls_per_day=10, calls_per_month=100, calls_warn_at=(0.5,))
    assert settings.budget == Budget(per_day=10, per_month=100, warn_at=(0.5,))
    assert ChannelSettings().budget is None
    changed = settings.model_copy(update={"calls_per_day": 20})
    assert changed.budget is not None and changed.budget.per_day == 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"calls_per_day": 10, "calls_per_month": 9},
        {"calls_per_day": 0},
        {"calls_per_month": -1},
        {"calls_warn_at": [0.9, 0.5]},
        {"calls_warn_at": [1.5]},
    ],
)
def test_a_budget_of_calls_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="the API-call budget cannot be"):
        ChannelSettings.model_validate(wrong)
