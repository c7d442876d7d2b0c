"""How to reach RabbitMQ."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pika

from domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class AmqpSettings:
    """Address and patience. Times are in seconds.

    ``url`` is ``amqp://user:password@host:port/vhost`` or ``amqps://…``; it is left out of every text made of
    this. ``window`` is how many published messages may wait for their confirm. ``watchdog_seconds`` is how
    often the transport proves that it consumes; twice that without proof counts as unhealthy. ``ca_file`` is
    the PEM file of the authority that signed the server's certificate, where the system does not know it.
    """

    url: str = field(repr=False)
    connect_timeout: float = 10.0
    confirm_timeout: float = 10.0
    heartbeat: int = 30
    window: int = 500
    watchdog_seconds: float = 30.0
    ca_file: str | None = None

    @property
    def place(self) -> str:
        """Host, port and virtual host, for people; no credentials."""
        known = parameters(self)
        return f"{known.host}:{known.port} (virtual host {known.virtual_host})"


def parameters(settings: AmqpSettings) -> Any:
    """Pika's connection parameters; TLS always checks the server's certificate and name.

    Raises:
        ConfigurationError: the URL or the authority's file cannot be used. The sentence never repeats the
        URL.
    """
    scheme = urlsplit(settings.url).scheme
    try:
        made = pika.URLParameters(settings.url)
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(
            "TOWPATH_BROKER_URL cannot be read; write amqp://USER:PASSWORD@HOST:PORT/VHOST with special "
            "characters percent-encoded (the virtual host / is %2F)."
        ) from None
    made.ssl_options = pika.SSLOptions(_tls(settings.ca_file), made.host) if scheme == "amqps" else None
    made.heartbeat = settings.heartbeat
    made.socket_timeout = made.stack_timeout = settings.connect_timeout
    made.connection_attempts = 1
    made.blocked_connection_timeout = None
    made.client_properties = {"product": "Towpath", "connection_name": "towpath"}
    return made


def _tls(ca_file: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The authority's certificate file {ca_file} cannot be read ({error}); it must be PEM."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
