"""One seed, one history: whatever goes wrong in it, everything accepted happens once and in order at its end."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from tests.simulation.plants import PLANTS
from tests.simulation.simulate import simulate
from tests.simulation.weather import FAIR, Climate

SEEDS = int(os.environ.get("TOWPATH_SIMULATION_SEEDS", "150"))
GROUPS = 10
"""The seeds are run in so many tests, which may run at the same time."""
DIGEST = "from tests.simulation.test_simulation import digest; print(digest({seed}))"


def digest(seed: int) -> str:
    """What tells two histories apart."""
    return hashlib.sha256("\n".join(simulate(seed).trace).encode()).hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(120 + 5 * SEEDS)
@pytest.mark.parametrize("group", range(GROUPS))
def test_everything_accepted_happens_once_and_in_order_whatever_goes_wrong(group: int) -> None:
    for seed in range(group, SEEDS, GROUPS):
        history = simulate(seed)
        assert not history.broken, history.report()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_found(name: str) -> None:
    plant = PLANTS[name]
    histories = (simulate(seed, plant.makers, climate=plant.climate) for seed in range(plant.most_seeds))
    found = next((history for history in histories if history.broken), None)
    assert found is not None, f"{plant.most_seeds} seeds did not show: {name}"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("climate", dict.fromkeys(plant.climate for plant in PLANTS.values()), ids=str)
def test_without_the_fault_the_same_weather_does_no_harm(climate: Climate) -> None:
    for seed in range(3):
        history = simulate(seed, climate=climate)
        assert not history.broken, history.report()


def test_in_fair_weather_each_call_is_made_once_and_nothing_is_tried_again() -> None:
    history = simulate(3, climate=FAIR)
    assert not history.broken, history.report()
    told = [line for line in history.trace if "-parcel-" in line and "was accepted" in line]
    posted = [line for line in history.trace if "POST" in line and ": 201" in line]
    assert len(posted) == len(told) > 0
    assert not [line for line in history.trace if any(word in line for word in ("rescued", "fenced", "KILLED", "lost"))]


def test_a_seed_is_the_same_history_again() -> None:
    first, second = simulate(5), simulate(5)
    assert first.trace == second.trace
    assert len(first.trace) > 100
    assert first.trace != simulate(6).trace


def test_a_seed_is_the_same_history_in_another_process() -> None:
    told = subprocess.run(
        [sys.executable, "-c", DIGEST.format(seed=5)],
        env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True, timeout=110,
    )  # fmt: skip
    assert told.stdout.strip() == digest(5)


def test_what_breaks_is_told_with_its_seed_and_its_trace() -> None:
    plant = PLANTS["versions forgotten"]
    history = next(each for seed in range(10) if (each := simulate(seed, plant.makers, climate=plant.climate)).broken)
    report = history.report(lines=50)
    assert report.startswith(f"seed {history.seed}:\n{history.broken[0]}")
    assert history.trace[-1] in report
