"""The one operator surface: CLI, web and tests all go through it."""

from broker.operations.desk import Desk
from broker.operations.surface import Operations
from broker.operations.values import (
    ChannelRow,
    DeliveryRow,
    Finding,
    KeyHolder,
    LogFilter,
    LogRow,
    MessageFilter,
    MessageLife,
    MessageRow,
    NewChannel,
    NewKey,
    RejectedRow,
    ScheduleRow,
    Statistics,
)

__all__ = [
    "ChannelRow",
    "DeliveryRow",
    "Desk",
    "Finding",
    "KeyHolder",
    "LogFilter",
    "LogRow",
    "MessageFilter",
    "MessageLife",
    "MessageRow",
    "NewChannel",
    "NewKey",
    "Operations",
    "RejectedRow",
    "ScheduleRow",
    "Statistics",
]
