"""Settings with their origin and versions, warehouses, the master product source, and channels that are deleted."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BUILT_IN = {
    "api_version": "2.7.0",
    "update_order_with_last_shipment": False,
    "stock_mode": "real_time",
    "stock_warehouses": [],
    "stock_buffer": 0,
    "stock_cap": None,
    "unmapped_carrier": "warn",
    "calls_per_second": 10.0,
    "burst": 20,
    "import_overlap_seconds": 300,
}
"""What held at that version where nobody had set anything; the timezone, too, but that is the account's from now on."""


def _key(length: int) -> sa.String:
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    # Not as a batch: it makes the table anew on SQLite, which channels that refer to it forbid.
    op.add_column("accounts", sa.Column("product_source", _key(36), server_default=sa.text("'oms'"), nullable=False))
    with op.batch_alter_table("channels", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_at", sa.BigInteger(), nullable=True))
        batch_op.drop_constraint(op.f("uq_channels_domain"), type_="unique")
    living = sa.text("deleted_at IS NULL")
    op.create_index(
        "ix_channels_living", "channels", ["domain"], unique=True, sqlite_where=living, postgresql_where=living
    )
    op.create_table(
        "own_settings",
        sa.Column("owner_id", _key(36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("chosen", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_own_settings")),
    )
    op.create_table(
        "setting_versions",
        sa.Column("owner_id", _key(36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("account_id", _key(36), nullable=False),
        sa.Column("channel_id", _key(36), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "version", name=op.f("pk_setting_versions")),
    )
    op.create_table(
        "warehouses",
        sa.Column("id", _key(36), nullable=False),
        sa.Column("organization_id", _key(36), nullable=False),
        sa.Column("code", _key(100), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_warehouses_organization_id_organizations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warehouses")),
        sa.UniqueConstraint("organization_id", "code", name=op.f("uq_warehouses_organization_id_code")),
    )
    op.create_table(
        "account_warehouses",
        sa.Column("account_id", _key(36), nullable=False),
        sa.Column("warehouse_id", _key(36), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "warehouse_id", name=op.f("pk_account_warehouses")),
    )
    op.create_index("ix_account_warehouses_warehouse", "account_warehouses", ["warehouse_id"], unique=False)
    _keep_what_was_set(op.get_bind())


def _keep_what_was_set(connection: sa.Connection) -> None:
    """What differs from the built-in values was set on the channel; so was each period.

    Where one channel of an account imports products, it is their source; where several do, somebody must choose.
    """
    channels = sa.text(
        "SELECT channels.id, CAST(channels.settings AS TEXT) AS settings, accounts.timezone FROM channels "
        "JOIN accounts ON accounts.id = channels.account_id"
    )
    own: dict[str, dict[str, Any]] = {}
    for channel, text, timezone in connection.execute(channels).all():
        found = json.loads(text)
        zone = found.get("timezone", "UTC")
        built_in = {**_BUILT_IN, "timezone": timezone}
        own[channel] = {
            name: value for name, value in {**found, "timezone": zone}.items() if value != built_in.get(name)
        }
    schedules = connection.execute(sa.text("SELECT account_id, channel_id, job_type, period FROM schedules")).all()
    importing: dict[str, list[str]] = {}
    for account, channel, job, period in schedules:
        own.setdefault(channel, {})[f"period.{job}"] = period
        if job == "product_import" and period != "none":
            importing.setdefault(account, []).append(channel)
    table = sa.table("own_settings", sa.column("owner_id"), sa.column("version"), sa.column("chosen", sa.JSON()))
    rows = [{"owner_id": owner, "version": 1, "chosen": chosen} for owner, chosen in own.items() if chosen]
    if rows:
        connection.execute(sa.insert(table), rows)
    source = sa.text("UPDATE accounts SET product_source = :channel WHERE id = :account")
    for account, found in importing.items():
        if len(found) == 1:
            connection.execute(source, {"channel": found[0], "account": account})


def downgrade() -> None:
    op.drop_table("account_warehouses")
    op.drop_table("warehouses")
    op.drop_table("setting_versions")
    op.drop_table("own_settings")
    op.drop_index("ix_channels_living", table_name="channels")
    with op.batch_alter_table("channels", schema=None) as batch_op:
        batch_op.create_unique_constraint(op.f("uq_channels_domain"), ["domain"])
        batch_op.drop_column("deleted_at")
    op.execute("ALTER TABLE accounts DROP COLUMN product_source")
