"""The wiring: what is opened is closed again, also where opening fails half-way."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.house import open_house
from app.settings import Settings
from broker.operations import NewChannel
from broker.transports.rabbitmq import AmqpSettings
from domain.errors import ConfigurationError, StorageUnavailable, TransportUnavailable
from domain.jobs import JOB_TYPES


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """No thread of a database and no open file of the data folder survives a test."""
    yield
    gc.collect()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("towpath-")]
    assert not [path for path in _open_files() if path.startswith(str(tmp_path))]


def _open_files() -> list[str]:
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(descriptor))  # noqa: PTH115 - the target need not be a path
        except OSError:
            continue
    return found


async def test_a_house_that_was_closed_can_be_opened_again(settings: Settings) -> None:
    for _ in range(2):
        async with open_house(settings, exclusive=True) as house:
            assert house.transport.healthy
            assert await house.operations.desk.accounts() == []


async def test_a_house_knows_which_jobs_posts_of_its_platforms_trigger(settings: Settings) -> None:
    async with open_house(settings, connect=False) as house:
        desk = house.operations.desk
        await desk.create_account(await desk.create_organization("Org"), "acme", "Acme", "UTC")
        new = NewChannel("acme", "main", "Main", "bright_sites", "shop.example.com", "token-1234")
        made = await house.ledger.channel(await house.operations.create_channel(new))
        assert made is not None and made.pushed == {"order_import"}


async def test_a_second_exclusive_house_is_refused_and_a_looking_one_is_not(settings: Settings) -> None:
    async with open_house(settings, exclusive=True):
        with pytest.raises(ConfigurationError, match="Another Towpath process"):
            async with open_house(settings, exclusive=True):
                pass
        async with open_house(settings, connect=False) as house:
            assert await house.operations.desk.accounts() == []


async def test_a_key_file_open_to_others_closes_what_was_opened(settings: Settings) -> None:
    settings.keys()
    (settings.data_dir / "secret.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        async with open_house(settings, exclusive=True):
            pass


async def test_an_unknown_broker_closes_what_was_opened(settings: Settings) -> None:
    wrong = settings.model_copy(update={"broker_url": SecretStr("redis://localhost")})
    with pytest.raises(ConfigurationError, match="TOWPATH_BROKER_URL"):
        async with open_house(wrong, exclusive=True):
            pass


async def test_a_broker_that_is_away_closes_what_was_opened(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.transports.urls.AmqpSettings", partial(AmqpSettings, connect_timeout=0.5))
    away = settings.model_copy(update={"broker_url": SecretStr("amqp://guest:guest@127.0.0.1:9/")})
    with pytest.raises(TransportUnavailable):
        async with open_house(away, exclusive=True):
            pass


async def test_a_database_that_is_away_is_said_at_once(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": SecretStr("postgresql://u:hidden-word@127.0.0.1:9/d")})
    with pytest.raises(StorageUnavailable) as caught:
        async with open_house(away):
            pass
    assert "hidden-word" not in caught.value.sentence


async def test_an_error_of_its_user_closes_the_house_and_passes(settings: Settings) -> None:
    with pytest.raises(LookupError):
        async with open_house(settings, exclusive=True):
            raise LookupError


async def test_a_worker_may_be_given_some_jobs_only(settings: Settings) -> None:
    async with open_house(settings, connect=False) as house:
        assert list(house.organs(["order_import"]).handlers) == ["order_import"]
        assert set(house.organs([]).handlers) == set(JOB_TYPES)
