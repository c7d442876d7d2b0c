"""Hooks: a secret path of a channel to which its shop posts that an order is new or changed.

The secret is 256 random bits, stored as SHA-256 (enough at that length, ASVS 6.5.2), and looked up by that digest:
how long that takes tells a guesser nothing. A post is a hint, and nothing of its body is kept but the order number.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import Connection, Row, delete, select, update

from broker.ledger import Incoming
from broker.operations.care import HookRow, Received
from domain.access import Place
from domain.channels import Channel
from domain.envelope import Envelope
from domain.errors import InputError, UnknownName
from domain.events import payload_of
from domain.ids import new_id
from domain.moments import from_micros
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
        select(accounts.c.code.label("account"), channels.c.code.label("channel"), hooks)
        .select_from(hooks.join(channels, channels.c.id == hooks.c.channel_id))
        .join(accounts, accounts.c.id == channels.c.account_id)
        .order_by(accounts.c.code, channels.c.code)
    )
    if account is not None:
        query = query.where(accounts.c.code == account)
    return [_row(row) for row in connection.execute(query)]


def _row(row: Row[tuple[object, ...]]) -> HookRow:
    last = from_micros(row.received_at) if row.received_at is not None else None
    return HookRow(row.account, row.channel, from_micros(row.created_at), row.received, last)


def channel_of(connection: Connection, code: str, secret: str) -> str | None:
    """The id of the channel of this code whose hook has this secret."""
    digest = _digest(secret)
    query = select(hooks.c.channel_id, hooks.c.digest, channels.c.code).join(
        channels, channels.c.id == hooks.c.channel_id
    )
    row = connection.execute(query.where(hooks.c.digest == digest)).first()
    if row is None or not hmac.compare_digest(row.digest, digest) or row.code != code:
        return None
    return str(row.channel_id)


def receive(
    connection: Connection, directory: Directory, named: tuple[str, str], order_id: str | None, now: int
) -> Received | None:
    """Admit an event that makes *Import orders* read the order; an earlier one that did not run yet serves as well.

    ``named`` is the channel's code and the secret.
    """
    found = channel_of(connection, *named)
    if found is None:
        return None
    if order_id is None:
        raise InputError(
            "The post names no order: send the order as JSON, with its number as 'order_id'.", code="order_missing"
        )
    channel = directory.of_ids(connection, [found]).by_id[found]
    counted = update(hooks).where(hooks.c.channel_id == channel.id)
    connection.execute(counted.values(received=hooks.c.received + 1, received_at=now))
    waiting = _waiting(connection, channel, order_id)
    if waiting is not None:
        again = update(messages).where(messages.c.id == waiting)
        connection.execute(again.values(copies=messages.c.copies + 1))
        return Received(waiting, order_id, waiting=True)
    (answer,) = admit(connection, directory, [_event(connection, channel, order_id, now)], (), now).answers
    if answer.error is not None:
        raise answer.error
    return Received(str(answer.message_id), order_id, waiting=False)


def _waiting(connection: Connection, channel: Channel, order_id: str) -> str | None:
    """The message of an earlier post about the order whose run has not begun: it will read what this one tells of."""
    lane = f"{channel.id}/order/{order_id}"
    held = connection.execute(locking(connection, select(lanes.c.holder).where(lanes.c.key == lane))).first()
    if held is None:
        return None
    query = select(deliveries.c.message_id, messages.c.source).join(messages, messages.c.id == deliveries.c.message_id)
    query = query.where(deliveries.c.lane == lane, deliveries.c.state == "open").order_by(deliveries.c.seq)
    standing = connection.execute(query).all()
    # The first of a lane that is held may have read the order already.
    behind = standing[1:] if held.holder is not None else standing
    return next((row.message_id for row in behind if row.source == _source(channel)), None)


def _source(channel: Channel) -> str:
    return f"{_SOURCE}/{channel.code}"


def _event(connection: Connection, channel: Channel, order_id: str, now: int) -> Incoming:
    known = select(orders.c.channel_id).where(orders.c.channel_id == channel.id, orders.c.external_order_id == order_id)
    envelope = Envelope(
        id=new_id(),
        source=_source(channel),
        type="order.created" if connection.scalar(known) is None else "order.updated",
        time=from_micros(now),
        account=channel.account,
        channel=channel.code,
        data={"external_order_id": order_id},
    )
    return Incoming(envelope, payload_of(envelope), envelope.to_json(), Trigger.WEBHOOK)
