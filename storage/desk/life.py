"""The life of a channel after it was made: another name, another shop domain, and its end."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import IntegrityError

from domain.errors import InputError
from storage.channel_tables import authorizations, hooks
from storage.desk.tokens import take_token
from storage.people.audit import Change, append
from storage.settings.own import By
from storage.settings.scene import Scene, scene_of
from storage.sql import chunks, locking
from storage.tables import channels, deliveries, gates, lanes, schedules
from storage.vault import Vault

DELETED = "Its channel was deleted while it waited."


def rename(connection: Connection, where: tuple[str, str], name: str, by: By) -> None:
    """Give a channel another name."""
    scene = scene_of(connection, where, change=True)
    connection.execute(update(channels).where(channels.c.id == scene.channel.id).values(name=name))
    _tell(connection, scene, by, "channel.changed", {"name": {"before": scene.channel.name, "after": name}})


def move(connection: Connection, vault: Vault, where: tuple[str, str], domain: str, token: str, by: By) -> None:
    """Connect a channel to another shop domain with a token for it; what waited for a token is due at once.

    Raises:
        UnknownName: no such channel.
        InputError: the domain belongs to another channel.
    """
    scene = scene_of(connection, where, change=True)
    made = scene.channel.id
    ensure_free(connection, domain, but=made)
    try:
        connection.execute(update(channels).where(channels.c.id == made).values(domain=domain))
    except IntegrityError:
        raise domain_taken(domain) from None
    take_token(connection, vault, (made, domain), token, by.now)
    # A refresh token is bound to the shop it was given for.
    connection.execute(delete(authorizations).where(authorizations.c.channel_id == made))
    # What was found out about the old shop says nothing of the new one.
    connection.execute(
        update(gates).where(gates.c.channel_id == made).values(closed_until=0, cause="", strikes=0, sentence="")
    )
    detail = {"domain": {"before": scene.channel.domain, "after": domain}, "token": "changed"}
    _tell(connection, scene, by, "channel.changed", detail)


def remove(connection: Connection, where: tuple[str, str], by: By) -> int:
    """Delete a channel: its jobs stop, what waits is closed, its domain is free; how many deliveries were closed.

    What runs right now ends by itself, and is known to nobody afterwards. Its tokens and its hook are erased. Its code
    is not given again: its messages and log stay under it.

    Raises:
        UnknownName: no such channel.
        InputError: it is the source of products of its account.
    """
    scene = scene_of(connection, where, change=True)
    made = scene.channel.id
    if scene.account.product_source == made:
        raise InputError(
            f"Channel {scene.channel.code} is the Master Product Source of the account: choose another source first.",
            code="is_product_source",
        )
    gone = {"deleted_at": by.now, "enabled": False, "token": ""}
    connection.execute(update(channels).where(channels.c.id == made).values(**gone))
    connection.execute(update(schedules).where(schedules.c.channel_id == made).values(next_due=None))
    for table in (gates, hooks, authorizations):
        connection.execute(delete(table).where(table.c.channel_id == made))
    closed = _close_what_waits(connection, made, by.now)
    detail = {"domain": scene.channel.domain, "deliveries_closed": closed}
    _tell(connection, scene, by, "channel.deleted", detail)
    return closed


def _close_what_waits(connection: Connection, channel_id: str, now: int) -> int:
    """Close all open deliveries in lanes that nobody holds, and drop those lanes."""
    idle = select(lanes.c.key).where(lanes.c.channel_id == channel_id, lanes.c.holder.is_(None))
    keys = list(connection.scalars(locking(connection, idle.order_by(lanes.c.key))))
    values = {"state": "discarded", "code": "channel_deleted", "sentence": DELETED, "cause": "", "settled_at": now}
    closed = 0
    for part in chunks(keys):
        waiting = (deliveries.c.lane.in_(part)) & (deliveries.c.state == "open")
        closed += connection.execute(update(deliveries).where(waiting).values(**values, token=None)).rowcount
        connection.execute(delete(lanes).where(lanes.c.key.in_(part)))
    return closed


def ensure_free(connection: Connection, domain: str, but: str = "") -> None:
    """Check that no other channel has this domain. Raises InputError, code ``domain_taken``."""
    query = select(channels.c.id).where(channels.c.domain == domain, channels.c.deleted_at.is_(None))
    if connection.scalar(query.where(channels.c.id != but)):
        raise domain_taken(domain)


def domain_taken(domain: str) -> InputError:
    """What is said where another channel has the domain."""
    return InputError(f"Another channel has the shop domain {domain} already.", code="domain_taken")


def _tell(connection: Connection, scene: Scene, by: By, action: str, detail: dict[str, Any]) -> None:
    name = f"channel:{scene.account.code}/{scene.channel.code}"
    append(connection, Change(by.actor, action, name, scene.place, detail), by.now)
