"""The SKU mappings that concern what a run works on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Text, bindparam, cast, select

from domain.channels import Channel
from domain.mappings import KnownSkus, MappingKind, Side, SkuMapping, SkuMappings
from storage.bulk import Fixed, Statement, as_json, looked_up, values_of, word
from storage.mapping_tables import mappings
from storage.mappings.catalogue import in_catalogue

MOST_LOOKED_UP = 2_000
"""SKUs that are looked up one by one; for more of them all mappings of the channel are read."""


class Question(NamedTuple):
    """SKUs of one side that a run asks about; all that are mapped where ``skus`` is ``None``.

    ``asks_catalogue`` is whether those that are not mapped are looked for in the account's catalogue.
    """

    channel_id: str
    account_id: str
    side: Side
    sku_mapped: bool
    asks_catalogue: bool
    skus: tuple[str, ...] | None


def question_of(channel: Channel, side: Side, skus: Sequence[str] | None) -> Question:
    """What a run for a channel has to ask. What the OMS names itself needs no catalogue."""
    asks = side is Side.CHANNEL and channel.catalogued and channel.settings.unmapped_sku != "identity"
    return Question(
        channel.id, channel.account_id, side, channel.sku_mapped, asks, None if skus is None else tuple(skus)
    )


def known_skus(connection: Connection, asked: Sequence[Question]) -> dict[Question, KnownSkus]:
    """Answers, in which there may be more than was asked: runs of one channel are looked up together."""
    together: defaultdict[Question, list[Question]] = defaultdict(list)
    for each in asked:
        together[each if each.skus is None else each._replace(skus=())].append(each)
    answers: dict[Question, KnownSkus] = {}
    for whole, parts in together.items():
        skus = None if whole.skus is None else tuple(dict.fromkeys(sku for part in parts for sku in part.skus or ()))
        answers |= dict.fromkeys(parts, _known(connection, whole._replace(skus=skus)))
    return answers


def _known(connection: Connection, question: Question) -> KnownSkus:
    found = SkuMappings(_rows(connection, question))
    if not question.asks_catalogue:
        return KnownSkus(found)
    unmapped = [sku for sku in question.skus or () if found.to_oms(sku, 1) is None and "\0" not in sku]
    return KnownSkus(found, in_catalogue(connection, question.account_id, unmapped) if unmapped else frozenset())


def _rows(connection: Connection, question: Question) -> list[SkuMapping]:
    channel, asked = question.channel_id, question.skus
    if not question.sku_mapped:
        return []
    if asked is None or len(asked) > MOST_LOOKED_UP:
        query = select(mappings.c.row).where(mappings.c.channel_id == channel, mappings.c.kind == MappingKind.SKU)
        return [SkuMapping(**row) for row in connection.scalars(query)]
    usable = [sku for sku in asked if "\0" not in sku]
    keys = [json.dumps((sku,), ensure_ascii=False) for sku in usable]
    found = dict(_BY_KEY.run(connection, values=as_json(keys), channel=channel).all())
    if question.side is Side.OMS:
        # A channel SKU of the same name that stands for another OMS SKU is among those found by key.
        found |= dict(_BY_OMS_CODE.run(connection, values=as_json(usable), channel=channel).all())
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
