"""Export shipments: tell the shop of a parcel, once (sales channels, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from broker.handling import Run
from consumers.missing_skus import held_up
from domain.errors import InputError, ShopRejected
from domain.events import ShipmentCreated, ShipmentLine
from domain.mappings import CarrierCode, Side
from domain.outcomes import Counts, Done, Effects, Outcome, Park, Skipped
from domain.shipments import Parcel, ParcelLine, SentShipment, ShopShipment, same_contents
from domain.sku_translation import LineOfOrder, lines_of, order_to_oms, shared_out


async def shipment_export(run: Run) -> Outcome:
    """Post one parcel.

    Creating a shipment is not safe to repeat. So: a parcel recorded as sent is never sent again, and when an earlier
    attempt may have reached the shop, the shop's shipments are read and a match is taken as ours.
    """
    payload = run.item.payload
    assert isinstance(payload, ShipmentCreated)
    past = run.item.delivery.past
    if past is None:
        past = await run.memory.parcel_past(run.channel, payload.shipment_id, payload.external_order_id)
    if past.sent_as is not None:
        return Skipped(f"Shipment {payload.shipment_id} is already in the shop as {past.sent_as}.", "already_sent")
    lines = await _line_ids(run, payload)
    if isinstance(lines, Park | Skipped):
        return lines
    method = await _method(run, payload)
    if isinstance(method, Park | Skipped):
        return method
    parcel = _parcel(run, payload, method, lines)
    # This parcel, or another of its order, may have reached the shop without our knowing.
    doubtful = run.item.delivery.unsure or past.doubted
    found = await _sent_before(run, parcel) if doubtful else None
    shipment = found or await run.shop.create_shipment(parcel)
    done = _done(payload, shipment, recovered=found is not None, unmapped=method is None)
    if run.channel.settings.update_order_with_last_shipment:
        try:
            await run.shop.set_order_shipment(parcel)
        except ShopRejected as error:
            # The shipment is there and must be remembered, whatever becomes of the order's own copy of it.
            return replace(done, sentence=f"{done.sentence} {error.sentence}", code="order_not_updated", warning=True)
    return done


def _done(payload: ShipmentCreated, shipment: ShopShipment, *, recovered: bool, unmapped: bool) -> Done:
    sentence = (
        f"Shipment {payload.shipment_id} of order {payload.external_order_id} is in the shop as "
        f"{shipment.external_shipment_id}."
    )
    if recovered:
        sentence += " An earlier attempt had created it; it was not sent again."
    if unmapped:
        sentence += (
            f" Carrier {_carrier(payload)!r} has no shipping method in the shop: the order's own method was "
            f"used. Map it in the channel."
        )
    return Done(
        sentence,
        code="recovered" if recovered else "carrier_unmapped" if unmapped else "ok",
        warning=unmapped,
        effects=Effects(
            counts=Counts(created=int(not recovered), updated=int(recovered)),
            records=(SentShipment(payload.shipment_id, payload.external_order_id, shipment.external_shipment_id),),
        ),
    )


def _parcel(run: Run, payload: ShipmentCreated, method: str | None, lines: tuple[ParcelLine, ...]) -> Parcel:
    return Parcel(
        shipment_id=payload.shipment_id,
        external_order_id=payload.external_order_id,
        shipping_method=method,
        tracking_number=payload.tracking_number,
        shipped_on=payload.shipped_at.astimezone(ZoneInfo(run.channel.settings.timezone)).date(),
        notify_customer=payload.notify_customer,
        lines=lines,
    )


async def _sent_before(run: Run, parcel: Parcel) -> ShopShipment | None:
    """The shop's shipment that an earlier, interrupted attempt created, if there is one nobody else accounts for."""
    ours = await run.memory.sent_shipments(run.channel.id, parcel.external_order_id)
    for shipment in await run.shop.list_shipments(parcel.external_order_id):
        if shipment.external_shipment_id in ours:
            continue
        if shipment.note == parcel.shipment_id:
            return shipment
        if (
            not shipment.note
            and shipment.tracking_number == parcel.tracking_number
            and same_contents(shipment.lines, parcel.lines)
        ):
            return shipment
    return None


async def _line_ids(run: Run, payload: ShipmentCreated) -> tuple[ParcelLine, ...] | Park | Skipped:
    """What is in the parcel, by the shop's line ids and in its units: from the recorded order, which holds what the OMS
    was told, or from the shop when we have no record.

    Lines that are named by their ids need neither where the channel never had SKU mappings.
    """
    named = all(line.external_line_id for line in payload.lines)
    if named and not run.channel.sku_mapped:
        return tuple(ParcelLine(line.external_line_id or "", line.quantity) for line in payload.lines)
    document = await run.memory.order_document(run.channel.id, payload.external_order_id)
    ordered = lines_of(document or {})
    if not all(_lines_meant(line, ordered) for line in payload.lines):
        order, _ = await run.shop.read_order(payload.external_order_id)
        skus = await run.memory.skus(run.channel, Side.CHANNEL, [line.sku for line in order.lines])
        order, missing = order_to_oms(order, skus)
        ordered = lines_of(order.model_dump(mode="json"))
        if missing and not all(_lines_meant(line, ordered) for line in payload.lines):
            return await held_up(run, f"Shipment {payload.shipment_id} of order {payload.external_order_id}", missing)
    return tuple(part for line in payload.lines for part in _parts(line, ordered, payload))


def _lines_meant(line: ShipmentLine, ordered: Sequence[LineOfOrder]) -> list[LineOfOrder]:
    """The order's lines that a line of the parcel names."""
    if line.external_line_id:
        return [each for each in ordered if each.external_line_id == line.external_line_id]
    return [each for each in ordered if each.sku == line.sku]


def _parts(line: ShipmentLine, ordered: Sequence[LineOfOrder], payload: ShipmentCreated) -> list[ParcelLine]:
    found = _lines_meant(line, ordered)
    if not found and line.external_line_id:
        return [ParcelLine(line.external_line_id, line.quantity)]
    if not found:
        raise ShopRejected(
            f"Order {payload.external_order_id} has no line with SKU {line.sku!r}; shipment {payload.shipment_id} "
            f"was not sent. "
            "Correct the shipment in the OMS.",
            code="sku_not_in_order",
        )
    try:
        return [ParcelLine(name, quantity) for name, quantity in shared_out(found, line.quantity)]
    except InputError as error:
        about = f"Shipment {payload.shipment_id} of order {payload.external_order_id} was not sent"
        raise InputError(f"{about}: {error.sentence}", code=error.code) from None


def _carrier(payload: ShipmentCreated) -> str:
    return f"{payload.carrier}:{payload.service}" if payload.service else payload.carrier


async def _method(run: Run, payload: ShipmentCreated) -> str | Park | Skipped | None:
    """The shop's shipping method: as mapped, else one of an equal name, else by policy."""
    known = await run.memory.carriers(run.channel)
    found = known.to_channel(payload.carrier, payload.service or "")
    if isinstance(found, CarrierCode):
        return f"{found.carrier} {found.service}".strip()
    wanted = {f"{payload.carrier} {payload.service or ''}".strip().lower(), payload.carrier.lower()}
    for method in await run.shop.shipping_methods():
        if method.lower() in wanted:
            return method
    if run.channel.settings.unmapped_carrier == "warn":
        return None
    if found in known.ignored:
        return Skipped(
            f"Carrier {_carrier(payload)!r} is to be ignored in channel {run.channel.code}.", "mapping_ignored"
        )
    return Park(
        f"Carrier {_carrier(payload)!r} has no shipping method in channel {run.channel.code}: map it, and this goes on "
        f"by itself.",
        "carrier_unmapped",
        "mapping",
        missing=(found,),
    )
