"""The schema and its version: upgrading it, and refusing to work on one that does not fit."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from domain.errors import ConfigurationError

_LOCK = 7_203_517_001


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The schema version this code works on."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def present(connection: Connection) -> str | None:
    """The schema version of the database; ``None`` for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


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
    if before != newest():
        command.upgrade(_config(connection), "head")
    return before, newest()


def ensure_current(connection: Connection) -> None:
    """Check that the schema is the one this code works on.

    Raises:
        ConfigurationError: it is older (run ``towpath db upgrade``) or newer (use the newer Towpath).
    """
    found = present(connection)
    _refuse_newer(found)
    if found != newest():
        raise ConfigurationError(
            f"The database schema is {'empty' if found is None else 'version ' + found}; this Towpath needs "
            f"{newest()}. "
            "Run 'towpath db upgrade'.",
            code="schema_old",
        )


def _refuse_newer(found: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise ConfigurationError(
            f"The database has schema version {found}, which this Towpath does not know: it belongs to a newer one. "
            f"Use that.",
            code="schema_new",
        )
