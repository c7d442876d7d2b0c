"""What shops that keep stock at locations confirmed last, by location."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _key(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "location_stock",
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("sku", _key(120), nullable=False),
        sa.Column("location", _key(200), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "sku", "location", name=op.f("pk_location_stock")),
    )


def downgrade() -> None:
    op.drop_table("location_stock")
