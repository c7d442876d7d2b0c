"""An index of the few lanes that may kill their workers: every claim asks for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_WHERE = sa.text("crashes >= 2 AND state IN ('ready', 'waiting')")


def upgrade() -> None:
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.create_index(
            "ix_lanes_suspect", ["due_at"], unique=False, sqlite_where=_WHERE, postgresql_where=_WHERE
        )


def downgrade() -> None:
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.drop_index("ix_lanes_suspect", sqlite_where=_WHERE, postgresql_where=_WHERE)
