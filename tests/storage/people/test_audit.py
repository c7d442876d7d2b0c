"""The audit: a chain that shows every change, written by any number at once, in the transaction of the change."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from broker.operations.people import AuditFilter, ChainReport
from domain.access import Place
from domain.errors import InputError
from storage.people import audit
from storage.people.audit import Change
from storage.people_tables import audit as table
from tests.storage.conftest import Opened
from tests.storage.support import START, Site

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
WHOLE = st.integers(-(2**63), 2**63 - 1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "seq": WHOLE,
    "id": TEXT,
    "at": WHOLE,
    "actor": TEXT,
    "organization_id": st.none() | TEXT,
    "account_id": st.none() | TEXT,
    "action": TEXT,
    "object": TEXT,
    "detail": st.dictionaries(TEXT, st.none() | TEXT | st.integers(-(2**40), 2**40) | st.booleans(), max_size=3),
    "previous": TEXT,
    "hash": TEXT,
}
"""For each column, what somebody might write into it."""


def verify(site: Site) -> ChainReport:
    chain = audit.Chain()
    while found := site.database.read(lambda connection: audit.stored(connection, chain.position)):
        chain.follow(found)
        if chain.broken:
            break
    return chain.report


def write(site: Site, count: int = 3) -> None:
    for number in range(count):
        change = Change("tester", "thing.done", f"thing:{number}", Place("o-1", "a-1"), {"number": number, "of": None})
        site.database.write(partial(audit.append, change=change, now=number))


def test_every_column_has_values_to_try() -> None:
    assert list(VALUES) == table.c.keys()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_change_of_any_field_of_any_row_is_found(site: Site, data: st.DataObject) -> None:
    if not (rows := site.rows(table)) or len(rows) < 10:
        write(site, 4)
        rows = site.rows(table)
    row = data.draw(st.sampled_from(rows))
    name = data.draw(st.sampled_from(sorted(VALUES)))
    before = row._mapping[name]
    taken = {each._mapping[name] for each in rows} if name in ("seq", "id") else [before]
    value = data.draw(VALUES[name].filter(lambda each: each not in taken))
    site.run(update(table).where(table.c.id == row.id).values({name: value}))
    try:
        report = verify(site)
        assert not report.intact
        assert report.rows < row.seq
        assert report.sentence.startswith("Audit row ")
    finally:
        changed = value if name == "id" else row.id
        site.run(update(table).where(table.c.id == changed).values({name: before}))
    assert verify(site).intact


def test_a_detail_that_is_no_json_any_more_is_found(site: Site) -> None:
    if site.database.dialect == "postgresql":
        pytest.skip("PostgreSQL stores nothing else in that column")
    write(site)
    site.database.write(
        lambda connection: connection.exec_driver_sql("UPDATE audit SET detail = '{' WHERE seq = 2").close()
    )
    assert (verify(site).rows, verify(site).intact) == (1, False)


async def test_a_row_taken_out_is_found_and_named(site: Site) -> None:
    write(site)
    seq = site.rows(table)[1].seq
    site.run(delete(table).where(table.c.seq == seq))
    assert (await site.people.verify()).sentence.startswith(f"Audit row {seq} is missing")


async def test_rows_taken_off_the_end_show_by_the_hash_that_was_noted(site: Site) -> None:
    write(site)
    noted = (await site.people.verify()).last_hash
    write(site)
    assert (await site.people.verify(noted)).intact
    seq = next(row.seq for row in site.rows(table) if row.hash == noted)
    site.run(delete(table).where(table.c.seq >= seq))
    assert (await site.people.verify()).intact
    report = await site.people.verify(noted)
    assert (report.intact, report.rows) == (False, seq - 1)
    assert "noted hash" in report.sentence


async def test_a_row_put_in_is_found(site: Site) -> None:
    last = site.rows(table)[-1]
    forged = {**last._mapping, "seq": last.seq + 1, "id": "forged", "action": "nothing.done"}
    site.run(insert(table).values(**forged))
    report = await site.people.verify()
    assert (report.intact, report.rows) == (False, last.seq)


async def test_two_rows_that_changed_places_are_found(site: Site) -> None:
    write(site)
    first, second = site.rows(table)[-2:]
    for seq, row in ((-1, first), (first.seq, second), (second.seq, first)):
        site.run(update(table).where(table.c.id == row.id).values(seq=seq))
    assert (await site.people.verify()).rows == first.seq - 1


async def test_a_whole_chain_tells_how_many_rows_and_the_last_hash(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE", 3)
    write(site)
    rows = site.rows(table)
    report = await site.people.verify()
    assert (report.intact, report.rows, report.last_hash) == (True, len(rows), rows[-1].hash)
    assert str(len(rows)) in report.sentence and rows[-1].hash in report.sentence


async def test_an_empty_audit_is_whole(open_site: Opened) -> None:
    assert await open_site().people.verify() == ChainReport(
        True, 0, "0" * 64, f"Audit rows: 0, all as they were written. The last hash is {'0' * 64}."
    )


async def test_many_processes_that_write_at_once_keep_one_chain(site: Site, open_site: Opened) -> None:
    before = len(site.rows(table))
    desks = [open_site().desk for _ in range(4)]
    await asyncio.gather(*(desk.create_organization(f"O{n}", actor=f"p{n}") for n in range(12) for desk in desks))
    report = await site.people.verify()
    assert (report.intact, report.rows) == (True, before + 48)


async def test_a_change_that_is_refused_leaves_no_row(site: Site) -> None:
    (organization,) = await site.desk.organizations()
    before = site.rows(table)
    with pytest.raises(InputError):
        await site.desk.create_account(organization, "acme", "Again", "UTC", actor="tester")
    assert site.rows(table) == before


async def test_a_row_and_its_change_are_there_together_or_not_at_all(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(values: Any) -> str:
        raise RuntimeError("the power went")

    monkeypatch.setattr(audit, "digest", fail)
    with pytest.raises(RuntimeError):
        await site.desk.create_organization("Never")
    assert "Never" not in (await site.desk.organizations()).values()


async def test_rows_are_listed_newest_first_and_narrowed_by_all_that_is_given(site: Site) -> None:
    await site.desk.change_channel("acme", "main", enabled=False, actor="tester")
    site.clock.advance(60)
    await site.desk.change_channel("globex", "shop", enabled=False, actor="tester")
    newest, older = await site.people.audit(AuditFilter(actor="tester"))
    assert (newest.account, newest.object, newest.detail) == (
        "globex", "channel:globex/shop", {"enabled": {"before": True, "after": False}},
    )  # fmt: skip
    assert older.at == START
    for wanted in (
        AuditFilter(actor="tester", account_id=older.account_id),
        AuditFilter(actor="tester", object="channel:acme/main"),
        AuditFilter(actor="tester", action="channel.changed", before=newest.seq),
        AuditFilter(organization_id=older.organization_id, before=newest.seq, limit=1),
    ):
        assert await site.people.audit(wanted) == [older]
    assert await site.people.audit(AuditFilter(since=newest.at)) == [newest]
    assert await site.people.audit(AuditFilter(organization_id="elsewhere")) == []


def test_the_hash_is_of_canonical_json_so_that_others_can_compute_it(site: Site) -> None:
    import hashlib

    for row in site.rows(table):
        members = {name: value for name, value in row._mapping.items() if name != "hash"}
        text = json.dumps(members, sort_keys=True, separators=(",", ":"))
        assert row.hash == hashlib.sha256(text.encode()).hexdigest()
