"""A private RabbitMQ cluster of three nodes from installed binaries: free ports, one epmd, one cookie."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services.process import ServerFailedError, wait_until
from tests.services.rabbitmq import ATTEMPTS, RabbitServer, find_rabbitmq, settle

NODES = 3
JOIN_SECONDS = 60.0
# A node asks the named ones every half a second, so many times, before it would begin a cluster of its own.
PATIENT = "cluster_formation.discovery_retry_limit = 60\ncluster_formation.discovery_retry_interval = 500\n"


class ClusterNode(RabbitServer):
    """One node. Each but the first shares the first one's epmd and cookie, and joins it when it first starts."""

    def __init__(self, scripts: Path, first: ClusterNode | None = None) -> None:
        self._first = first
        super().__init__(scripts, "" if first is None else _joining(first.name))

    @property
    def name(self) -> str:
        """Its name in the cluster."""
        return self._environment["RABBITMQ_NODENAME"]

    @property
    def address(self) -> tuple[str, int]:
        """Where it answers AMQP."""
        return "127.0.0.1", self._port

    def start(self) -> None:
        """As of a single node; the epmd of the first one must run."""
        if self._first is not None:
            self._epmd = self._first._epmd
        super().start()

    def _make_environment(self) -> dict[str, str]:
        made = super()._make_environment()
        if self._first is not None:
            shared = self._first._environment
            made |= {name: shared[name] for name in ("HOME", "ERL_EPMD_PORT")}
        return made


class RabbitCluster:
    """Three nodes that form one cluster. Use :func:`start_cluster`; close it, or use it as a context manager."""

    def __init__(self, scripts: Path) -> None:
        first = ClusterNode(scripts)
        self.nodes: Sequence[ClusterNode] = (first, *(ClusterNode(scripts, first) for _ in range(NODES - 1)))

    def start(self) -> None:
        """Start all nodes and wait until each sees the others. Raises ServerFailedError."""
        first, *others = self.nodes
        first.start()
        with ThreadPoolExecutor(len(others)) as pool:
            list(pool.map(ClusterNode.start, others))
        if not wait_until(lambda: all(self.sees(node) == NODES for node in self.nodes), JOIN_SECONDS):
            raise ServerFailedError(f"the nodes did not find one another: {[self.sees(node) for node in self.nodes]}")

    def sees(self, node: ClusterNode) -> int:
        """How many running nodes this one knows, itself included; 0 while it does not answer."""
        with contextlib.suppress(ServerFailedError):
            return int(node.rabbitmqctl("eval", "length(rabbit_nodes:all_running())."))
        return 0

    def settle(self) -> None:
        """Let each running node write down which quorum queues it has; call it between declaring and killing."""
        for node in self.nodes:
            if node.running:
                settle(node.rabbitmqctl)

    def members(self, queue: str) -> list[str]:
        """The names of the nodes that keep a copy of a quorum queue of the default virtual host and are up."""
        node = next(node for node in self.nodes if node.running)
        listed = node.rabbitmqctl("list_queues", "name", "online", "--no-table-headers")
        row = next((line for line in listed.splitlines() if line.split("\t")[0] == queue), "")
        return [each.name for each in self.nodes if each.name in row]

    def close(self) -> None:
        """End all nodes and remove their folders; the first one last, whose epmd and cookie the others use."""
        for node in reversed(self.nodes):
            node.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start_cluster() -> RabbitCluster:
    """Start three private nodes as one cluster.

    Raises ServerFailedError when RabbitMQ is not installed or three starts failed.
    """
    scripts = find_rabbitmq()
    if scripts is None:
        raise ServerFailedError("RabbitMQ is not installed, and a cluster of containers is not made here")
    for attempt in range(1, ATTEMPTS + 1):
        cluster = RabbitCluster(scripts)
        try:
            cluster.start()
        except BaseException as error:
            cluster.close()
            if attempt == ATTEMPTS or not isinstance(error, ServerFailedError):
                raise
        else:
            return cluster
    raise AssertionError("unreachable")


def _joining(first: str) -> str:
    return (
        "cluster_formation.peer_discovery_backend = classic_config\n"
        f"cluster_formation.classic_config.nodes.1 = {first}\n{PATIENT}"
    )
