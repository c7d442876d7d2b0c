"""The list of schema versions and the migrations say the same."""

from __future__ import annotations

from alembic.script import ScriptDirectory

from storage.schema import VERSIONS, config


def test_the_known_versions_are_those_of_the_migrations() -> None:
    scripts = ScriptDirectory.from_config(config())
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == VERSIONS
