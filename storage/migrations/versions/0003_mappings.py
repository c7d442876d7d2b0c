"""Mappings, the tasks for those that are missing, and what waits for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _key(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("channels", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mapped_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "mappings",
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("kind", _key(12), nullable=False),
        sa.Column("key", _key(500), nullable=False),
        sa.Column("channel_code", _key(450), nullable=False),
        sa.Column("oms_code", _key(450), nullable=False),
        sa.Column("row", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "kind", "key", name=op.f("pk_mappings")),
    )
    op.create_index("ix_mappings_oms", "mappings", ["channel_id", "kind", "oms_code"], unique=False)
    op.create_table(
        "mapping_tasks",
        sa.Column("id", _key(36), nullable=False),
        sa.Column("account_id", _key(36), nullable=False),
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("kind", _key(12), nullable=False),
        sa.Column("side", _key(8), nullable=False),
        sa.Column("code", _key(450), nullable=False),
        sa.Column("state", _key(8), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(length=64), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mapping_tasks")),
        sa.UniqueConstraint(
            "channel_id", "kind", "side", "code", name=op.f("uq_mapping_tasks_channel_id_kind_side_code")
        ),
    )
    op.create_table(
        "mapping_waits",
        sa.Column("task_id", _key(36), nullable=False),
        sa.Column("delivery_id", _key(36), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "delivery_id", name=op.f("pk_mapping_waits")),
    )
    op.create_index("ix_mapping_waits_delivery", "mapping_waits", ["delivery_id"], unique=False)


def downgrade() -> None:
    op.drop_table("mapping_waits")
    op.drop_table("mapping_tasks")
    op.drop_table("mappings")
    with op.batch_alter_table("channels", schema=None) as batch_op:
        batch_op.drop_column("mapped_at")
