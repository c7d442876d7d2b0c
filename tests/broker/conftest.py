"""The small house, for everything that needs a ledger."""

from tests.house import clock, house, plain_logs

__all__ = ["clock", "house", "plain_logs"]
