"""Publishing over TLS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.topology import INBOX
from producers.publisher import AmqpPublisher, PublisherTimes, Receipt
from tests.producers.publisher.places import AmqpPlace, order
from tests.producers.publisher.proxy import Proxy

PATIENT = PublisherTimes(deadline=20.0)


@dataclass(frozen=True)
class Certificate:
    """A certificate for `localhost` that signs itself, and a server that shows it."""

    file: str
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    unencrypted = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return Certificate(str(folder / "cert.pem"), server)


def test_a_server_with_the_right_certificate_is_published_to(rabbit: AmqpPlace, certificate: Certificate) -> None:
    events = [order(number) for number in range(300)]
    with Proxy(rabbit.url, certificate.server) as proxy:
        url = proxy.address(host="localhost")
        with AmqpPublisher(url, ca_file=certificate.file, times=PATIENT) as publisher:
            results = publisher.publish_many(events)

    assert {result.outcome for result in results} == {Receipt.CONFIRMED}
    assert len(rabbit.arrived(INBOX, 300)) == 300


@pytest.mark.parametrize(
    ("host", "trusted"), [("localhost", False), ("127.0.0.1", True)], ids=["unknown authority", "wrong name"]
)
def test_a_certificate_that_cannot_be_verified_is_refused_at_once(
    rabbit: AmqpPlace, certificate: Certificate, host: str, trusted: bool
) -> None:
    with Proxy(rabbit.url, certificate.server) as proxy:
        ca_file = certificate.file if trusted else None
        with AmqpPublisher(proxy.address(host=host), ca_file=ca_file, times=PATIENT) as publisher:
            result = publisher.publish(order())

    assert result.outcome is Receipt.REFUSED
    assert "certificate was not accepted" in result.sentence
