"""Program logs: structlog as JSON or for a console, with secrets and personal data kept out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

_SECRET_NAMES = re.compile(r"token|secret|password|authorization|cookie|hmac|api_?key|credential", re.IGNORECASE)
_SECRET_VALUES = re.compile(r"tp_[A-Za-z0-9_-]{20,}|(?<=://)[^/@\s:]*:[^@\s]+(?=@)")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_PHONE = re.compile(r"(?<![\w.:-])(?!\d{4}-\d\d-\d\d(?!\d))\+?\d[\d ()/-]{8,}\d(?![\w.:-])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LONGEST = 2000


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what is secret by name, mask what looks secret or personal, cut what is long (ASVS 5.0, 16.2 and 16.4.1)."""
    for name, value in event.items():
        if name not in ("timestamp", "level", "_record", "_from_structlog"):
            event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(name):
        return "[secret]"
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _redacted(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", each) for each in value]
    return clean(value if isinstance(value, str) else repr(value))


def clean(text: str) -> str:
    """Text without secrets, mail addresses, phone numbers and control characters, at most 2,000 characters."""
    text = _SECRET_VALUES.sub("[secret]", text)
    text = _MAIL.sub("[mail]", text)
    text = _PHONE.sub("[phone]", text)
    return _CONTROL.sub(" ", text)[:_LONGEST]


def configure(level: str, form: Literal["auto", "console", "json"]) -> None:
    """Send structlog and the standard library's logs to stderr in one form."""
    pretty = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if pretty else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "aiohttp", "amqp", "sqlalchemy.engine", "alembic", "uvicorn", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # pika warns of every channel that a passive declare closed, which is how topology is checked.
    logging.getLogger("pika").setLevel(logging.ERROR)
