"""Reaching RabbitMQ: reasons for people, certificates checked, no credentials in any text."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from broker.transports.rabbitmq import AmqpSettings, RabbitTransport
from broker.transports.seam import Receipt
from domain.errors import ConfigurationError, TransportUnavailable
from tests.broker.transports.proxy import Proxy
from tests.broker.transports.shape import SHAPE, message
from tests.services.process import free_port
from tests.services.rabbitmq import Vhost

SECRET = "canary-5up3r-s3cret"


def transport_to(url: str, *, ca_file: str | None = None) -> RabbitTransport:
    return RabbitTransport(AmqpSettings(url=url, connect_timeout=1.5, ca_file=ca_file), SHAPE)


async def reason_of(url: str, *, ca_file: str | None = None) -> str:
    transport = transport_to(url, ca_file=ca_file)
    with pytest.raises(TransportUnavailable) as caught:
        await transport.start()
    assert not transport.healthy
    return caught.value.sentence


async def test_nobody_listening_is_said_with_the_address_after_the_connect_timeout() -> None:
    port = free_port()
    started = asyncio.get_running_loop().time()
    reason = await reason_of(f"amqp://guest:{SECRET}@127.0.0.1:{port}/")
    assert f"127.0.0.1:{port}" in reason
    assert asyncio.get_running_loop().time() - started < 4


async def test_a_server_that_never_answers_is_given_up_after_the_connect_timeout(vhost: Vhost) -> None:
    proxy = Proxy(vhost.url)
    await proxy.start()
    proxy.freeze()
    assert "no answer" in await reason_of(proxy.url)
    await proxy.close()


async def test_a_wrong_password_is_said_and_never_shown(vhost: Vhost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = vhost.url.replace(":guest@", f":{SECRET}@").replace(":towpath@", f":{SECRET}@")
    with capture_logs() as logs:
        reason = await reason_of(wrong)
    assert "user name or password was refused" in reason
    assert SECRET not in reason + str(logs) + caplog.text
    assert SECRET not in repr(AmqpSettings(url=wrong))


async def test_an_unknown_virtual_host_is_said(vhost: Vhost) -> None:
    assert "virtual host" in await reason_of(vhost.url + "-no-such")


@pytest.mark.parametrize(
    "url", [f"amqp://guest:{SECRET}@host:port/", f"amqp://{SECRET}@h/?heartbeat=a", "amqp://h/?no=1"]
)
def test_a_url_that_cannot_be_read_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        transport_to(url)
    assert SECRET not in caught.value.sentence


def test_a_missing_authority_file_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"no-such\.pem"):
        transport_to("amqps://guest:guest@localhost/", ca_file="no-such.pem")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that is its own authority, with its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates of this test; install it")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    subprocess.run(["openssl", "req", "-x509", *kind, *files, *names], check=True, capture_output=True)
    return tmp_path / "cert.pem"


async def test_tls_works_with_the_authority_given_and_is_refused_without(vhost: Vhost, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    proxy = Proxy(vhost.url, context)
    await proxy.start()
    assert "certificate was not accepted" in await reason_of(proxy.url)
    transport = transport_to(proxy.url, ca_file=str(certificate))
    await transport.start()
    await transport.declare()
    assert await transport.publish([message()]) == [Receipt.CONFIRMED]
    await transport.close()
    await proxy.close()


def test_by_default_whoever_consumes_notices_a_silent_connection_within_forty_seconds() -> None:
    usual = AmqpSettings(url="amqp://guest:guest@localhost/")
    assert usual.watchdog_seconds + usual.connect_timeout <= 40
