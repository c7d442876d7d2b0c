"""The directory's statements: each row is a channel with its account, or an account in which no channel was found."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Text, bindparam, cast, func, select

from storage.bulk import Fixed, rows_of, values_of
from storage.settings_tables import own_settings
from storage.tables import accounts, channels

ACCOUNT_COLUMNS = (
    accounts.c.id, accounts.c.organization_id, accounts.c.code, accounts.c.name, accounts.c.timezone,
    accounts.c.enabled, accounts.c.disable_at, accounts.c.product_source, accounts.c.catalogued,
    accounts.c.pii_retention_days,
)  # fmt: skip
CHANNEL_COLUMNS = (
    channels.c.id, channels.c.code, channels.c.name, channels.c.platform, channels.c.domain, channels.c.token,
    channels.c.enabled, cast(channels.c.settings, Text), channels.c.mapped_at,
    channels.c.sku_mapped,
    channels.c.manual_logging,
    channels.c.token_version, channels.c.renews, channels.c.held,
)  # fmt: skip
"""Those that stand after :data:`ACCOUNT_COLUMNS` in each row; its account's default warehouse and carrier follow."""
_PUT = own_settings.c.owner_id == accounts.c.id
_LIVES = channels.c.deleted_at.is_(None)
"""A channel that was deleted is not there: only what looks back at its history still finds it."""
_CODES_TOLD = 10


def _columns(dialect: str) -> tuple[ColumnElement[Any], ...]:
    return (*ACCOUNT_COLUMNS, *CHANNEL_COLUMNS, _put(dialect, "default_warehouse"), _put(dialect, "default_carrier"))


def _put(dialect: str, name: str) -> ColumnElement[Any]:
    """What was put on the account under a name, as text."""
    if dialect == "postgresql":
        return func.json_extract_path_text(own_settings.c.chosen, name)
    return func.json_extract(own_settings.c.chosen, f"$.{name}")


def _by_name(dialect: str) -> Select[Any]:
    given = rows_of(dialect, {"account": Text(), "code": Text()})
    same = (channels.c.account_id == accounts.c.id) & (channels.c.code == given.c.code) & _LIVES
    return _of_accounts(dialect, given, given.c.account, same)


def _members(dialect: str) -> Select[Any]:
    given = values_of(dialect)
    mine = (channels.c.account_id == accounts.c.id) & _LIVES
    return _of_accounts(dialect, given, given.c.value, mine).order_by(channels.c.code)


def _of_accounts(
    dialect: str, given: FromClause, code: ColumnElement[str], belongs: ColumnElement[bool]
) -> Select[Any]:
    source = given.join(accounts, accounts.c.code == code).outerjoin(own_settings, _PUT).outerjoin(channels, belongs)
    return select(*_columns(dialect)).select_from(source)


def _by_id(dialect: str) -> Select[Any]:
    given = values_of(dialect)
    source = given.join(channels, channels.c.id == given.c.value).join(accounts, accounts.c.id == channels.c.account_id)
    source = source.outerjoin(own_settings, _PUT)
    return select(*_columns(dialect)).select_from(source).where(_LIVES)


def _all(dialect: str) -> Select[Any]:
    source = channels.join(accounts, accounts.c.id == channels.c.account_id).outerjoin(own_settings, _PUT)
    return select(*_columns(dialect)).select_from(source).where(_LIVES).order_by(channels.c.code)


BY_NAME = Fixed(_by_name)
"""``rows``: codes of accounts and channels (``account``, ``code``)."""
MEMBERS = Fixed(_members)
"""``values``: codes of accounts."""
BY_ID = Fixed(_by_id)
"""``values``: ids of channels."""
ALL = Fixed(_all)


def first_codes(connection: Connection, account: str) -> tuple[str, ...]:
    """The first codes of an account's channels, with an ellipsis where there are more."""
    found = list(_FIRST_CODES.run(connection, account=account).scalars())
    return (*found[:_CODES_TOLD], "…") if len(found) > _CODES_TOLD else tuple(found)


_FIRST_CODES = Fixed(
    lambda dialect: (
        select(channels.c.code)
        .join(accounts, accounts.c.id == channels.c.account_id)
        .where(accounts.c.code == bindparam("account", required=False), _LIVES)
        .order_by(channels.c.code)
        .limit(_CODES_TOLD + 1)
    )
)
