"""The desk in SQL: what people look up and change."""

from storage.desk.sql_desk import SqlDesk

__all__ = ["SqlDesk"]
