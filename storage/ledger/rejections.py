"""Rejections: what cannot become a message is kept with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection

from broker.ledger import Rejection
from domain.ids import new_id
from storage.sql import upsert
from storage.tables import rejections


def file_rejections(connection: Connection, rejected: Sequence[Rejection], now: int) -> None:
    """Keep what cannot become a message; copies of the same body are counted on one row."""
    for rejection in rejected:
        digest = hashlib.blake2b(rejection.body + rejection.error.code.encode(), digest_size=16).digest()
        statement = upsert(connection, rejections).values(
            id=new_id(),
            digest=digest,
            origin=rejection.origin,
            routing_key=_storable(rejection.routing_key)[:255],
            code=rejection.error.code,
            sentence=_storable(rejection.error.sentence),
            body=rejection.body,
            headers={_storable(name): _storable(value) for name, value in rejection.headers.items()},
            first_seen_at=now,
            last_seen_at=now,
            seen=1,
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["digest"], set_={"seen": rejections.c.seen + 1, "last_seen_at": now}
            )
        )


def _storable(text: str) -> str:
    """Text of a stranger without what PostgreSQL cannot store (NUL) or nobody can encode (lone surrogates)."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
