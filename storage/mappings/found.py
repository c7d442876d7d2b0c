"""SKUs that turn up by themselves: in the catalogue, or in the shop. What waited for them goes on.

Products come in by transactions that hold lanes of their own, so what they release is found afterwards, by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from storage.mapping_tables import mapping_tasks, mappings
from storage.mappings.tasks import hold, let_go
from storage.product_tables import catalogue_skus, product_skus

MOST = 200
"""Tasks answered at a time, so that no transaction holds many lanes for long."""

Found = Mapping[str, Sequence[str]]
"""Channel id → tasks."""


def found_skus(connection: Connection) -> Found:
    """Open tasks whose SKU is there by now: one of the channel in the account's catalogue, or one of the OMS in the
    shop, since something began to wait for it.
    """
    of_tasks = select(mapping_tasks.c.id, mapping_tasks.c.channel_id)
    of_tasks = of_tasks.where(mapping_tasks.c.state == "open", mapping_tasks.c.kind == "sku")
    in_catalogue = of_tasks.where(mapping_tasks.c.side == "channel").join(
        catalogue_skus,
        (catalogue_skus.c.account_id == mapping_tasks.c.account_id) & (catalogue_skus.c.sku == mapping_tasks.c.code),
    )
    here = product_skus.c.channel_id == mapping_tasks.c.channel_id
    here &= product_skus.c.seen_at > mapping_tasks.c.last_at
    wanted = of_tasks.where(mapping_tasks.c.side == "oms")
    in_shop = wanted.join(product_skus, here & (product_skus.c.sku == mapping_tasks.c.code))
    named = (mappings.c.channel_id == mapping_tasks.c.channel_id) & (mappings.c.kind == "sku")
    under_its_name = wanted.join(mappings, named & (mappings.c.oms_code == mapping_tasks.c.code)).join(
        product_skus, here & (product_skus.c.sku == mappings.c.channel_code)
    )
    found: defaultdict[str, list[str]] = defaultdict(list)
    for query in (in_catalogue, in_shop, under_its_name):
        for task, channel in connection.execute(query.limit(MOST)):
            found[channel].append(task)
    return found


def release_found(connection: Connection, now: int) -> int:
    """Close the tasks of :func:`found_skus` and let go what waited for them alone; how many deliveries."""
    released = 0
    for channel_id, tasks in sorted(found_skus(connection).items()):
        hold(connection, channel_id, None)
        released += let_go(connection, sorted(set(tasks)), "found", "", now)
    return released
