"""Job types: which events each consumer takes, in which direction, and how its deliveries line up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from domain.envelope import Envelope
from domain.errors import UnknownName
from domain.events import Payload, ProductChanged, StockChanged, Tick
from domain.states import LaneKind

Effect = Literal["keyed", "referenced", "set", "read"]
"""How the job's writes are made safe to repeat: an idempotency key, read-before-create by our reference, an
absolute set with a version fence, or nothing is written outside."""


@dataclass(frozen=True, slots=True)
class JobType:
    """One consumer: its name, what it listens to, its direction, its lanes and its safety.

    ``lane`` is the kind of line its deliveries stand in; ``subject`` names the lane: all jobs of one order
    share the lane of that order, all of one product share the lane of that product, all stock of a channel shares one
    bulk lane. Without ``calls`` it never calls the shop, and so runs on a channel that may make no call, too.
    """

    name: str
    title: str
    listens: tuple[str, ...]
    direction: Literal["channel to OMS", "OMS to channel", "-"]
    lane: LaneKind
    subject: Literal["order", "stock", "product", "channel"]
    effect: Effect
    scheduled: bool = True
    calls: bool = True

    @property
    def tick(self) -> str:
        """The event type of its timer tick."""
        return f"tick.{self.name}"


JOB_TYPES: dict[str, JobType] = {
    job.name: job
    for job in (
        JobType(
            "order_import", "Import orders", ("order.created", "order.updated", "order.cancelled"),
            "channel to OMS", LaneKind.FIFO, "order", "read",
        ),
        JobType(
            "order_update", "Update orders", ("order.status_changed",),
            "OMS to channel", LaneKind.FIFO, "order", "set", scheduled=False,
        ),
        JobType(
            "shipment_export", "Export shipments", ("shipment.created",),
            "OMS to channel", LaneKind.FIFO, "order", "referenced", scheduled=False,
        ),
        JobType(
            "inventory_export", "Export inventory", ("stock.changed",),
            "OMS to channel", LaneKind.BULK, "stock", "set",
        ),
        JobType(
            "inventory_import", "Import inventory", (),
            "channel to OMS", LaneKind.FIFO, "stock", "read",
        ),
        JobType(
            "product_import", "Import products", (),
            "channel to OMS", LaneKind.FIFO, "product", "read",
        ),
        JobType(
            "product_export", "Export products", ("product.changed",),
            "OMS to channel", LaneKind.FIFO, "product", "referenced",
        ),
        JobType(
            "authorization_refresh", "Refresh authorization", (),
            "-", LaneKind.FIFO, "channel", "read",
        ),
        JobType(
            "pii_redaction", "Erase personal data", (),
            "-", LaneKind.FIFO, "channel", "read", calls=False,
        ),
    )
}  # fmt: skip


def job_type(name: str) -> JobType:
    """The job type of that name.

    Raises:
        UnknownName: there is none; the sentence lists those that exist.
    """
    try:
        return JOB_TYPES[name]
    except KeyError:
        raise UnknownName(f"There is no job {name!r}. Jobs: {', '.join(JOB_TYPES)}.", code="unknown_job") from None


def jobs_for(event_type: str) -> tuple[JobType, ...]:
    """The job types that listen to an event type, its ticks included."""
    return tuple(job for job in JOB_TYPES.values() if event_type in job.listens or event_type == job.tick)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a delivery stands: its lane, the lane's kind, and what makes newer and older values of it one."""

    lane: str
    kind: LaneKind
    coalesce_key: str | None = None
    version: int | None = None


def place_of(job: JobType, channel_id: str, payload: Payload, key: str) -> Place:
    """The lane of a delivery.

    Orders: one FIFO lane per channel and order number, shared by all jobs. Stock: one bulk lane per channel,
    in which changes of the same SKU and warehouse are one, and so are ticks. Products: one FIFO lane per channel and
    product. Other ticks: one lane per channel and job.
    """
    if isinstance(payload, Tick):
        if job.lane is LaneKind.BULK:
            return Place(f"{channel_id}/{job.subject}", LaneKind.BULK, job.tick)
        return Place(f"{channel_id}/tick/{job.name}", LaneKind.FIFO)
    if isinstance(payload, StockChanged):
        return Place(f"{channel_id}/stock", LaneKind.BULK, f"{payload.sku}\x1f{payload.warehouse}", payload.version)
    if isinstance(payload, ProductChanged):
        return Place(f"{channel_id}/product/{(payload.sku or key)[:200]}", LaneKind.FIFO)
    return Place(f"{channel_id}/order/{key}", LaneKind.FIFO)


def is_tick(envelope: Envelope) -> bool:
    """Whether the event came from a timer."""
    return envelope.type.startswith("tick.")
