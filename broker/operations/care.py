"""The seam between the operator surface and what keeps a channel in order: retention of personal data, its hook, its
authorization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.authorization import Tokens
from domain.hooks import Hint


@dataclass(frozen=True, slots=True)
class ChannelRetention:
    """After how many days personal data of a channel's orders are erased; ``None`` keeps them.

    ``own`` is the channel's own value, ``days`` what counts; ``period`` is when the job runs, ``none`` for never.
    """

    channel: str
    own: int | None
    days: int | None
    period: str


@dataclass(frozen=True, slots=True)
class Retention:
    """The account's value, which counts where a channel has none and for orders from no channel; and the channels'."""

    account: str
    days: int | None
    channels: tuple[ChannelRetention, ...]


@dataclass(frozen=True, slots=True)
class HookRow:
    """A channel's hook: when its secret was made, how many posts it took, and when the last of them came.

    ``automation`` is the channel's: under ``webhook`` polling is only a safety net.
    """

    account: str
    channel: str
    created_at: datetime
    received: int
    received_at: datetime | None
    automation: str


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a post to a hook: the message it led to, of which job, and what the post was about where that was
    told; ``waiting`` where an earlier one had not run yet.
    """

    message_id: str
    job: str
    subject: str | None
    waiting: bool


def no_hook(account: str, channel: str) -> str:
    """What is said where a channel's *Automation* is *Webhook* and it has no hook."""
    return (
        f"Automation is Webhook, but channel {channel} has no hook, so its shop posts nothing here and polling goes on "
        f"as under Recurring. Make one: towpath hooks create {account}/{channel}"
    )


class Care(Protocol):
    """Every method may raise StorageUnavailable; those that name something raise UnknownName when it does not exist,
    and InputError when it cannot be. ``actor`` is who does it.
    """

    async def retention(self, account: str) -> Retention:
        """What counts in an account."""

    async def hooks(self, account: str | None) -> Sequence[HookRow]:
        """The hooks of an account, or all."""

    async def make_hook(self, account: str, channel: str, *, actor: str) -> str:
        """A new secret for the channel's hook, shown this once; one that was there works no longer."""

    async def remove_hook(self, account: str, channel: str, *, actor: str) -> None:
        """Take the channel's hook away."""

    async def hooked_platform(self, channel: str, secret: str) -> str | None:
        """The platform of the channel of this code whose hook has this secret; ``None`` where there is none."""

    async def receive(self, channel: str, secret: str, hint: Hint) -> Received | None:
        """Take a hint that something of a channel is new or changed, durable when this returns; ``None`` where no hook
        of the channel has this secret.

        Raises:
            InputError: code ``not_product_source``: the job contradicts the account's source of products.
        """

    async def authorize(self, account: str, channel: str, tokens: Tokens, *, actor: str) -> None:
        """Store tokens that somebody got from the platform; what waited for them goes on."""
