"""Installing a server never lets its package start a system service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services import install


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, bool]]:
    """What apt was asked for, and whether services were refused at that time."""
    made: list[tuple[str, bool]] = []
    policy = tmp_path / "policy-rc.d"
    (tmp_path / "dpkg").mkdir()
    monkeypatch.setattr(install, "POLICY", policy)
    monkeypatch.setattr(install, "PACKAGES", tmp_path / "dpkg")
    monkeypatch.setattr(install, "_apt", lambda *words: made.append((words[0], policy.read_text() == install.REFUSE)))
    return made


def test_services_are_refused_while_a_package_is_installed_and_not_longer(
    calls: list[tuple[str, bool]], tmp_path: Path
) -> None:
    install.install("rabbitmq-server", lambda: None)
    assert calls == [("update", True), ("install", True)]
    assert not (tmp_path / "policy-rc.d").exists()


def test_a_policy_that_is_there_stays_as_it_is(calls: list[tuple[str, bool]], tmp_path: Path) -> None:
    (tmp_path / "policy-rc.d").write_text("mine")
    install.install("rabbitmq-server", lambda: None)
    assert calls == [("update", False), ("install", False)]
    assert (tmp_path / "policy-rc.d").read_text() == "mine"


def test_nothing_is_installed_when_somebody_else_did_it_meanwhile(
    calls: list[tuple[str, bool]], tmp_path: Path
) -> None:
    install.install("rabbitmq-server", lambda: tmp_path)
    assert calls == []
