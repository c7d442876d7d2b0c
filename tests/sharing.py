"""How workers (pytest-xdist) share the tests so that all end at about the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def long_ones_first(tests: Sequence[T], workers: int, is_long: Callable[[T], bool]) -> list[T]:
    """The tests in an order of which each worker gets an equal part: its share of the long ones, then short ones.

    What is left at the end of a run is then short and can be stolen by whoever is idle; a long test that is begun last
    would be waited for by all others.
    """
    if workers < 2:
        return list(tests)
    long = [each for each in tests if is_long(each)]
    short = iter([each for each in tests if not is_long(each)])
    ordered: list[T] = []
    for worker in range(workers):
        ordered += long[worker::workers]
        ordered += islice(short, max(0, len(tests) * (worker + 1) // workers - len(ordered)))
    return ordered + list(short)
