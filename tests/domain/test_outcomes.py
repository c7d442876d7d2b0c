"""The closed set of answers."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from domain.outcomes import OUTCOMES, Counts, Done, Effects, Outcome, Unknown


def test_the_tuple_of_outcomes_is_the_union_of_outcomes() -> None:
    assert get_args(Outcome) == OUTCOMES


def test_an_outcome_cannot_be_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        Done("Sent.").sentence = "Not sent."  # type: ignore[misc]


def test_an_outcome_carries_no_effects_unless_told() -> None:
    assert Done("Sent.").effects == Effects(Counts(), (), (), ())
    assert Unknown("Look.").code == "outcome_unknown"
