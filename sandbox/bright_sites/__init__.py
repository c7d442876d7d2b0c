"""A Bright Sites shop: a real HTTP server with memory, faults on request and a ledger."""

from sandbox.bright_sites.buyers import SoldOutError, Wish
from sandbox.bright_sites.faults import Fault, FaultRule
from sandbox.bright_sites.ledger import CallRecord, Effect, Ledger
from sandbox.bright_sites.running import RunningShop, start_in_thread
from sandbox.bright_sites.server import create_app, serve
from sandbox.bright_sites.settings import ShopSettings
from sandbox.bright_sites.shop import Shop
from sandbox.bright_sites.tokens import Token

__all__ = [
    "CallRecord",
    "Effect",
    "Fault",
    "FaultRule",
    "Ledger",
    "RunningShop",
    "Shop",
    "ShopSettings",
    "SoldOutError",
    "Token",
    "Wish",
    "create_app",
    "serve",
    "start_in_thread",
]
