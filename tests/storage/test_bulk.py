"""Busy statements: the same rows go in and come out on both databases, however many and whatever they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Insert,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    event,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from storage.bulk import BulkInsert, BulkUpdate, Fixed, Statement, Types, as_json, rows_of, values_of, word
from storage.database import Database

samples = Table(
    "samples",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("words", Text),
    Column("number", BigInteger),
    Column("yes", Boolean),
    Column("data", LargeBinary),
    Column("document", JSON),
    Column("seen", Integer, nullable=False, server_default="1"),
    prefixes=["TEMPORARY"],
)
NAMES = ("id", "words", "number", "yes", "data", "document")
TRICKY = [
    "",
    " ",
    "O'Brien",
    '"quoted" \\ back',
    "%s %(rows)s :rows $1 ?",
    "{} [] null",
    "line\nnext\ttab\r",
    "\x01\x7f\x85\u2028",
    "Zoë Ωmega 日本 🚚",
    "x" * 100_000,
]
INSERT = BulkInsert(samples, NAMES)
Work = Callable[[Connection], Any]


@pytest.fixture
def run(database_url: str) -> Iterator[Callable[[Work], Any]]:
    """Runs pieces of work in one transaction with an empty table, which is gone afterwards."""
    database = Database(database_url, exclusive=False)
    with database.engine.connect() as connection:
        samples.create(connection)
        yield lambda work: work(connection)
        connection.rollback()
    database.close()


def row(id: str, **more: Any) -> dict[str, Any]:
    return {**dict.fromkeys(NAMES), "document": {}, "id": id, **more}


def stored(connection: Connection, *columns: str) -> list[tuple[Any, ...]]:
    wanted = [samples.c[name] for name in columns]
    return [tuple(each) for each in connection.execute(select(*wanted).order_by(samples.c.id))]


def test_inserted_rows_come_out_as_they_went_in(run: Callable[[Work], Any]) -> None:
    rows = [
        row(
            f"{at:03}", words=text, number=(-1) ** at * (2**62 + at), yes=at % 2 == 0, data=bytes(range(256)),
            document={"text": text, "list": [1, 2.5, None, True], "inner": {text: text}},
        )
        for at, text in enumerate(TRICKY)
    ]  # fmt: skip
    run(lambda connection: INSERT.run(connection, rows))
    assert run(lambda connection: stored(connection, *NAMES)) == [tuple(each[name] for name in NAMES) for each in rows]


def test_nothing_stays_nothing_and_what_is_not_given_gets_its_default(run: Callable[[Work], Any]) -> None:
    run(lambda connection: INSERT.run(connection, [row("a"), row("b", words="", yes=False, number=0, data=b"")]))
    assert run(lambda connection: stored(connection, "words", "number", "yes", "data", "seen")) == [
        (None, None, None, None, 1),
        ("", 0, False, b"", 1),
    ]


@pytest.mark.parametrize("count", [1, 2, 5000])
def test_any_number_of_rows_goes_in(run: Callable[[Work], Any], count: int) -> None:
    run(lambda connection: INSERT.run(connection, [row(f"{at:05}", number=at) for at in range(count)]))
    assert run(lambda connection: stored(connection, "number")) == [(at,) for at in range(count)]


def test_what_is_there_already_can_be_left_alone_and_told_apart(run: Callable[[Work], Any]) -> None:
    def shape(statement: Any) -> Insert:
        made: Insert = statement.on_conflict_do_nothing(index_elements=["id"]).returning(samples.c.id)
        return made

    careful = BulkInsert(samples, NAMES, shape)
    assert run(lambda connection: list(careful.run(connection, [row("a"), row("b")]).scalars())) == ["a", "b"]
    again = [row("b", words="new"), row("c"), row("c", words="twice")]
    assert run(lambda connection: list(careful.run(connection, again).scalars())) == ["c"]
    assert run(lambda connection: stored(connection, "id", "words")) == [("a", None), ("b", None), ("c", None)]


def test_what_is_there_already_can_be_counted_up(run: Callable[[Work], Any]) -> None:
    def shape(statement: Any) -> Insert:
        changed = {"seen": samples.c.seen + 1, "words": statement.excluded.words}
        made: Insert = statement.on_conflict_do_update(index_elements=["id"], set_=changed)
        return made.returning(samples.c.id, samples.c.seen)

    counted = BulkInsert(samples, NAMES, shape)
    first, second = [row("a", words="first"), row("b")], [row("a", words="second"), row("b")]
    assert [seen for _, seen in run(lambda connection: counted.run(connection, first).all())] == [1, 1]
    found = run(lambda connection: counted.run(connection, second).all())
    assert sorted(tuple(each) for each in found) == [("a", 2), ("b", 2)]
    assert run(lambda connection: stored(connection, "words")) == [("second",), (None,)]


SET = BulkUpdate(
    {"b_id": Text(), "b_words": Text(), "b_number": BigInteger(), "b_yes": Boolean()},
    lambda value: (
        update(samples)
        .where(samples.c.id == value("b_id"), samples.c.words.is_distinct_from(word("keep")))
        .values(words=value("b_words"), number=samples.c.number + value("b_number"), yes=value("b_yes"))
    ),
)


def test_each_row_is_updated_with_values_of_its_own(run: Callable[[Work], Any]) -> None:
    run(lambda connection: INSERT.run(connection, [row(f"{at}", number=at) for at in range(len(TRICKY))]))
    changes = [
        {"b_id": f"{at}", "b_words": text, "b_number": 2**40, "b_yes": at % 2 == 0} for at, text in enumerate(TRICKY)
    ]
    run(lambda connection: SET.run(connection, changes))
    assert run(lambda connection: stored(connection, "words", "number", "yes")) == [
        (text, at + 2**40, at % 2 == 0) for at, text in enumerate(TRICKY)
    ]


def test_rows_that_are_not_there_or_not_meant_stay_as_they_are(run: Callable[[Work], Any]) -> None:
    run(lambda connection: INSERT.run(connection, [row("a", words="keep", number=1), row("b", number=1)]))
    changes = [{"b_id": id, "b_words": None, "b_number": 1, "b_yes": None} for id in ("a", "c")]
    run(lambda connection: SET.run(connection, changes))
    assert run(lambda connection: stored(connection, "id", "words", "number")) == [("a", "keep", 1), ("b", None, 1)]


def test_updating_nothing_asks_the_database_nothing(run: Callable[[Work], Any]) -> None:
    def work(connection: Connection) -> list[str]:
        asked: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2]))
        SET.run(connection, [])
        return asked

    assert run(work) == []


def test_a_list_of_texts_can_be_asked_for(run: Callable[[Work], Any]) -> None:
    chosen = Fixed(
        lambda dialect: select(samples.c.words).where(samples.c.words.in_(select(values_of(dialect).c.value)))
    )
    run(lambda connection: INSERT.run(connection, [row(f"{at}", words=text) for at, text in enumerate(TRICKY)]))
    for wanted in ([], [*TRICKY], [TRICKY[2], TRICKY[4], "not there"]):
        found = run(lambda connection: chosen.run(connection, values=as_json(wanted)).scalars().all())  # noqa: B023
        assert sorted(found) == sorted(set(wanted) & set(TRICKY))


def test_rows_of_a_parameter_can_be_joined_with_their_types(run: Callable[[Work], Any]) -> None:
    types: Types = {"id": Text(), "number": BigInteger(), "yes": Boolean()}

    def build(dialect: str) -> Statement:
        given = rows_of(dialect, types)
        query = select(samples.c.id, given.c.number, given.c.yes)
        query = query.join(given, (given.c.id == samples.c.id) & (given.c.number > samples.c.number))
        return query.where(samples.c.words == bindparam("words")).order_by(samples.c.id)

    rows = [row(text, words="w", number=5) for text in ("O'Brien", "日本", "c")] + [row("d", words="other", number=5)]
    given = [{"id": each["id"], "number": at + 5, "yes": at == 1} for at, each in enumerate(rows)]
    run(lambda connection: INSERT.run(connection, rows))
    found = run(lambda connection: Fixed(build).run(connection, rows=as_json(given), words="w").all())
    assert [(id, number, bool(yes)) for id, number, yes in found] == [("c", 7, False), ("日本", 6, True)]


def test_a_fixed_statement_is_made_once_and_keeps_its_constants(run: Callable[[Work], Any]) -> None:
    made: list[str] = []

    def build(dialect: str) -> Statement:
        made.append(dialect)
        query = select(samples.c.id).where(samples.c.number.between(1, 2), samples.c.words == bindparam("words"))
        return query.order_by(samples.c.id).limit(bindparam("most", type_=BigInteger))

    query = Fixed(build)
    run(lambda connection: INSERT.run(connection, [row(str(at), words="w", number=at) for at in range(4)]))
    assert run(lambda connection: query.run(connection, words="w", most=9).scalars().all()) == ["1", "2"]
    assert run(lambda connection: query.run(connection, words="w", most=1).scalars().all()) == ["1"]
    assert run(lambda connection: query.run(connection, words="v", most=9).scalars().all()) == []
    assert len(made) == 1


def test_a_constant_in_the_sql_is_one_text(run: Callable[[Work], Any]) -> None:
    query = Fixed(lambda dialect: select(word("open").label("state")))
    assert run(lambda connection: query.run(connection).scalar_one()) == "open"


def test_bytes_become_hexadecimal_and_text_stays_text() -> None:
    assert json.loads(as_json([{"data": b"\x00\xff", "words": "Ω", "document": {"a": [1, None]}}])) == [
        {"data": "00ff", "words": "Ω", "document": {"a": [1, None]}}
    ]
    assert as_json([]) == "[]"


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"], ids=["NUL", "lone surrogate"])
def test_text_that_a_text_column_does_not_take_is_refused_with_all_its_rows(
    run: Callable[[Work], Any], text: str
) -> None:
    """Events with such text are refused when they come in; what a shop says may still hold it."""

    def work(connection: Connection) -> list[Any]:
        try:
            with connection.begin_nested():
                INSERT.run(connection, [row("a", words="good"), row("b", words=text)])
        except (DBAPIError, ValueError):
            return stored(connection, "id")
        assert connection.dialect.name == "sqlite" and stored(connection, "words") == [("good",), (text,)]
        return []

    assert run(work) == []
