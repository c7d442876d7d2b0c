"""A process that publishes to a journal or takes from it until it is killed, and says what it did."""

from __future__ import annotations

import asyncio
import sys

from broker.transports.journal import JournalTransport
from broker.transports.seam import Receipt
from storage.database import Database
from storage.journal_store import JournalTimes, SqlJournalStore
from tests.broker.transports.shape import PLAIN, SHAPE, message

TIMES = JournalTimes(lease=1.0, keep=0.1)


async def publish(transport: JournalTransport) -> None:
    number = 0
    while True:
        batch = [message(body=b"%d" % (number + at)) for at in range(7)]
        number += len(batch)
        for one, receipt in zip(batch, await transport.publish(batch), strict=True):
            if receipt is Receipt.CONFIRMED:
                print("confirmed", one.body.decode(), flush=True)  # noqa: T201 - the parent reads it


async def take(transport: JournalTransport) -> None:
    subscription = await transport.subscribe(PLAIN, 20)
    while True:
        taken = await subscription.take(10, 1.0)
        for one in taken:
            print("taken", one.body.decode(), flush=True)  # noqa: T201 - the parent reads it
        settled = taken[::2]
        await subscription.acknowledge(settled)
        for one in settled:
            print("settled", one.body.decode(), flush=True)  # noqa: T201 - the parent reads it


async def main(role: str, url: str) -> None:
    transport = JournalTransport(SqlJournalStore(Database(url), SHAPE, times=TIMES))
    await transport.start()
    await (publish if role == "publish" else take)(transport)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
