"""The order in which servers are looked for, and the sentence when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services import install, provide
from tests.services.external import ExternalPostgres, ExternalRabbit, NotOursError
from tests.services.process import ServerFailedError


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, no engine, nothing installed, and no right to install."""
    monkeypatch.delenv("TOWPATH_TEST_AMQP_URL", raising=False)
    monkeypatch.delenv("TOWPATH_TEST_DATABASE_URL", raising=False)
    monkeypatch.setattr(provide, "_docker_answers", lambda: False)
    monkeypatch.setattr(provide, "find_rabbitmq", lambda: None)
    monkeypatch.setattr(provide, "find_postgresql", lambda: None)
    monkeypatch.setattr(install, "can_install", lambda: False)


@pytest.mark.usefixtures("bare_machine")
def test_a_bare_machine_is_told_how_to_get_both_servers() -> None:
    with pytest.raises(provide.ServiceMissingError, match=r"rabbitmq-server.*TOWPATH_TEST_AMQP_URL"):
        provide.provide_rabbitmq()
    with pytest.raises(provide.ServiceMissingError, match=r"install.* postgresql\).*TOWPATH_TEST_DATABASE_URL"):
        provide.provide_postgresql()


@pytest.mark.usefixtures("bare_machine")
def test_root_on_debian_installs_what_is_missing_and_reports_why_it_could_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(package: str, found: object) -> None:
        raise ServerFailedError(f"no route to {package}")

    monkeypatch.setattr(install, "can_install", lambda: True)
    monkeypatch.setattr(install, "install", refuse)
    with pytest.raises(provide.ServiceMissingError, match="no route to postgresql"):
        provide.provide_postgresql()


def test_a_server_named_in_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_TEST_AMQP_URL", "amqp://u:p@127.0.0.1:1/%2F")
    monkeypatch.setenv("TOWPATH_TEST_DATABASE_URL", "postgresql://u@127.0.0.1:1/admin?sslmode=disable")
    assert isinstance(provide.provide_rabbitmq(), ExternalRabbit)
    database = provide.provide_postgresql()
    assert isinstance(database, ExternalPostgres)
    assert database.url == "postgresql+psycopg://u@127.0.0.1:1/admin?sslmode=disable"


def test_a_server_of_somebody_else_is_never_killed() -> None:
    for server in (ExternalRabbit("amqp://127.0.0.1:1/"), ExternalPostgres("postgresql://127.0.0.1:1/admin")):
        with pytest.raises(NotOursError, match="not ours"):
            server.crash()
        with pytest.raises(NotOursError, match="not ours"):
            server.restart()


def test_virtual_hosts_on_a_server_of_somebody_else_go_through_the_named_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "ctl"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncat >> {tmp_path}/input\n')
    script.chmod(0o755)
    monkeypatch.setenv("TOWPATH_TEST_RABBITMQCTL", str(script))
    server = ExternalRabbit("amqp://me:secret@127.0.0.1:1/%2F")
    vhost = server.vhosts.take()
    server.close()
    assert vhost.url == f"amqp://me:secret@127.0.0.1:1/{vhost.name}"
    assert f"delete_vhost {vhost.name}" in (tmp_path / "calls").read_text()
    assert '"user": "me"' in (tmp_path / "input").read_text()
