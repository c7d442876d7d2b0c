"""The busy statements: compiled once, and with all rows of a batch in one parameter.

What an event costs the database is rows, not statements. On PostgreSQL the rows of a batch travel as one JSON parameter
of a statement whose text never changes, so that it stays prepared; SQLite, which has no wire, runs a statement for each
row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    JSON,
    ColumnElement,
    CompoundSelect,
    Connection,
    CursorResult,
    Delete,
    Dialect,
    FromClause,
    Insert,
    LargeBinary,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.types import TypeEngine

Row = Mapping[str, Any]
Types = Mapping[str, TypeEngine[Any]]
Statement = Select[Any] | CompoundSelect[Any] | Insert | Update | Delete
Value = Callable[[str], ColumnElement[Any]]

_DIALECTS: dict[str, Dialect] = {
    "postgresql": psycopg.dialect(),  # type: ignore[no-untyped-call]
    "sqlite": pysqlite.dialect(paramstyle="named"),
}


class Fixed:
    """A statement that is the same each time; ``build`` makes it for a dialect when it is first run there.

    Values come back as the driver gives them (SQLite: booleans as 0 and 1, JSON as text).
    """

    def __init__(self, build: Callable[[str], Statement]) -> None:
        self._build = build
        self._compiled: dict[str, tuple[str, dict[str, Any]]] = {}

    def run(self, connection: Connection, **values: Any) -> CursorResult[*tuple[Any, ...]]:
        """Run it with these values for its parameters."""
        dialect = connection.dialect.name
        if dialect not in self._compiled:
            made = self._build(dialect).compile(dialect=_DIALECTS[dialect], compile_kwargs={"render_postcompile": True})
            self._compiled[dialect] = (str(made), dict(made.params))
        text, constants = self._compiled[dialect]
        return connection.exec_driver_sql(text, {**constants, **values})


def written(build: Callable[[str], Statement]) -> str:
    """A statement without constants as PostgreSQL reads it, to be a part of a larger one."""
    made = build("postgresql").compile(
        dialect=_DIALECTS["postgresql"], compile_kwargs={"render_postcompile": True, "literal_binds": False}
    )
    return str(made)


class BulkInsert:
    """Inserts rows that all have ``columns``; ``shape`` adds ON CONFLICT or RETURNING to the INSERT it is given."""

    def __init__(self, table: Table, columns: Sequence[str], shape: Callable[[Any], Insert] = lambda new: new) -> None:
        self._shaped = shape(sqlite_insert(table))
        types = {name: table.c[name].type for name in columns}

        def build(dialect: str) -> Statement:
            source = rows_of(dialect, types)
            values = [_decoded(source.c[name], kind) for name, kind in types.items()]
            return shape(postgres_insert(table).from_select(list(types), select(*values)))

        self._set_based = Fixed(build)

    def run(self, connection: Connection, rows: Sequence[Row]) -> CursorResult[*tuple[Any, ...]]:
        """Insert ``rows``, of which there is at least one."""
        if connection.dialect.name == "postgresql":
            return self._set_based.run(connection, rows=as_json(rows))
        return connection.execute(self._shaped, rows)


class BulkUpdate:
    """Updates a row for each given row; ``build`` makes the UPDATE, where ``value(name)`` is that value of a row."""

    def __init__(self, types: Types, build: Callable[[Value], Statement]) -> None:
        self._one_by_one = build(lambda name: bindparam(name, type_=types[name]))

        def build_set(dialect: str) -> Statement:
            source = rows_of(dialect, types)
            return build(lambda name: source.c[name])

        self._set_based = Fixed(build_set)

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Update for each of ``rows``, which may be none."""
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            self._set_based.run(connection, rows=as_json(rows))
        else:
            connection.execute(self._one_by_one, rows)


def type_name(kind: TypeEngine[Any]) -> str:
    """A type as PostgreSQL writes it."""
    return kind.compile(dialect=_DIALECTS["postgresql"])


def columns_of(types: Types) -> str:
    """A column list with types, for ``json_to_recordset`` of PostgreSQL; bytes come as hexadecimal text."""
    sent = {name: Text() if isinstance(kind, LargeBinary) else kind for name, kind in types.items()}
    return ", ".join(f'"{name}" {type_name(kind)}' for name, kind in sent.items())


def word(text: str) -> ColumnElement[str]:
    """A constant written out in the SQL, so that a prepared statement may use the partial index it names."""
    return literal_column(f"'{text}'")


def rows_of(dialect: str, types: Types, parameter: str = "rows") -> FromClause:
    """A parameter, rows as :func:`as_json` writes them, as a relation."""
    given = bindparam(parameter, type_=Text, required=False)
    if dialect == "postgresql":
        columns = [column(name, Text() if isinstance(kind, LargeBinary) else kind) for name, kind in types.items()]
        return func.json_to_recordset(cast(given, JSON)).table_valued(*columns).render_derived("given", with_types=True)
    each = func.json_each(given).table_valued(column("value", Text)).alias("each")
    return select(
        *(func.json_extract(each.c.value, f"$.{name}", type_=kind).label(name) for name, kind in types.items())
    ).subquery("given")


def values_of(dialect: str, parameter: str = "values") -> FromClause:
    """A parameter, a JSON list of texts, as a relation with the column ``value``."""
    given = bindparam(parameter, type_=Text, required=False)
    if dialect == "postgresql":
        texts = func.json_array_elements_text(cast(given, JSON)).table_valued(column("value", Text))
        return texts.render_derived("given")
    return func.json_each(given).table_valued(column("value", Text)).alias("given")


def looked_up(
    dialect: str, given: FromClause, table: Table, condition: ColumnElement[bool], columns: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    """The rows of ``table`` that belong to each row of ``given``, looked up one by one by the index for ``condition``.

    PostgreSQL would rather read all of a table of which it knows little; it does not look into a part with an OFFSET.
    """
    if dialect != "postgresql":
        return select(*columns).select_from(given.join(table, condition))
    found = select(*columns).where(condition).correlate(given).offset(literal_column("0")).lateral("found")
    return select(found).select_from(given.join(found, true()))


def as_json(rows: Sequence[Any]) -> str:
    """Rows or values as one parameter; bytes become hexadecimal."""
    return to_json(rows, bytes_mode="hex").decode()


def _decoded(value: ColumnElement[Any], kind: TypeEngine[Any]) -> ColumnElement[Any]:
    return func.decode(value, "hex") if isinstance(kind, LargeBinary) else value
