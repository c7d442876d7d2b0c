"""Planted faults: the engine with one of its promises broken, each of which the simulation must find."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert

from broker.lease import Lease
from broker.ledger import Hands, Incoming, Rejection, Settled, Settlement, TakenIn, Unsent
from broker.topology import OMS
from broker.transports.seam import Outgoing, Receipt, Taken
from connectors.bright_sites import BrightSitesShop
from domain.errors import ShopOutcomeUnknown
from domain.events import StockChanged
from domain.ids import new_id
from domain.outcomes import Announcement
from domain.shipments import Parcel, ShopShipment
from storage.directory import Directory
from storage.ledger import SqlLedger
from storage.tables import lanes
from tests.simulation.database import InlineDatabase
from tests.simulation.site import Clock, Makers
from tests.simulation.transport import StormySubscription, StormyTransport
from tests.simulation.weather import FAIR, WORST, Climate


class NoOutbox(SqlLedger):
    """Announcements are published after the commit instead of being stored in it."""

    def __init__(
        self, database: InlineDatabase, directory: Directory, clock: Clock, transport: StormyTransport
    ) -> None:
        super().__init__(database, directory, clock)
        self._transport = transport

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[Settled]:
        settled = await super().settle(worker, [_silent(each) for each in settlements])
        told = [
            _published(said)
            for settlement, answer in zip(settlements, settled, strict=True)
            if not answer.fenced
            for verdict in settlement.verdicts
            for said in verdict.effects.announcements
        ]
        if told:
            await self._transport.publish(told)
        return settled


def _published(said: Announcement) -> Outgoing:
    body = {"id": new_id(), "data": said.data}
    return Outgoing(OMS, "order.imported.acme.main", json.dumps(body).encode(), new_id())


def _silent(settlement: Settlement) -> Settlement:
    verdicts = [replace(each, effects=replace(each.effects, announcements=())) for each in settlement.verdicts]
    return replace(settlement, verdicts=tuple(verdicts))


class MarkedBeforeConfirm(SqlLedger):
    """What is about to be published counts as sent."""

    async def unsent(self, most: int) -> list[Unsent]:
        waiting = await super().unsent(most)
        await self.mark_sent([each.seq for each in waiting])
        return waiting


class NoConfirm(StormyTransport):
    """Nobody waits for the broker's word."""

    async def publish(self, batch: Sequence[Outgoing]) -> list[Receipt]:
        await super().publish(batch)
        return [Receipt.CONFIRMED] * len(batch)


class _Hasty(StormySubscription):
    async def take(self, most: int, wait: float) -> list[Taken]:
        taken = await super().take(most, wait)
        await self.acknowledge(taken)
        return taken


class AcknowledgedFirst(StormyTransport):
    """What is taken counts as settled."""

    taker = _Hasty


class NoReadBeforeCreate(BrightSitesShop):
    """Nobody looks whether a parcel is there already."""

    async def list_shipments(self, external_order_id: str) -> Sequence[ShopShipment]:
        return ()


class TimeoutIsSuccess(BrightSitesShop):
    """No answer is good news."""

    async def create_shipment(self, parcel: Parcel) -> ShopShipment:
        try:
            return await super().create_shipment(parcel)
        except ShopOutcomeUnknown:
            hoped = f"hoped for {parcel.shipment_id}"
            return ShopShipment(hoped, parcel.tracking_number, parcel.shipment_id, parcel.lines)


class NoFence(SqlLedger):
    """Whoever comes to settle is taken for the holder."""

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[Settled]:
        def work(connection: Connection) -> None:
            for each in settlements:
                held = {"state": "running", "holder": worker, "token": each.claim.token}
                claim = each.claim
                row = {"kind": str(claim.kind), "channel_id": claim.channel_id, "job_type": claim.job_type}
                lane = insert(lanes).values(key=each.claim.lane, **row, **held, due_at=0, next_seq=1, since=0)
                connection.execute(lane.on_conflict_do_update(index_elements=["key"], set_=held))

        self._database.write(work)
        return await super().settle(worker, settlements)


class NoLease(Lease):
    """A worker never asks whether it still may."""

    @property
    def sufficient(self) -> bool:
        return True

    def ensure(self, *_about: object) -> None:
        """There is always time for another call."""


class RescuesTheLiving(SqlLedger):
    """Whoever looks for the dead takes everybody for dead."""

    async def rescue(self, *, alone: bool = False) -> int:
        return await super().rescue(alone=True)


class ForgetsLostAnswers(SqlLedger):
    """Lanes whose claim was committed and not heard of stay held."""

    async def disown(self, worker: str, in_hand: Mapping[str, int]) -> int:
        return 0


class ForgetsVersions(SqlLedger):
    """Of two stock levels the one that comes later counts as newer."""

    async def take_in(self, batch: Sequence[Incoming], rejections: Sequence[Rejection], hands: Hands) -> TakenIn:
        return await super().take_in([self._unversioned(each) for each in batch], rejections, hands)

    def _unversioned(self, incoming: Incoming) -> Incoming:
        if not isinstance(incoming.payload, StockChanged):
            return incoming
        data = {**incoming.envelope.data, "version": None}
        envelope = incoming.envelope.model_copy(update={"time": self._clock(), "data": data})
        payload = incoming.payload.model_copy(update={"version": None})
        return Incoming(envelope, payload, envelope.to_json(), incoming.trigger)


def _with_ledger(kind: type[SqlLedger]) -> Makers:
    return Makers(ledger=lambda database, directory, clock, transport: kind(database, directory, clock))


@dataclass(frozen=True, slots=True)
class Plant:
    """A planted fault, and the weather in which its promise matters."""

    makers: Makers
    climate: Climate
    most_seeds: int = 25


PLANTS: dict[str, Plant] = {
    "no outbox": Plant(Makers(ledger=NoOutbox), replace(FAIR, kill=0.02, refuse=0.2, cut=0.2)),
    "marked as sent before the confirm": Plant(_with_ledger(MarkedBeforeConfirm), WORST),
    "no confirm": Plant(Makers(transport=NoConfirm), replace(FAIR, refuse=0.3, cut=0.3)),
    "acknowledged first": Plant(Makers(transport=AcknowledgedFirst), replace(FAIR, kill=0.03, away=0.1)),
    "no read before create": Plant(Makers(shop=NoReadBeforeCreate), replace(FAIR, shop=0.5)),
    "timeout taken for success": Plant(Makers(shop=TimeoutIsSuccess), replace(FAIR, shop=0.5), 60),
    "no fence": Plant(_with_ledger(NoFence), replace(FAIR, freeze=0.03, shop=0.3)),
    "no lease": Plant(Makers(lease=NoLease), replace(FAIR, freeze=0.03, shop=0.3)),
    "lease of the living ignored": Plant(_with_ledger(RescuesTheLiving), replace(FAIR, shop=0.5)),
    "lost answers forgotten": Plant(_with_ledger(ForgetsLostAnswers), replace(FAIR, deaf=0.1)),
    "versions forgotten": Plant(_with_ledger(ForgetsVersions), FAIR),
}
