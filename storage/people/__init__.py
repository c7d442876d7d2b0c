"""People in SQL: users, their roles and passwords, and the audit of what anybody changed."""

from storage.people.sql_people import SqlPeople

__all__ = ["SqlPeople"]
