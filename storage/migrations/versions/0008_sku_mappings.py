"""The account's catalogue, and what jobs must know to use SKU mappings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OPEN = sa.text("state = 'open'")


def _key(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "catalogue_skus",
        sa.Column("account_id", _key(36), nullable=False),
        sa.Column("sku", _key(120), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "sku", name=op.f("pk_catalogue_skus")),
    )
    # Not as batches: they make the tables anew on SQLite, which rows that refer to them forbid.
    op.add_column("accounts", _flag("catalogued"))
    op.add_column("channels", _flag("sku_mapped"))
    op.add_column("product_skus", sa.Column("seen_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    with op.batch_alter_table("mapping_tasks", schema=None) as batch_op:
        batch_op.create_index(
            "ix_mapping_tasks_open", ["kind", "channel_id"], unique=False, sqlite_where=_OPEN, postgresql_where=_OPEN
        )
    op.execute("UPDATE channels SET sku_mapped = true WHERE id IN (SELECT channel_id FROM mappings WHERE kind = 'sku')")


def downgrade() -> None:
    with op.batch_alter_table("mapping_tasks", schema=None) as batch_op:
        batch_op.drop_index("ix_mapping_tasks_open", sqlite_where=_OPEN, postgresql_where=_OPEN)
    with op.batch_alter_table("product_skus", schema=None) as batch_op:
        batch_op.drop_column("seen_at")
    op.drop_column("channels", "sku_mapped")
    op.drop_column("accounts", "catalogued")
    op.drop_table("catalogue_skus")
