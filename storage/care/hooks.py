"""Hooks: a secret path of a channel to which its shop posts what is new or changed.

The secret is 256 random bits, stored as SHA-256 (enough at that length, ASVS 6.5.2), and looked up by that digest:
how long that takes tells a guesser nothing. A post is a hint, and nothing of its body is kept but an order number.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import Connection, Row, delete, select, update

from broker.ledger import Incoming
from broker.operations.care import HookRow, Received, no_hook
from domain.access import Place
from domain.channels import WEBHOOK, Channel, ChannelSettings
from domain.envelope import Envelope
from domain.errors import InputError, UnknownName
from domain.events import business_key, payload_of
from domain.hooks import Hint
from domain.ids import new_id
from domain.jobs import JOB_TYPES, place_of
from domain.moments import from_micros, iso
from domain.product_source import source_refusal
from domain.synclog import Trigger
from storage.channel_tables import hooks
from storage.directory import Directory
from storage.ledger.admit import admit
from storage.people.audit import Change, append
from storage.sql import locking, upsert
from storage.tables import accounts, channels, deliveries, lanes, messages, orders

_SOURCE = "towpath/hook"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def make_hook(
    connection: Connection, channel_id: str, where: tuple[str, str], place: Place, now: int, actor: str
) -> str:
    """A new secret in the place of the one before."""
    secret = f"th_{secrets.token_urlsafe(32)}"
    known = connection.scalar(select(hooks.c.channel_id).where(hooks.c.channel_id == channel_id))
    values = {"digest": _digest(secret), "created_at": now, "received": 0, "received_at": None}
    statement = upsert(connection, hooks).values(channel_id=channel_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["channel_id"], set_=values))
    action = "hook.created" if known is None else "hook.rotated"
    append(connection, Change(actor, action, "channel:" + "/".join(where), place), now)
    return secret


def remove_hook(
    connection: Connection, channel_id: str, where: tuple[str, str], place: Place, now: int, actor: str
) -> None:
    """Take a hook away.

    Raises:
        UnknownName: the channel has none.
    """
    if not connection.execute(delete(hooks).where(hooks.c.channel_id == channel_id)).rowcount:
        raise UnknownName(f"Channel {'/'.join(where)} has no hook.", code="unknown_hook")
    append(connection, Change(actor, "hook.removed", "channel:" + "/".join(where), place), now)


def hook_rows(connection: Connection, account: str | None) -> list[HookRow]:
    """The hooks of an account, or all."""
    query = (
        select(accounts.c.code.label("account"), channels.c.code.label("channel"), channels.c.settings, hooks)
        .select_from(hooks.join(channels, channels.c.id == hooks.c.channel_id))
        .join(accounts, accounts.c.id == channels.c.account_id)
        .order_by(accounts.c.code, channels.c.code)
    )
    if account is not None:
        query = query.where(accounts.c.code == account)
    return [_row(row) for row in connection.execute(query)]


def _row(row: Row[tuple[object, ...]]) -> HookRow:
    last = from_micros(row.received_at) if row.received_at is not None else None
    automation = ChannelSettings.model_validate(row.settings).automation
    return HookRow(row.account, row.channel, from_micros(row.created_at), row.received, last, automation)


def missing_hook(connection: Connection, channel_id: str, where: tuple[str, str], automation: object) -> str | None:
    """What is to be said of a channel's *Automation* where it is *Webhook* and nobody made the hook."""
    if automation != WEBHOOK:
        return None
    made = connection.scalar(select(hooks.c.channel_id).where(hooks.c.channel_id == channel_id))
    return no_hook(*where) if made is None else None


def channel_of(connection: Connection, code: str, secret: str) -> tuple[str, str] | None:
    """The id and the platform of the channel of this code whose hook has this secret."""
    digest = _digest(secret)
    query = select(hooks.c.channel_id, hooks.c.digest, channels.c.code, channels.c.platform).join(
        channels, channels.c.id == hooks.c.channel_id
    )
    row = connection.execute(query.where(hooks.c.digest == digest)).first()
    if row is None or not hmac.compare_digest(row.digest, digest) or row.code != code:
        return None
    return str(row.channel_id), str(row.platform)


def receive(
    connection: Connection, directory: Directory, named: tuple[str, str], hint: Hint, now: int
) -> Received | None:
    """Admit an event that makes the job read from the shop; an earlier one that did not run yet serves as well.

    ``named`` is the channel's code and the secret.

    Raises:
        InputError: code ``not_product_source``: the job contradicts the account's source of products.
    """
    found = channel_of(connection, *named)
    if found is None:
        return None
    channel = directory.of_ids(connection, [found[0]]).by_id[found[0]]
    if refused := source_refusal(channel.product_source, hint.job, channel.id, channel.code):
        raise InputError(refused, code="not_product_source")
    counted = update(hooks).where(hooks.c.channel_id == channel.id)
    connection.execute(counted.values(received=hooks.c.received + 1, received_at=now))
    event = _event(connection, channel, hint, now)
    waiting = _waiting(connection, channel, event, hint.job)
    if waiting is not None:
        again = update(messages).where(messages.c.id == waiting)
        connection.execute(again.values(copies=messages.c.copies + 1))
        return Received(waiting, hint.job, hint.subject, waiting=True)
    (answer,) = admit(connection, directory, [event], (), now).answers
    if answer.error is not None:
        raise answer.error
    return Received(str(answer.message_id), hint.job, hint.subject, waiting=False)


def _waiting(connection: Connection, channel: Channel, event: Incoming, job: str) -> str | None:
    """The message of an earlier post of which the run has not begun: it will read what this one tells of."""
    key = business_key(event.envelope, event.payload)
    lane = place_of(JOB_TYPES[job], channel.id, event.payload, key).lane
    held = connection.execute(locking(connection, select(lanes.c.holder).where(lanes.c.key == lane))).first()
    if held is None:
        return None
    query = select(deliveries.c.message_id, messages.c.source).join(messages, messages.c.id == deliveries.c.message_id)
    query = query.where(deliveries.c.lane == lane, deliveries.c.state == "open").order_by(deliveries.c.seq)
    standing = connection.execute(query).all()
    # The first of a lane that is held may have read already what this post tells of.
    behind = standing[1:] if held.holder is not None else standing
    return next((row.message_id for row in behind if row.source == event.envelope.source), None)


def _event(connection: Connection, channel: Channel, hint: Hint, now: int) -> Incoming:
    kind, data = _order(connection, channel, hint.subject) if hint.job == "order_import" else _tick(hint.job, now)
    envelope = Envelope(
        id=new_id(),
        source=f"{_SOURCE}/{channel.code}",
        type=kind,
        time=from_micros(now),
        account=channel.account,
        channel=channel.code,
        data=data,
    )
    return Incoming(envelope, payload_of(envelope), envelope.to_json(), Trigger.WEBHOOK)


def _order(connection: Connection, channel: Channel, order_id: str | None) -> tuple[str, dict[str, str | None]]:
    known = select(orders.c.channel_id).where(orders.c.channel_id == channel.id, orders.c.external_order_id == order_id)
    kind = "order.created" if connection.scalar(known) is None else "order.updated"
    return kind, {"external_order_id": order_id}


def _tick(job: str, now: int) -> tuple[str, dict[str, str | None]]:
    """One run of the whole job: it reads all that changed, so it need not be told what a post was about."""
    return JOB_TYPES[job].tick, {"schedule": "hook", "due": iso(from_micros(now))}
