"""The tables of what a channel has besides itself: its renewed authorization, and its hook. Times are whole
microseconds since 1970 UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, text

from storage.metadata import metadata
from storage.tables import Id, Micros

authorizations = Table(
    "authorizations",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("refresh_token", Text, nullable=False),
    Column("earlier_token", Text),
    Column("expires_at", Micros),
    Column("renewed_at", Micros),
    Column("begun_version", BigInteger),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("sentence", Text, nullable=False, server_default=text("''")),
)
"""``begun_version`` is the token version of a renewal that was begun and of whose end nothing is known.
``earlier_token`` is the refresh token before the present one.
"""

hooks = Table(
    "hooks",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_at", Micros, nullable=False),
    Column("received", BigInteger, nullable=False, server_default=text("0")),
    Column("received_at", Micros),
)
