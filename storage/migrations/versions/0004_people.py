"""People and their roles, what was changed by whom, and accounts that stop at a set time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.String(length=36).with_variant(sa.String(length=36, collation="C"), "postgresql")
_WHOLE = sa.text("account_id IS NULL")


def upgrade() -> None:
    op.add_column("accounts", sa.Column("disable_at", sa.BigInteger(), nullable=True))
    _make_users()
    _make_grants()
    _make_audit()


def _make_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", _ID, nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_users_organization_id_organizations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index("ix_users_organization", "users", ["organization_id"])


def _make_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_grants_user_id_users")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_grants_organization_id_organizations")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_grants_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint(
            "user_id",
            "role",
            "organization_id",
            "account_id",
            name=op.f("uq_grants_user_id_role_organization_id_account_id"),
        ),
    )
    op.create_index(
        "uq_grants_whole",
        "grants",
        ["user_id", "role", "organization_id"],
        unique=True,
        sqlite_where=_WHOLE,
        postgresql_where=_WHOLE,
    )


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("organization_id", _ID, nullable=True),
        sa.Column("account_id", _ID, nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_id")),
    )
    op.create_index("ix_audit_organization", "audit", ["organization_id", "seq"])
    op.create_index("ix_audit_account", "audit", ["account_id", "seq"])


def downgrade() -> None:
    for name in ("audit", "grants", "users"):
        op.drop_table(name)
    op.drop_column("accounts", "disable_at")
