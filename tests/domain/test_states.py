"""The table of states and moves."""

from __future__ import annotations

from itertools import product

import pytest

from domain.states import FINAL, MOVES, DeliveryState, may_move

OPEN = DeliveryState.OPEN
BY_A_PERSON = {
    (old, new)
    for old, new in (
        (DeliveryState.SKIPPED, OPEN),
        (DeliveryState.UNKNOWN, OPEN),
        (DeliveryState.UNKNOWN, DeliveryState.DISCARDED),
        (DeliveryState.DEAD, OPEN),
        (DeliveryState.DEAD, DeliveryState.DISCARDED),
        (DeliveryState.DISCARDED, OPEN),
    )
}


def test_every_state_has_its_row() -> None:
    assert set(MOVES) == set(DeliveryState)
    assert set(FINAL) | {OPEN} == set(DeliveryState)
    assert OPEN not in FINAL


@pytest.mark.parametrize(("old", "new"), list(product(DeliveryState, repeat=2)))
def test_a_delivery_moves_as_the_table_says_and_no_other_way(old: DeliveryState, new: DeliveryState) -> None:
    assert may_move(old, new) is (old is OPEN or (old, new) in BY_A_PERSON)


@pytest.mark.parametrize("state", [DeliveryState.DONE, DeliveryState.SUPERSEDED])
def test_what_was_done_or_superseded_is_never_run_again(state: DeliveryState) -> None:
    assert not any(may_move(state, new) for new in DeliveryState)
