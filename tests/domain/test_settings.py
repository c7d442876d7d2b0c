"""Where a setting comes from, and which changes can be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.bright_sites import MANIFEST
from domain.channels import ChannelSettings
from domain.errors import InputError
from domain.settings import (
    Changes,
    Origin,
    StaleVersion,
    built_in,
    ensure_offered,
    ensure_version,
    flattened,
    normal,
    resolve,
    settings_of,
)

VALUES = st.fixed_dictionaries(
    {},
    optional={
        "stock_buffer": st.integers(0, 9),
        "stock_cap": st.none() | st.integers(0, 9),
        "calls_per_day": st.none() | st.integers(1, 9),
        "period.order_import": st.sampled_from(["none", "5m", "1h"]),
    },
)
WHOSE = "A Bright Sites channel"


@given(VALUES, VALUES)
def test_the_channel_wins_over_the_account_and_the_account_over_what_is_built_in(
    own: dict[str, Any], defaults: dict[str, Any]
) -> None:
    for name, each in resolve(own, defaults, MANIFEST.fields).items():
        plain = built_in()[name]
        assert each.value == own.get(name, defaults.get(name, plain))
        assert each.inherited == defaults.get(name, plain)
        expected = Origin.CHANNEL if name in own else Origin.ACCOUNT if name in defaults else Origin.BUILT_IN
        assert each.origin is expected


@given(VALUES, VALUES)
def test_clearing_takes_away_what_was_put_and_nothing_else(own: dict[str, Any], others: dict[str, Any]) -> None:
    if own:
        kept = {name: value for name, value in others.items() if name not in own}
        assert Changes(clear=frozenset(own)).applied({**others, **own}) == kept


def test_a_default_that_the_platform_does_not_offer_does_not_hold() -> None:
    defaults = {"period.product_import": "30m", "units_weight": "kg", "timezone": "Asia/Tokyo"}
    found = resolve({}, defaults, MANIFEST.fields)
    assert (found["period.product_import"].value, found["units_weight"].value) == ("none", "lb")
    assert (found["timezone"].value, found["timezone"].origin) == ("Asia/Tokyo", Origin.ACCOUNT)
    assert resolve({}, defaults, {})["timezone"].value == "UTC"


def test_settings_by_name_are_settings_again() -> None:
    made = ChannelSettings(stock_buffer=3, calls_per_month=20_000)
    assert flattened(made)["calls_per_month"] == 20_000
    assert settings_of(flattened(made)) == made


def test_values_are_kept_in_one_form() -> None:
    given_values = {"update_order_with_last_shipment": "yes", "stock_buffer": "2", "period.order_import": "5m"}
    assert normal(given_values) == {
        "update_order_with_last_shipment": True,
        "stock_buffer": 2,
        "period.order_import": "5m",
    }


@pytest.mark.parametrize(
    ("put", "code", "words"),
    [
        ({"stock_bufer": 1}, "unknown_setting", "Did you mean stock_buffer"),
        ({"default_carrier": "ups"}, "setting_not_offered", "no setting 'default_carrier'"),
        ({"period.order_update": "5m"}, "not_schedulable", "does not run 'Update orders' on a schedule"),
        ({"period.product_import": "30m"}, "period_not_allowed", "none, 1h"),
        ({"period.order_import": "soon"}, "unknown_period", "is no period"),
        ({"units_weight": "kg"}, "invalid_settings", "it offers: lb"),
        ({"stock_mode": None}, "invalid_settings", "cannot be empty"),
    ],
)
def test_what_is_not_offered_is_refused_with_the_reason(put: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        ensure_offered(Changes(put), MANIFEST.fields, WHOSE)
    assert caught.value.code == code


@pytest.mark.parametrize(("put", "clear"), [({}, ()), ({"burst": 1}, ("burst",))])
def test_a_change_of_nothing_and_one_that_contradicts_itself_cannot_be(put: dict[str, Any], clear: Any) -> None:
    with pytest.raises(InputError):
        Changes(put, frozenset(clear))


def test_limits_that_contradict_one_another_are_refused_together() -> None:
    with pytest.raises(InputError, match="must not be above that of a month"):
        settings_of({"calls_per_day": 10, "calls_per_month": 5})


def test_another_version_than_the_one_that_was_looked_at_is_refused() -> None:
    ensure_version(None, 3, "channel x")
    ensure_version(3, 3, "channel x")
    with pytest.raises(StaleVersion, match="version 3, not 2"):
        ensure_version(2, 3, "channel x")
