"""The SKU mappings that concern what a run works on."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, Text, bindparam, cast, select

from domain.channels import Channel
from domain.mappings import KnownSkus, MappingKind, Side, SkuMapping, SkuMappings
from storage.bulk import Fixed, Statement, as_json, looked_up, values_of, word
from storage.mapping_tables import mappings
from storage.mappings.catalogue import in_catalogue

MOST_LOOKED_UP = 2_000
"""SKUs that are looked up one by one; for more of them all mappings of the channel are read."""


def known_skus(connection: Connection, channel: Channel, side: Side, skus: Sequence[str] | None) -> KnownSkus:
    """What there is to know of SKUs of a side; of all that are mapped where ``skus`` is ``None``.

    The catalogue is asked only for a channel's SKUs, and only for those that are named and not mapped.
    """
    asked = list(dict.fromkeys(skus or ()))
    found = SkuMappings(_rows(connection, channel, side, None if skus is None else asked))
    if side is Side.OMS or not channel.catalogued or channel.settings.unmapped_sku == "identity":
        return KnownSkus(found)
    unmapped = [sku for sku in asked if found.to_oms(sku, 1) is None and "\0" not in sku]
    return KnownSkus(found, in_catalogue(connection, channel.account_id, unmapped))


def _rows(connection: Connection, channel: Channel, side: Side, asked: Sequence[str] | None) -> list[SkuMapping]:
    if not channel.sku_mapped:
        return []
    if asked is None or len(asked) > MOST_LOOKED_UP:
        query = select(mappings.c.row).where(mappings.c.channel_id == channel.id, mappings.c.kind == MappingKind.SKU)
        return [SkuMapping(**row) for row in connection.scalars(query)]
    usable = [sku for sku in asked if "\0" not in sku]
    keys = [json.dumps((sku,), ensure_ascii=False) for sku in usable]
    found = dict(_BY_KEY.run(connection, values=as_json(keys), channel=channel.id).all())
    if side is Side.OMS:
        # A channel SKU of the same name that stands for another OMS SKU is among those found by key.
        found |= dict(_BY_OMS_CODE.run(connection, values=as_json(usable), channel=channel.id).all())
    return [SkuMapping(**json.loads(row)) for row in found.values()]


_PARTS = (mappings.c.key, cast(mappings.c.row, Text).label("row"))


def _by_key(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (mappings.c.channel_id == bindparam("channel")) & (mappings.c.kind == word("sku"))
    return looked_up(dialect, given, mappings, mine & (mappings.c.key == given.c.value), _PARTS)


def _by_oms_code(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (mappings.c.channel_id == bindparam("channel")) & (mappings.c.kind == word("sku"))
    return looked_up(dialect, given, mappings, mine & (mappings.c.oms_code == given.c.value), _PARTS)


_BY_KEY, _BY_OMS_CODE = Fixed(_by_key), Fixed(_by_oms_code)
