"""The stacks of ``tests/app``, the breakable network of ``tests/faults``, and a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.settings import Settings
from tests.app.conftest import distributed, embedded, office, shop, shop_process, stack
from tests.app.harness import Stack, stack_of
from tests.app.shop import SandboxShop
from tests.conftest import SKIP_WORDS
from tests.faults.conftest import proxy_to, wires
from tests.services.cluster import RabbitCluster, start_cluster
from tests.services.rabbitmq import find_rabbitmq
from tests.storms.balancer import Balancer

__all__ = ["distributed", "embedded", "office", "proxy_to", "shop", "shop_process", "stack", "wires"]


@pytest.fixture
def cluster() -> Iterator[RabbitCluster]:
    """Three RabbitMQ nodes of this test alone."""
    if find_rabbitmq() is None:
        pytest.skip(f"{SKIP_WORDS}a cluster needs RabbitMQ's own binaries on this machine, a container will not do")
    with start_cluster() as made:
        yield made


@pytest.fixture
def balancer(cluster: RabbitCluster) -> Iterator[Balancer]:
    """The one address of the cluster."""
    with Balancer([node.address for node in cluster.nodes]) as made:
        yield made


@pytest.fixture
def clustered(tmp_path: Path, shop: SandboxShop, balancer: Balancer, postgresql_ledger: str) -> Iterator[Stack]:
    """The cluster and PostgreSQL."""
    settings = Settings(
        data_dir=tmp_path / "data",
        allowed_hosts=shop.domain,
        broker_url=SecretStr(f"amqp://guest:guest@{balancer.address}/%2F"),
        database_url=SecretStr(postgresql_ledger),
    )
    with stack_of("clustered", settings, tmp_path, shop) as made:
        yield made
