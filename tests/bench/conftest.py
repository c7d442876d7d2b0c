"""The benchmarks on the servers of the test run: they commit without fsync here, so figures mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.services import Services, record_commit_times
from tests.services.provide import Postgres, Rabbit


@pytest.fixture
def services(rabbitmq_server: Rabbit, postgresql_server: Postgres, tmp_path: Path) -> Services:
    """Quick services: every part takes tiny counts."""
    return Services(rabbitmq_server, postgresql_server, tmp_path, True, record_commit_times(postgresql_server))
