"""The ledger as the engine sees it: what it is asked to remember, and what it gives back.

The ledger is the record, the transport only moves: every message, every delivery, every lane that waits is a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from domain.channels import Channel
from domain.envelope import Envelope
from domain.errors import InputError
from domain.events import Payload
from domain.location_stock import LocationSku
from domain.mappings import KnownCarriers, KnownSkus, Missing, Side, WarehouseMappings
from domain.outcomes import Counts, Effects
from domain.products import ProductSeen
from domain.states import DeliveryState, LaneKind
from domain.stock import StockLevel
from domain.synclog import ApiCall, Level, Trigger


@dataclass(frozen=True, slots=True)
class Incoming:
    """A decoded event on its way into the ledger. ``body`` is what came in, kept unchanged."""

    envelope: Envelope
    payload: Payload
    body: bytes
    trigger: Trigger = Trigger.EVENT


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that came in and cannot become a message; kept whole, with the reason."""

    body: bytes
    error: InputError
    origin: str
    routing_key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of one incoming event.

    ``error`` is set where it was refused (nothing stored). ``duplicate`` says that (source, id) was there before
    with the same body: nothing new happens. ``jobs`` names the job type of each delivery that will run.
    """

    message_id: str | None = None
    duplicate: bool = False
    jobs: tuple[str, ...] = ()
    error: InputError | None = None

    @property
    def deliveries(self) -> int:
        """How many deliveries will run."""
        return len(self.jobs)


@dataclass(frozen=True, slots=True)
class Shares:
    """How many more lanes a worker takes of each channel: ``known`` by channel id, ``others`` of any other one."""

    others: int
    known: Mapping[str, int] = field(default_factory=dict)

    def of(self, channel_id: str) -> int:
        """The share of one channel."""
        return self.known.get(channel_id, self.others)

    @property
    def largest(self) -> int:
        """The share of the channel that has most."""
        return max(self.others, *self.known.values(), 0)


@dataclass(frozen=True, slots=True)
class Hands:
    """What a worker is ready for when events come in: FIFO lanes that begin with them need not wait to be claimed.

    It takes up to ``room`` lanes of ``jobs``, none of a channel in ``skip``, and of each channel no more than its
    share. ``early`` may be told of them, on the event loop, just before they become durable: the runs may prepare what
    they do then, but nothing may come of them before they are.
    """

    worker: str = ""
    jobs: frozenset[str] = frozenset()
    room: int = 0
    skip: frozenset[str] = frozenset()
    shares: Shares | None = None
    early: Callable[[Sequence[Claim]], None] | None = None


@dataclass(frozen=True, slots=True)
class ParcelPast:
    """``sent_as`` is the shop's shipment id of a parcel that the shop already has; ``doubted`` says that a shipment of
    its order ended without our knowing if it reached the shop.
    """

    sent_as: str | None = None
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one job type and one channel, taken up for an attempt.

    ``unsure`` is true when an earlier attempt ended in a way that may have written to the shop (crash, timeout):
    the handler must read back first. ``seq`` is its place in its lane; ``attempt`` counts from 1; ``failures`` counts
    what the retry budget has spent. ``event`` is the decoded ``body`` where it is at hand, ``past`` what was known of
    its parcel when it was claimed, where that was looked up at once.
    """

    id: str
    message_id: str
    account_id: str
    channel_id: str
    job_type: str
    business_key: str
    lane: str
    seq: int
    attempt: int
    failures: int
    unsure: bool
    trigger: Trigger
    cause: str
    correlation_id: str | None
    trace_id: str | None
    event_time: datetime
    created_at: datetime
    body: bytes
    event: tuple[Envelope, Payload] | None = field(default=None, compare=False, repr=False)
    past: ParcelPast | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """A lane in this worker's hand: run its deliveries, then settle with the same ``token`` (the fence)."""

    lane: str
    kind: LaneKind
    token: int
    channel_id: str
    job_type: str
    crashes: int
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one delivery of a claim ended: its next state and the log row to write (none for a silent wait).

    ``due_in`` is in seconds, ``None`` for "until somebody acts"; it only counts while the state stays ``OPEN``.
    ``missing`` are the codes it waits for.
    """

    delivery: Delivery
    state: DeliveryState
    outcome: str
    level: Level
    code: str
    sentence: str
    started_at: datetime
    finished_at: datetime
    cause: str = ""
    due_in: float | None = 0.0
    spends_attempt: bool = False
    unsure: bool = False
    logged: bool = True
    superseded_by: str | None = None
    counts: Counts = Counts()
    calls: tuple[ApiCall, ...] = ()
    effects: Effects = Effects()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """All verdicts of one claim, settled in one transaction or not at all.

    ``channel`` is the channel as the run knew it. ``go_on`` asks to keep the lane for its next delivery where that
    one is due and of a job in ``go_on``.
    """

    claim: Claim
    verdicts: tuple[Verdict, ...]
    go_on: frozenset[str] = frozenset()
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settle did: ``fenced`` means the lane was somebody else's by then and nothing was written."""

    lane: str
    fenced: bool
    next_claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of a batch: an answer per event, and the lanes that began in the worker's hand."""

    answers: list[Admission]
    claims: list[Claim] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many lanes of each job type are due and in nobody's hand, and whether the OMS must be told of anything."""

    due: Mapping[str, int]
    unsent: bool


@dataclass(frozen=True, slots=True)
class Unsent:
    """An announcement to the OMS that is not yet published."""

    seq: int
    id: str
    routing_key: str
    body: bytes


class Memory(Protocol):
    """What handlers may look up about the past."""

    async def order_seen(self, channel_id: str, external_order_id: str) -> datetime | None:
        """``updated_at`` of the newest recorded state of an order."""

    async def orders_seen(self, channel_id: str, external_order_ids: Sequence[str]) -> Mapping[str, datetime]:
        """As :meth:`order_seen` for many; unknown orders are left out."""

    async def order_document(self, channel_id: str, external_order_id: str) -> Mapping[str, Any] | None:
        """The canonical document of a recorded order."""

    async def parcel_past(self, channel: Channel, shipment_id: str, external_order_id: str) -> ParcelPast:
        """What is known of a parcel before it is sent."""

    async def sent_shipments(self, channel_id: str, external_order_id: str) -> Mapping[str, str]:
        """Shop shipment id → our shipment id, of all parcels of an order the shop already has."""

    async def stock_levels(self, account_id: str, skus: Sequence[str] | None) -> Sequence[StockLevel]:
        """The last known levels in all warehouses; of every SKU where ``skus`` is ``None``."""

    async def deliveries_of(self, channel_id: str, job_type: str, message_ids: Sequence[str]) -> Mapping[str, str]:
        """Message id → id of its delivery for a job and a channel; messages without one are left out."""

    async def confirmed_stock(self, channel_id: str, skus: Sequence[str] | None) -> Mapping[str, int]:
        """SKU → quantity the shop last confirmed."""

    async def location_stock(self, channel_id: str, skus: Sequence[str] | None) -> Mapping[LocationSku, int]:
        """Location and SKU of the shop → quantity it last confirmed or showed there; of every SKU where ``skus`` is
        ``None``.
        """

    async def products_seen(self, channel_id: str, external_ids: Sequence[str]) -> Mapping[str, ProductSeen]:
        """Which state of each product is recorded; unknown ones are left out."""

    async def product_documents(self, channel_id: str, external_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The canonical document of each recorded product; unknown ones are left out."""

    async def sku_holders(self, channel_id: str, skus: Sequence[str]) -> Mapping[str, str]:
        """SKU → the shop's id of the product that has it, as it was last imported or exported."""

    async def cursor(self, channel_id: str, job_type: str) -> datetime | None:
        """Up to where the last successful import read."""

    async def carriers(self, channel: Channel) -> KnownCarriers:
        """The channel's carrier mappings, as new as ``channel`` is."""

    async def warehouses(self, channel: Channel) -> WarehouseMappings:
        """The channel's warehouse mappings, as new as ``channel`` is."""

    async def skus(self, channel: Channel, side: Side, skus: Sequence[str] | None) -> KnownSkus:
        """The channel's SKU mappings that concern these SKUs of a side, all of them where ``skus`` is ``None``; and
        which of a channel's SKUs stand in the account's catalogue. Costs nothing where there is neither.
        """

    async def skus_seen(self, channel_id: str, skus: Sequence[str], since: datetime) -> frozenset[str]:
        """Those of the SKUs that an import saw in the shop, or an export wrote there, since then."""


class Ledger(Protocol):
    """The durable record. Every method is one transaction and durable when it returns.

    All raise StorageUnavailable when the database cannot be reached or cannot write.
    """

    async def admit(self, batch: Sequence[Incoming], rejections: Sequence[Rejection] = ()) -> list[Admission]:
        """Store messages and their deliveries; one answer per incoming event, in order."""

    async def take_in(self, batch: Sequence[Incoming], rejections: Sequence[Rejection], hands: Hands) -> TakenIn:
        """As :meth:`admit`, and claim lanes that begin with these events for a worker that is ready for them.

        If this raises, what ``hands.early`` was told may be so or not.
        """

    async def claim(
        self, worker: str, job_types: Sequence[str], most: int, skip: Sequence[str] = (), shares: Shares | None = None
    ) -> list[Claim]:
        """Take up to ``most`` due lanes of these job types, of each channel no more than its share: then channels take
        turns. Those in ``skip`` are left out.
        """

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[Settled]:
        """Write outcomes, log rows, records, announcements and follow-ups; free the lanes or hand on their next."""

    async def beat(self, worker: str, roles: str, lease_seconds: float) -> None:
        """Renew (or begin) the lease of a worker."""

    async def leave(self, worker: str) -> None:
        """End a worker's lease; lanes it still holds become free at once, as interrupted."""

    async def rescue(self, *, alone: bool = False) -> int:
        """Free the lanes of workers whose lease is over or whose process is provably gone; how many lanes.

        ``alone`` says that no other process can be alive on this database: then every worker is gone.
        """

    async def release_found(self) -> int:
        """Let go what waits for SKUs that stand in the catalogue, or in the shop, by now; how many deliveries."""

    async def disown(self, worker: str, in_hand: Mapping[str, int]) -> int:
        """Free the lanes a worker holds without knowing: all but those ``in_hand`` (lane to token); how many.

        A claim or settle whose answer was lost may have made it the holder of lanes that nobody runs.
        """

    async def waiting(self, most: int) -> Waiting:
        """What there is to tell; due lanes are counted up to ``most`` in all."""

    async def unsent(self, most: int) -> list[Unsent]:
        """Announcements not yet published, in order."""

    async def mark_sent(self, seqs: Sequence[int]) -> None:
        """Remember that these announcements are confirmed by the transport."""

    async def fire_due(self, most: int) -> int:
        """Turn due schedules into ticks; how many fired."""

    async def hold(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew a named lease; false while another holder has it."""

    @property
    def can_write(self) -> bool:
        """Whether the database could store what was last to be stored."""

    def has_several_channels(self) -> bool:
        """Whether there is more than one channel, as far as a claim has seen lately."""

    def has_busy_channels(self) -> bool:
        """Whether several channels were called at about the same time, as far as a claim has seen lately."""

    async def channel(self, channel_id: str) -> Channel | None:
        """A channel by id, at most a second old."""
