"""The small house, for everything that needs a ledger."""

from tests.house import clock, house

__all__ = ["clock", "house"]
