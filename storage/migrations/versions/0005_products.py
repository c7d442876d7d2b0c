"""Products of the shops, and which of them has a SKU."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _key(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("external_id", _key(100), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "external_id", name=op.f("pk_products")),
    )
    op.create_table(
        "product_skus",
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("sku", _key(120), nullable=False),
        sa.Column("external_id", _key(100), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "sku", name=op.f("pk_product_skus")),
    )
    with op.batch_alter_table("product_skus", schema=None) as batch_op:
        batch_op.create_index("ix_product_skus_product", ["channel_id", "external_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("product_skus", schema=None) as batch_op:
        batch_op.drop_index("ix_product_skus_product")
    op.drop_table("product_skus")
    op.drop_table("products")
