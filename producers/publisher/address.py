"""Where the broker is and how to be sure it is the right one."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from domain.errors import ConfigurationError

PORTS = {"amqp": 5672, "amqps": 5671}


@dataclass(frozen=True, slots=True)
class Address:
    """A RabbitMQ server and the credentials for it, which stay out of every text made of this."""

    host: str
    port: int
    virtual_host: str
    user: str = field(repr=False)
    password: str = field(repr=False)
    tls: bool = False
    ca_file: str | None = None

    @property
    def place(self) -> str:
        """Host, port and virtual host, for people."""
        return f"{self.host}:{self.port} (virtual host {self.virtual_host})"

    def options(self) -> dict[str, Any]:
        """Where and who, as options of kombu's connection; TLS always checks certificate and name."""
        tls = {
            "cert_reqs": ssl.CERT_REQUIRED,
            "ca_certs": self.ca_file,
            "server_hostname": self.host,
            "tls_minimum_version": ssl.TLSVersion.TLSv1_2,
        }
        return {
            "host": f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}",
            "virtual_host": self.virtual_host,
            "userid": self.user,
            "password": self.password,
            "login_method": "PLAIN",
            "ssl": tls if self.tls else False,
        }


def address_of(url: str, ca_file: str | None = None) -> Address:
    """Read ``amqp://user:password@host:port/vhost`` or ``amqps://…``, special characters percent-encoded.

    ``ca_file`` is the PEM file of the authority that signed the server's certificate, where the system does
    not know it.

    Raises:
        ConfigurationError: the URL or the file cannot be used. The sentence never repeats the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        stray = "@" in parts.path or "@" in parts.query or "@" in parts.fragment
    except ValueError:
        raise _unreadable() from None
    if parts.scheme not in PORTS or not parts.hostname or stray:
        raise _unreadable()
    if parts.query or parts.fragment:
        raise ConfigurationError("The broker URL carries options; the publisher takes them as parameters.")
    tls = parts.scheme == "amqps"
    if tls:
        _check_authority(ca_file)
    return Address(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        virtual_host=unquote(parts.path[1:]) or "/",
        user=unquote(parts.username or "") or "guest",
        password=unquote(parts.password or "") or "guest",
        tls=tls,
        ca_file=ca_file,
    )


def _unreadable() -> ConfigurationError:
    return ConfigurationError(
        "The broker URL cannot be read; write amqp://USER:PASSWORD@HOST:PORT/VHOST (amqps:// with TLS), "
        "special characters percent-encoded."
    )


def _check_authority(ca_file: str | None) -> None:
    try:
        ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The authority's certificate file {ca_file} cannot be read ({error}); it must be PEM."
        ) from None
