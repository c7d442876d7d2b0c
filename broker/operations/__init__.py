"""The one operator surface: CLI, web and tests all go through it."""

from broker.operations.calls import BudgetUse, CallCount, Calls
from broker.operations.captures import CaptureFilter, CaptureRow, Captures, LoggedJob
from broker.operations.care import Care, ChannelRetention, HookRow, Received, Retention
from broker.operations.channel_life import ChannelEdit, Credentials
from broker.operations.desk import Desk
from broker.operations.keys import KeyRing
from broker.operations.mappings import Imported, Mappings, MappingTask, Released
from broker.operations.organizations import Organization
from broker.operations.people import AuditFilter, AuditRow, ChainReport, NewUser, People, User, actor_of
from broker.operations.sessions import NewSession, OpenSession, Session, SignIn, SignInRefused, TooManyTries
from broker.operations.settings import SettingRow, SettingsView, SettingVersion
from broker.operations.staff import Staff
from broker.operations.surface import Operations
from broker.operations.values import (
    ChannelRow,
    DeliveryRow,
    Finding,
    KeyHolder,
    KeyRow,
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
from broker.operations.warehouses import Warehouse

__all__ = [
    "AuditFilter",
    "AuditRow",
    "BudgetUse",
    "CallCount",
    "Calls",
    "CaptureFilter",
    "CaptureRow",
    "Captures",
    "Care",
    "ChainReport",
    "ChannelEdit",
    "ChannelRetention",
    "ChannelRow",
    "Credentials",
    "DeliveryRow",
    "Desk",
    "Finding",
    "HookRow",
    "Imported",
    "KeyHolder",
    "KeyRing",
    "KeyRow",
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
    "NewSession",
    "NewUser",
    "OpenSession",
    "Operations",
    "Organization",
    "People",
    "Received",
    "RejectedRow",
    "Released",
    "Retention",
    "ScheduleRow",
    "Session",
    "SettingRow",
    "SettingVersion",
    "SettingsView",
    "SignIn",
    "SignInRefused",
    "Staff",
    "Statistics",
    "TooManyTries",
    "User",
    "Warehouse",
    "actor_of",
]
