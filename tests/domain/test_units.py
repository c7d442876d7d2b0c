"""Weights and lengths: exact on the way in, rounded as stated on the way out, nothing lost in between."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.units import (
    LENGTHS,
    PLACES,
    WEIGHTS,
    from_grams,
    from_millimetres,
    plain,
    to_grams,
    to_millimetres,
)

shown = st.decimals(min_value=0, max_value=10**9, places=PLACES, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "unit", "grams"),
    [
        ("1", "lb", "453.59237"),
        ("0.3", "lb", "136.077711"),
        ("1", "oz", "28.349523125"),
        ("16", "oz", "453.59237"),
        ("2.5", "kg", "2500"),
        ("340", "g", "340"),
        ("0", "lb", "0"),
    ],
)
def test_a_weight_in_grams_is_exact(value: str, unit: str, grams: str) -> None:
    assert str(to_grams(Decimal(value), unit)) == grams


@pytest.mark.parametrize(
    ("value", "unit", "millimetres"),
    [("1", "in", "25.4"), ("11.75", "in", "298.45"), ("3", "cm", "30"), ("7", "mm", "7")],
)
def test_a_length_in_millimetres_is_exact(value: str, unit: str, millimetres: str) -> None:
    assert str(to_millimetres(Decimal(value), unit)) == millimetres


@given(value=shown, unit=st.sampled_from(WEIGHTS))
def test_a_weight_as_a_shop_shows_it_comes_back_as_it_was(value: Decimal, unit: str) -> None:
    assert from_grams(to_grams(value, unit), unit) == value


@given(value=shown, unit=st.sampled_from(LENGTHS))
def test_a_length_as_a_shop_shows_it_comes_back_as_it_was(value: Decimal, unit: str) -> None:
    assert from_millimetres(to_millimetres(value, unit), unit) == value


@given(grams=st.decimals(min_value=0, max_value=10**9, places=6), places=st.integers(0, 8))
def test_what_goes_out_is_no_further_off_than_half_of_its_last_place(grams: Decimal, places: int) -> None:
    pounds = from_grams(grams, "lb", places)
    assert abs(to_grams(pounds, "lb") - grams) <= to_grams(Decimal(1).scaleb(-places), "lb") / 2


def test_a_half_goes_to_the_even_neighbour() -> None:
    assert [str(from_grams(Decimal(grams), "kg", 2)) for grams in ("125", "135")] == ["0.12", "0.14"]


@given(value=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_a_plain_number_is_the_same_without_exponent_and_idle_zeros(value: Decimal) -> None:
    text = str(plain(value))
    assert Decimal(text) == value
    if abs(value) >= 1:
        assert "E" not in text
        assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize(("convert", "unit"), [(to_grams, "in"), (from_grams, "stone"), (to_millimetres, "lb")])
def test_an_unknown_unit_is_refused_and_the_known_ones_are_told(convert: object, unit: str) -> None:
    assert callable(convert)
    with pytest.raises(InputError, match=f"'{unit}' is no unit here. Units: ") as caught:
        convert(Decimal(1), unit)
    assert caught.value.code == "unknown_unit"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e30"])
def test_what_is_no_measure_is_refused(value: str) -> None:
    with pytest.raises(InputError) as caught:
        to_grams(Decimal(value), "lb")
    assert caught.value.code == "invalid_measure"


def test_the_library_is_loaded_by_the_first_conversion_and_not_before() -> None:
    program = (
        "import sys, decimal, consumers, connectors, domain.units as units; before = 'pint' in sys.modules; "
        "units.to_grams(decimal.Decimal(1), 'lb'); print(before, 'pint' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "True"]
