"""The one operator surface: CLI, web and tests all go through it."""

from broker.operations.care import Care, ChannelRetention, HookRow, Received, Retention
from broker.operations.desk import Desk
from broker.operations.mappings import Imported, Mappings, MappingTask, Released
from broker.operations.people import AuditFilter, AuditRow, ChainReport, NewUser, People, User, actor_of
from broker.operations.staff import Staff
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
    "AuditFilter",
    "AuditRow",
    "Care",
    "ChainReport",
    "ChannelRetention",
    "ChannelRow",
    "DeliveryRow",
    "Desk",
    "Finding",
    "HookRow",
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
    "NewUser",
    "Operations",
    "People",
    "Received",
    "RejectedRow",
    "Released",
    "Retention",
    "ScheduleRow",
    "Staff",
    "Statistics",
    "User",
    "actor_of",
]
