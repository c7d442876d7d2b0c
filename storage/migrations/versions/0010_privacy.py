"""What erasing personal data goes by, renewed authorizations, and hooks."""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_PERSONAL = sa.text("erased_at IS NULL")
_OF_ORDERS = sa.text("order_key IS NOT NULL")
_CLOSED = ("shipped", "completed", "cancelled")
_PAGE = 500


def _key(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("accounts", sa.Column("pii_retention_days", sa.Integer(), nullable=True))
    op.add_column("channels", sa.Column("token_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("channels", sa.Column("renews", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("channels", sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    for name in ("created_at", "closed_at", "erased_at"):
        op.add_column("orders", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("outbox", sa.Column("order_key", _key(100), nullable=True))
    op.create_table(
        "authorizations",
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("refresh_token", sa.Text(), nullable=False),
        sa.Column("earlier_token", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("renewed_at", sa.BigInteger(), nullable=True),
        sa.Column("begun_version", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sentence", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_authorizations")),
    )
    op.create_table(
        "hooks",
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_hooks")),
        sa.UniqueConstraint("digest", name=op.f("uq_hooks_digest")),
    )
    _date_orders(op.get_bind())
    _name_announcements(op.get_bind())
    op.create_index(
        "ix_orders_personal",
        "orders",
        ["channel_id", "created_at"],
        unique=False,
        sqlite_where=_PERSONAL,
        postgresql_where=_PERSONAL,
    )
    op.create_index(
        "ix_outbox_order",
        "outbox",
        ["account_id", "order_key"],
        unique=False,
        sqlite_where=_OF_ORDERS,
        postgresql_where=_OF_ORDERS,
    )


def _date_orders(connection: sa.Connection) -> None:
    """When each recorded order was placed, and when it was last seen to change where it is shipped or cancelled."""
    orders = sa.table(
        "orders",
        sa.column("channel_id", sa.String()),
        sa.column("external_order_id", sa.String()),
        sa.column("updated_at", sa.BigInteger()),
        sa.column("status", sa.String()),
        sa.column("document", sa.JSON()),
        sa.column("created_at", sa.BigInteger()),
        sa.column("closed_at", sa.BigInteger()),
    )
    undated = sa.select(orders).where(orders.c.created_at.is_(None)).limit(_PAGE)
    while rows := connection.execute(undated).all():
        for row in rows:
            told = row.document.get("created_at") if isinstance(row.document, dict) else None
            created = int(datetime.fromisoformat(told).timestamp() * 1_000_000) if told else row.updated_at
            here = (orders.c.channel_id == row.channel_id) & (orders.c.external_order_id == row.external_order_id)
            closed = row.updated_at if row.status in _CLOSED else None
            connection.execute(sa.update(orders).where(here).values(created_at=created, closed_at=closed))


def _name_announcements(connection: sa.Connection) -> None:
    """Which order each announcement of one is about."""
    outbox = sa.table(
        "outbox",
        sa.column("seq", sa.BigInteger()),
        sa.column("type", sa.String()),
        sa.column("body", sa.LargeBinary()),
        sa.column("order_key", sa.String()),
    )
    after = 0
    while True:
        found = sa.select(outbox.c.seq, outbox.c.body).where(outbox.c.seq > after, outbox.c.type == "order.imported")
        rows = connection.execute(found.order_by(outbox.c.seq).limit(_PAGE)).all()
        if not rows:
            return
        for row in rows:
            subject = str(json.loads(bytes(row.body)).get("subject"))[:100]
            connection.execute(sa.update(outbox).where(outbox.c.seq == row.seq).values(order_key=subject))
        after = rows[-1].seq


def downgrade() -> None:
    op.drop_index("ix_outbox_order", table_name="outbox", sqlite_where=_OF_ORDERS, postgresql_where=_OF_ORDERS)
    op.drop_index("ix_orders_personal", table_name="orders", sqlite_where=_PERSONAL, postgresql_where=_PERSONAL)
    op.drop_table("hooks")
    op.drop_table("authorizations")
    op.drop_column("outbox", "order_key")
    for name in ("erased_at", "closed_at", "created_at"):
        op.drop_column("orders", name)
    for name in ("held", "renews", "token_version"):
        op.drop_column("channels", name)
    op.drop_column("accounts", "pii_retention_days")
