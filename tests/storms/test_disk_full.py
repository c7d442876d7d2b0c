"""A full disk: nothing more is accepted, and that is said; nothing accepted is lost; with space all goes on."""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from app.settings import Settings
from domain.envelope import BATCH, Envelope
from tests.app.harness import Stack, address_of, eventually, set_up, stack_of
from tests.app.shop import SandboxShop
from tests.app.web import Web
from tests.app.workload import Work, check, stock_event, wait_settled
from tests.conftest import SKIP_WORDS
from tests.services.postgresql import PostgresServer, find_postgresql, start_postgresql
from tests.services.rabbitmq import Vhost
from tests.storms.small_disk import SmallDisk, small_disk

MEGABYTES = 8
POSTGRESQL_MEGABYTES = 160
RETRY_SECONDS = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(MEGABYTES) as made:
        yield made


@pytest.fixture
def small_postgresql(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[PostgresServer, SmallDisk]]:
    if find_postgresql() is None:
        pytest.skip(f"{SKIP_WORDS}a database on a small disk needs PostgreSQL's own binaries on this machine")
    with small_disk(POSTGRESQL_MEGABYTES) as disk, monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(disk.folder))
        with start_postgresql() as server:
            yield server, disk


@pytest.fixture
def on_disk(disk: SmallDisk, tmp_path: Path, shop: SandboxShop) -> Iterator[Stack]:
    settings = Settings(data_dir=disk.folder / "data", allowed_hosts=shop.domain)
    with stack_of("embedded", settings, tmp_path, shop) as made:
        yield made


class Sender:
    """Sends stock changes one by one; ``work`` is what was accepted."""

    def __init__(self, address: str, key: str, skus: list[str]) -> None:
        self.work = Work()
        self._address, self._key, self._skus = address, key, skus
        self._sent = 0

    def send(self) -> tuple[int, str | None]:
        """Status and Retry-After of the answer to the next change; a refused one is sent again the next time."""
        event = self._change()
        parts = urlsplit(self._address)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": BATCH}
        with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)) as connection:
            connection.request("POST", "/v1/events", b"[" + event.to_json() + b"]", headers)
            answer = connection.getresponse()
            answer.read()
        if answer.status == 202:
            self._sent += 1
            self.work.over_http.append(event)
            self.work.quantities.setdefault(event.data["sku"], {})[event.data["version"]] = event.data["total"] - 3
        return answer.status, answer.headers["Retry-After"]

    def until_refused(self, times: int = 20) -> None:
        """Send until the door said 503 so many times on end, each with the seconds after which to come back.

        A database that is full may find room once or twice more in what it has allocated already.
        """
        refused = 0
        while refused < times:
            status, later = self.send()
            refused = refused + 1 if status == 503 else 0
            assert status == 202 or (later is not None and 0 < int(later) <= RETRY_SECONDS), (status, later)

    def until_accepted(self) -> None:
        eventually(lambda: self.send()[0] == 202, 60, "events are accepted again")

    def _change(self) -> Envelope:
        version, place = divmod(self._sent, len(self._skus))
        return stock_event(self._skus[place], version + 1, 201 + version)


def test_a_full_disk_under_sqlite_is_refused_at_the_door_and_loses_nothing(on_disk: Stack, disk: SmallDisk) -> None:
    office = set_up(on_disk)
    running = on_disk.start("up").works()
    address = address_of(running)
    work = Work.of(on_disk, orders=6, stock=0)
    with work.being_sent(on_disk, address, office.key):
        eventually(lambda: on_disk.shop.count_calls() >= 5, 30, "work is under way")
    sender = Sender(address, office.key, on_disk.shop.skus())
    sender.send()
    disk.fill(leave=256 * 1024)
    sender.until_refused()
    eventually(lambda: Web(address).ask("GET", "/readyz")[0] == 503, 30, "the process is not ready")
    assert '"event": "database_unavailable"' in running.text()
    disk.empty()
    sender.until_accepted()
    eventually(lambda: Web(address).ask("GET", "/readyz")[0] == 200, 30, "the process is ready")
    work.over_http += sender.work.over_http
    work.quantities = sender.work.quantities
    wait_settled(on_disk, office, work, 90)
    check(on_disk, office, work)
    assert running.alive
    assert office.sql("PRAGMA integrity_check") == [("ok",)]


def test_a_full_disk_under_postgresql_is_refused_at_the_door_and_loses_nothing(
    small_postgresql: tuple[PostgresServer, SmallDisk], vhost: Vhost, tmp_path: Path, shop: SandboxShop
) -> None:
    server, disk = small_postgresql
    settings = Settings(
        data_dir=tmp_path / "data",
        allowed_hosts=shop.domain,
        broker_url=SecretStr(vhost.url),
        database_url=SecretStr(server.databases.create()),
    )
    with stack_of("distributed", settings, tmp_path, shop) as stack:
        office = set_up(stack)
        serve, *others = [stack.start(role).works() for role in ("serve", "relay", "consume")]
        address = address_of(serve)
        work = Work.of(stack, orders=6, stock=0)
        with work.being_sent(stack, address, office.key):
            eventually(lambda: shop.count_calls() >= 5, 30, "work is under way")
        sender = Sender(address, office.key, shop.skus())
        sender.send()
        disk.fill()
        sender.until_refused()
        assert '"error": "DiskFull"' in serve.text()
        disk.empty()
        server.start()
        sender.until_accepted()
        work.over_http += sender.work.over_http
        work.quantities = sender.work.quantities
        wait_settled(stack, office, work, 90)
        check(stack, office, work)
        assert all(child.alive for child in (serve, *others))
