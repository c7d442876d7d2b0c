"""The publisher for upstream Python programs, on whatever broker the settings name.

from app.publishing import publisher
from producers.publisher import new_event

with publisher() as towpath:
    event = new_event("stock.changed", {...}, source="oms", account="acme")
    print(towpath.publish(event).outcome)
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence

from app.house import open_database
from app.settings import Settings, load
from broker.topology import topology
from broker.transports.journal import JournalTransport
from broker.transports.seam import Outgoing, Receipt
from producers.publisher import Publisher, open_publisher
from storage.journal_store import SqlJournalStore


@contextlib.contextmanager
def publisher(settings: Settings | None = None) -> Iterator[Publisher]:
    """A publisher for the settings of the environment (or those given), closed at the end.

    With ``journal:`` the events go into the queues of the ledger's database, beside a running Towpath.

    Raises:
        ConfigurationError: settings that cannot work.
        StorageUnavailable: ``journal:`` and the database does not answer.
    """
    chosen = settings or load()
    url = chosen.broker_url.get_secret_value()
    if not chosen.embedded:
        with open_publisher(url, ca_file=chosen.broker_ca_file) as made:
            yield made
        return
    with _Journal(chosen) as journal, open_publisher(url, journal=journal) as made:
        yield made


class _Journal:
    """:class:`producers.publisher.Journal`: the journal transport on an event loop of its own, for blocking callers."""

    def __init__(self, settings: Settings) -> None:
        self._database = open_database(settings, exclusive=False)
        self._transport = JournalTransport(SqlJournalStore(self._database, topology(), reclaim_all=False))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="towpath-journal", daemon=True)

    def __enter__(self) -> _Journal:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._transport.start(), self._loop).result(30)
        return self

    def append(self, batch: Sequence[Outgoing]) -> Sequence[Receipt]:
        """Store a batch; durable when this returns."""
        return asyncio.run_coroutine_threadsafe(self._transport.publish(batch), self._loop).result(60)

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._transport.close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._database.close()
