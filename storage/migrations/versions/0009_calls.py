"""Calls by cause and by local day, what each channel has used of its API-call budget, and manual logging."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TALLY = ("day", "day_calls", "month", "month_calls", "hour", "hour_calls", "day_told", "month_told")


def _key(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def _whole(name: str) -> sa.Column[int]:
    kind = sa.BigInteger() if name.endswith("_calls") else sa.Integer()
    return sa.Column(name, kind, server_default=sa.text("0"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "call_days",
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "day", name=op.f("pk_call_days")),
    )
    op.create_table(
        "call_captures",
        *(sa.Column(name, _key(36), nullable=False) for name in ("id", "account_id", "channel_id")),
        sa.Column("job_type", _key(40), nullable=False),
        *(sa.Column(name, _key(36), nullable=False) for name in ("delivery_id", "message_id")),
        sa.Column("business_key", _key(200), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("at", "expires_at")),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("request", "response")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_captures")),
    )
    op.create_index("ix_call_captures_key", "call_captures", ["account_id", "business_key"])
    op.create_index("ix_call_captures_expires", "call_captures", ["expires_at"])
    # Not as batches: they make the tables anew on SQLite, which rows that refer to them forbid.
    op.add_column("channels", sa.Column("manual_logging", sa.Text(), server_default=sa.text("''"), nullable=False))
    for name in _TALLY:
        op.add_column("gates", _whole(name))
    op.add_column("gates", sa.Column("recent", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("schedules", sa.Column("stretch", sa.Integer(), server_default=sa.text("1"), nullable=False))
    counted = sa.table("call_counts", *(sa.column(name) for name in ("channel_id", "day", "job_type", "calls")))
    earlier = op.get_bind().execute(sa.select(counted)).all()
    op.drop_table("call_counts")
    made = op.create_table(
        "call_counts",
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("job_type", _key(40), nullable=False),
        sa.Column("cause", _key(16), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "day", "job_type", "cause", name=op.f("pk_call_counts")),
    )
    if earlier:
        op.bulk_insert(made, [{**row._mapping, "cause": "unknown"} for row in earlier])


def downgrade() -> None:
    counted = sa.table("call_counts", *(sa.column(name) for name in ("channel_id", "day", "job_type", "calls")))
    summed = sa.select(counted.c.channel_id, counted.c.day, counted.c.job_type, sa.func.sum(counted.c.calls))
    rows = op.get_bind().execute(summed.group_by(counted.c.channel_id, counted.c.day, counted.c.job_type)).all()
    op.drop_table("call_counts")
    made = op.create_table(
        "call_counts",
        sa.Column("channel_id", _key(36), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("job_type", _key(40), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "day", "job_type", name=op.f("pk_call_counts")),
    )
    if rows:
        names = ("channel_id", "day", "job_type", "calls")
        op.bulk_insert(made, [dict(zip(names, row, strict=True)) for row in rows])
    op.drop_column("schedules", "stretch")
    op.drop_column("gates", "recent")
    for name in reversed(_TALLY):
        op.drop_column("gates", name)
    op.drop_column("channels", "manual_logging")
    op.drop_table("call_captures")
    op.drop_table("call_days")
