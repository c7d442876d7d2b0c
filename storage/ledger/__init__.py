"""The ledger in SQL: messages, deliveries, lanes, sync log and outbox."""

from storage.ledger.sql_ledger import SqlLedger

__all__ = ["SqlLedger"]
