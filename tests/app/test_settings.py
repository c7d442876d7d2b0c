"""Settings: what is wrong is said at start in one sentence, and secrets never show."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import Settings, load, parse_hosts
from domain.errors import ConfigurationError

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable and no ``.env`` file of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TOWPATH_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def sentence_of(**overrides: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**overrides)
    return caught.value.sentence


def test_the_default_needs_nothing_from_outside(tmp_path: Path) -> None:
    settings = load()
    assert settings.embedded
    assert settings.database == f"sqlite:///{tmp_path}/.towpath/towpath.db"


def test_an_unknown_variable_is_answered_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DATABSE_URL", "x")
    assert sentence_of() == "There is no setting TOWPATH_DATABSE_URL. Did you mean TOWPATH_DATABASE_URL?"


def test_an_unknown_name_in_the_env_file_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOWPATH_CAPACTIY=3\n")
    assert sentence_of() == "There is no setting TOWPATH_CAPACTIY. Did you mean TOWPATH_CAPACITY?"


def test_the_env_file_is_read_and_may_hold_what_belongs_to_others(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOWPATH_CAPACITY=3\nPGPASSWORD=x\n")
    assert load().capacity == 3


def test_a_variable_like_no_setting_is_answered_with_all_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_ZZZZZZZZZZZZ", "x")
    assert "Known: TOWPATH_ALLOWED_HOSTS, " in sentence_of()


def test_the_crash_points_of_tests_are_no_unknown_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load()
    monkeypatch.setenv("TOWPATH_CRASH_AT", "worker.after_call")
    assert load() == plain


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http_port", "many"),
        ("http_port", "70000"),
        ("capacity", "0"),
        ("lease_seconds", "1"),
        ("log", "loud"),
        ("log_format", "xml"),
        ("allowed_hosts", "localhost"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TOWPATH_{name.upper()}", value)
    assert f"{name}: " in sentence_of()


def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_KEYS", "hidden-word")
    with pytest.raises(ConfigurationError) as caught:
        load().keys()
    assert "hidden-word" not in caught.value.sentence
    assert "openssl rand" in caught.value.sentence


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    hidden = "hidden-word"
    settings = load(broker_url=f"amqp://u:{hidden}@h/", database_url=f"postgresql://u:{hidden}@h/d", secret_keys=hidden)
    assert hidden not in repr(settings) + str(settings) + str(settings.model_dump())


def test_keys_of_the_environment_are_a_ring_newest_first() -> None:
    other = base64.b64encode(bytes(32)).decode()
    assert load(secret_keys=f"{KEY}, {other}").keys() == [bytes(range(32)), bytes(32)]


def test_the_key_file_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path / "data")
    first = settings.keys()
    assert len(first[0]) == 32
    assert settings.keys() == first
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path)
    settings.keys()
    (tmp_path / "secret.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        settings.keys()


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().capacity = 5  # type: ignore[misc]


names = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)


@given(st.lists(st.tuples(names, st.integers(0, 65535))))
def test_host_and_port_pairs_are_read_back_as_written(pairs: list[tuple[str, int]]) -> None:
    assert parse_hosts(" , ".join(f"{host}:{port}" for host, port in pairs)) == pairs
