"""Options and arguments that several commands share, and how their text is read."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from domain.moments import utc_now

AccountOption = Annotated[str | None, typer.Option("--account", metavar="CODE", help="Only this account.")]
ChannelOption = Annotated[
    str | None, typer.Option("--channel", metavar="CODE", help="Only this channel: CODE or ACCOUNT/CODE.")
]
OrderOption = Annotated[str | None, typer.Option("--order", metavar="NUMBER", help="Only this order number.")]
SkuOption = Annotated[str | None, typer.Option("--sku", metavar="SKU", help="Only this SKU.")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="Not older than 90s, 15m, 2h, 3d, or an ISO 8601 time."),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many, the newest.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, times in UTC.")]
PlaceArgument = Annotated[str, typer.Argument(metavar="ACCOUNT/CHANNEL", help="The channel, as acme/bright-main.")]

_AGE = re.compile(r"^(\d{1,6})([smhd])$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def since(text: str | None, now: datetime | None = None) -> datetime | None:
    """The instant that ``--since`` means, aware; a time without offset is local.

    Raises:
        typer.BadParameter: neither an age nor an ISO 8601 time.
    """
    if text is None:
        return None
    if age := _AGE.match(text.strip().lower()):
        return (now or utc_now()) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time: write 90s, 15m, 2h, 3d, or 2025-11-30T14:00", param_hint="--since"
        ) from None


def set_time(text: str | None, option: str) -> datetime | None:
    """An instant to come that an option names, aware; a time without offset is local.

    Raises:
        typer.BadParameter: no ISO 8601 time.
    """
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time: write 2025-11-30T14:00", param_hint=option) from None


def place(text: str) -> tuple[str, str]:
    """Account and channel of ``account/channel``.

    Raises:
        typer.BadParameter: not two codes with a slash between.
    """
    account, slash, channel = text.partition("/")
    if not (account and slash and channel) or "/" in channel:
        raise typer.BadParameter(
            f"{text!r} is no channel: write ACCOUNT/CHANNEL, as acme/bright-main",
            param_hint="ACCOUNT/CHANNEL",
        )
    return account, channel


def narrowed(account: str | None, channel: str | None) -> tuple[str | None, str | None]:
    """Account and channel of the two filter options, where the channel may name its account too.

    Raises:
        typer.BadParameter: they name two different accounts.
    """
    if channel is None or "/" not in channel:
        return account, channel
    named, code = place(channel)
    if account not in (None, named):
        raise typer.BadParameter(
            f"--account {account} and --channel {channel} name two accounts", param_hint="--channel"
        )
    return named, code


def business_key(order: str | None, sku: str | None) -> str | None:
    """The business key that ``--order`` or ``--sku`` asks for.

    Raises:
        typer.BadParameter: both were given.
    """
    if order is not None and sku is not None:
        raise typer.BadParameter("give --order or --sku, not both", param_hint="--sku")
    return order if order is not None else sku
