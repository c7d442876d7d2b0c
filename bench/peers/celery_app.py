"""Celery: prefork, late acknowledgement, one psycopg connection and one urllib3 pool per child.

Run as ``celery --app bench.peers.celery_app worker`` with BENCH_BROKER, BENCH_DSN and BENCH_SHOP set.
"""

from __future__ import annotations

import os
from typing import Any

import psycopg
import urllib3
from celery import Celery  # type: ignore[import-untyped]
from celery.signals import worker_process_init  # type: ignore[import-untyped]
from kombu.entity import Exchange, Queue

from bench.publishing import EXCHANGE, QUEUE
from bench.work import COLUMNS, HEADERS, Event, body_of, log_row, micros, path_of

app = Celery("bench", broker=os.environ.get("BENCH_BROKER", "amqp://"))
app.conf.update(
    task_default_queue_type="quorum",
    task_queues=[
        Queue(  # type: ignore[no-untyped-call]
            QUEUE,
            Exchange(EXCHANGE, type="topic", durable=True),  # type: ignore[no-untyped-call]
            routing_key="#",
            durable=True,
            queue_arguments={"x-queue-type": "quorum"},
        )
    ],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    worker_prefetch_multiplier=50,
    worker_disable_rate_limits=True,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)

_INSERT = f"INSERT INTO sync_log ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})".encode()  # noqa: S608 - names from this package
_own: dict[str, Any] = {}


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _open(**_: object) -> None:
    """A child opens its own connections; they are not shared over a fork."""
    _own["shop"] = urllib3.connection_from_url(os.environ["BENCH_SHOP"], headers=HEADERS, retries=False)
    _own["database"] = psycopg.connect(os.environ["BENCH_DSN"], autocommit=True, prepare_threshold=0)


@app.task(name="bench.export", typing=False)  # type: ignore[untyped-decorator]
def export(document: dict[str, Any]) -> None:
    """One event; acknowledged by Celery after this returned."""
    event = Event.model_validate(document)
    began = micros()
    answer = _own["shop"].urlopen("POST", path_of(event), body=body_of(event), headers=HEADERS)
    _own["database"].execute(_INSERT, log_row(event, began, answer.status, answer.data))
