"""A cluster of three RabbitMQ nodes loses two of them in turn: nothing confirmed is lost, and work goes on."""

from __future__ import annotations

import itertools

import pytest

from broker.topology import INBOX
from tests.app.harness import Stack, eventually, set_up
from tests.app.workload import check, wait_settled
from tests.services.cluster import NODES, RabbitCluster
from tests.storms.balancer import Balancer
from tests.storms.upstream import Upstream

GAP_SECONDS = 30.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.rabbitmq, pytest.mark.postgresql]


def test_two_of_three_nodes_killed_in_turn_lose_nothing_that_was_confirmed(
    clustered: Stack, cluster: RabbitCluster, balancer: Balancer
) -> None:
    office = set_up(clustered)
    cluster.settle()
    assert len(cluster.members(INBOX)) == NODES
    clustered.shop.slow_down(10)
    processes = [clustered.start(role).works() for role in ("relay", "consume", "consume")]
    upstream = Upstream(clustered, orders=40, per_second=100)
    balancer.prefer(cluster.nodes[0].address)
    with upstream.sending():
        _until_confirmed(upstream, 100)
        for node, refuge in itertools.pairwise(cluster.nodes):
            balancer.prefer(refuge.address)
            with upstream.hurrying():
                _until_confirmed(upstream, 100)
                node.crash()
            _until_confirmed(upstream, 200)
            node.start()
            eventually(lambda: len(cluster.members(INBOX)) == NODES, 60, f"{node.name} is back in its place")
        _until_confirmed(upstream, 100)
    assert upstream.longest < GAP_SECONDS
    wait_settled(clustered, office, upstream.work, 90)
    check(clustered, office, upstream.work)
    assert all(process.alive for process in processes)


def _until_confirmed(upstream: Upstream, more: int) -> None:
    goal = upstream.confirmed + more
    eventually(lambda: upstream.confirmed >= goal, 60, f"{more} more events are confirmed")
