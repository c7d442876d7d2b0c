"""The paid *Push Orders* add-on: a placed order is posted to a URL, once, as *show order* JSON (facts, section 8)."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence

from sandbox.bright_sites.wire import Json, dumps

TIMEOUT = 10.0
Told = Callable[[Json, "int | str"], None]
"""Hears of each order that was posted, and the status it was answered with, or why there was no answer."""


def push_orders(url: str, documents: Sequence[Json], told: Told) -> threading.Thread:
    """Post the orders one after the other in a thread of its own; nothing is repeated."""
    thread = threading.Thread(target=_push, args=(url, documents, told), name="sandbox-push", daemon=True)
    thread.start()
    return thread


def _push(url: str, documents: Sequence[Json], told: Told) -> None:
    for document in documents:
        told(document, _post(url, document))


def _post(url: str, document: Json) -> int | str:
    head = {"content-type": "application/json"}
    request = urllib.request.Request(url, dumps(document).encode(), head, method="POST")  # noqa: S310 - settings take http(s) only
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - settings take http(s) only
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error).__name__
