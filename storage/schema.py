"""The schema and its version: upgrading it, and refusing to work on one that does not fit.

Alembic is loaded only to upgrade: the roles, which merely look, are smaller without it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012")
"""All schema versions this code knows, oldest first; it works on the last one."""
_LOCK = 7_203_517_001


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for our migrations."""
    from alembic.config import Config  # noqa: PLC0415 - see the module

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def present(connection: Connection) -> str | None:
    """The schema version of the database; ``None`` for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return version


def upgrade(connection: Connection) -> tuple[str | None, str]:
    """Bring the schema to the newest version inside the caller's transaction; (before, after).

    Two upgrades at once wait for each other. A schema newer than this code is left alone.

    Raises:
        ConfigurationError: the database belongs to a newer Towpath.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    before = present(connection)
    _refuse_newer(before)
    if before != VERSIONS[-1]:
        from alembic import command  # noqa: PLC0415 - see the module

        command.upgrade(config(connection), "head")
    return before, VERSIONS[-1]


def ensure_current(connection: Connection) -> None:
    """Check that the schema is the one this code works on.

    Raises:
        ConfigurationError: it is older (run ``towpath db upgrade``) or newer (use the newer Towpath).
    """
    found = present(connection)
    _refuse_newer(found)
    if found != VERSIONS[-1]:
        raise ConfigurationError(
            f"The database schema is {'empty' if found is None else 'version ' + found}; this Towpath needs "
            f"{VERSIONS[-1]}. "
            "Run 'towpath db upgrade'.",
            code="schema_old",
        )


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in VERSIONS:
        raise ConfigurationError(
            f"The database has schema version {found}, which this Towpath does not know: it belongs to a newer one. "
            f"Use that.",
            code="schema_new",
        )
