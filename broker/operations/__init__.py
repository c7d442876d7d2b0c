"""The one operator surface: CLI, web and tests all go through it."""

from broker.operations.desk import Desk
from broker.operations.mappings import Imported, Mappings, MappingTask, Released
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
    "Imported",
    "KeyHolder",
    "LogFilter",
    "LogRow",
    "MappingTask",
    "Mappings",
    "MessageFilter",
    "MessageLife",
    "MessageRow",
    "NewChannel",
    "NewKey",
    "Operations",
    "RejectedRow",
    "Released",
    "ScheduleRow",
    "Statistics",
]
