"""The one operator surface: CLI, web and tests all go through it."""

from broker.operations.calls import BudgetUse, CallCount, Calls
from broker.operations.captures import CaptureFilter, CaptureRow, Captures, LoggedJob
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
    "BudgetUse",
    "CallCount",
    "Calls",
    "CaptureFilter",
    "CaptureRow",
    "Captures",
    "ChainReport",
    "ChannelRow",
    "DeliveryRow",
    "Desk",
    "Finding",
    "Imported",
    "KeyHolder",
    "LogFilter",
    "LogRow",
    "LoggedJob",
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
    "RejectedRow",
    "Released",
    "ScheduleRow",
    "Staff",
    "Statistics",
    "User",
    "actor_of",
]
