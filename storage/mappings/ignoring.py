"""Answering a missing code with "ignore"."""

from __future__ import annotations

from sqlalchemy import Connection, select

from domain.errors import InputError, UnknownName
from storage.desk.actions import discard
from storage.mapping_tables import mapping_tasks
from storage.mappings.tasks import close, hold, waiting_for


def ignore(connection: Connection, task_id: str, actor: str, now: int) -> int:
    """Close a task, and end what waits for it as discarded; how many deliveries.

    Raises:
        UnknownName: there is no such task.
        InputError: it was answered before.
    """
    query = select(mapping_tasks).where(mapping_tasks.c.id == task_id)
    task = connection.execute(query).first()
    if task is None:
        raise UnknownName(f"There is no task {task_id!r}.", code="unknown_task")
    hold(connection, task.channel_id, now)
    task = connection.execute(query).one()
    if task.state != "open":
        raise InputError(f"The task for {task.code!r} was answered before ({task.state}).", code="task_answered")
    waiting = waiting_for(connection, [task_id])
    close(connection, [task_id], "ignored", actor, now)
    reason = f"The code {task.code!r} is ignored by {actor}."
    return discard(connection, waiting, reason, now, actor, code="mapping_ignored")
