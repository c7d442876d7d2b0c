"""*Master Product Source*: who is the origin of an account's products (sales channels, section 3)."""

from __future__ import annotations

OMS = "oms"
UPSTREAM = "upstream"
"""An external system that publishes products; like the OMS, it is no channel."""
PRODUCT_JOBS = ("product_import", "product_export")
"""The jobs that a source of products allows or not."""
EVENT_JOB = "product_export"
"""The one of them that runs without a period too: whenever the OMS changes a product."""


def source_refusal(source: str, job_type: str, channel_id: str, channel: str) -> str | None:
    """Why a job of a channel contradicts the account's source of products; ``None`` where it does not.

    ``source`` is :data:`OMS`, :data:`UPSTREAM` or the id of a channel; ``channel`` is the name or code by which
    people know the channel of ``channel_id``. Products come in from the source alone, and never go out to it.
    """
    if job_type == "product_import" and source != channel_id:
        return (
            f"Products are not imported from channel {channel}: the Master Product Source of the account is "
            f"{_named(source)}. Make this channel the source, or set the period of Import Products to none."
        )
    if job_type == "product_export" and source == channel_id:
        return (
            f"Products are not exported to channel {channel}: it is itself the Master Product Source of the account. "
            "Choose another source, or set the period of Export Products to none."
        )
    return None


def _named(source: str) -> str:
    return {OMS: "the OMS", UPSTREAM: "an external upstream"}.get(source, "another channel")
