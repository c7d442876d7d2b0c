"""Which publisher a URL opens, and what no text ever shows of it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from broker.transports.seam import Outgoing
from domain.errors import ConfigurationError, StorageUnavailable, TransportUnavailable
from producers.publisher import AmqpPublisher, JournalPublisher, Receipt, open_publisher
from producers.publisher.address import address_of
from tests.producers.publisher.places import QUICK, AmqpPlace, order
from tests.producers.publisher.proxy import Proxy

CANARY = "c4n4ry-secret"


class FakeJournal:
    """Answers as it is told."""

    def __init__(self, answer: Callable[[], Sequence[Receipt]]) -> None:
        self._answer = answer

    def append(self, batch: Sequence[Outgoing]) -> Sequence[Receipt]:
        return self._answer()


def test_the_url_chooses_the_publisher() -> None:
    journal = FakeJournal(list)

    assert isinstance(open_publisher("amqp://localhost"), AmqpPublisher)
    assert isinstance(open_publisher("amqps://localhost"), AmqpPublisher)
    assert isinstance(open_publisher("journal:", journal=journal), JournalPublisher)


@pytest.mark.parametrize(
    "url",
    [
        "journal:",
        "memory:",
        "",
        "amqp:",
        "amqp://",
        f"redis://user:{CANARY}@host",
        f"amqp://user:{CANARY}/with/slashes@host/vhost",
        f"amqp://user:{CANARY}#x@host/vhost",
        f"amqp://user:{CANARY}?x@host/vhost",
        f"amqp://user:{CANARY}@host:port/vhost",
        f"amqp://user:{CANARY}@host:99999/vhost",
        f"amqp://user:{CANARY}@[::1/vhost",
        f"amqp://user:{CANARY}@host/vhost?heartbeat=10",
    ],
)
def test_a_url_that_cannot_be_used_is_said_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_publisher(url)

    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_url_is_read_with_its_percent_encoding() -> None:
    address = address_of("amqp://us%40er:p%2Fw@[::1]:5673/my%2Fhost")

    assert (address.user, address.password, address.virtual_host) == ("us@er", "p/w", "my/host")
    assert address.options()["host"] == "[::1]:5673"


def test_what_the_url_leaves_out_has_the_usual_values() -> None:
    plain, tls = address_of("amqp://broker"), address_of("amqps://broker")

    assert (plain.port, plain.virtual_host, plain.user) == (5672, "/", "guest")
    assert tls.port == 5671
    assert "guest" not in repr(plain)


def test_a_file_of_the_authority_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    for name, text in (("missing.pem", None), ("empty.pem", "no certificate")):
        if text:
            (tmp_path / name).write_text(text)
        with pytest.raises(ConfigurationError, match=name):
            AmqpPublisher("amqps://broker", ca_file=str(tmp_path / name))


def test_no_password_is_ever_shown(
    rabbit: AmqpPlace, proxy: Proxy, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    with AmqpPublisher(proxy.address(password=CANARY), times=QUICK) as publisher:
        results = [publisher.publish(order())]
        proxy.hold("up", "down")
        results.append(publisher.publish(order()))
        proxy.close()
        results.append(publisher.publish(order()))
        shown += [repr(publisher), str(vars(publisher))]

    assert {result.outcome for result in results} == {Receipt.REFUSED}
    assert "user name or password" in results[0].sentence
    output = capsys.readouterr()
    everything = "".join(map(repr, results)) + caplog.text + output.out + output.err + "".join(shown)
    assert proxy.address().split("@")[1] in everything.replace(" (virtual host ", "/").replace(")", "")
    assert CANARY not in everything


@pytest.mark.parametrize("error", [StorageUnavailable("The disk is full."), TransportUnavailable("Gone.")])
def test_a_journal_that_cannot_write_leaves_the_outcome_unknown(error: Exception) -> None:
    def fail() -> Sequence[Receipt]:
        raise error

    result = JournalPublisher(FakeJournal(fail)).publish(order())

    assert result.outcome is Receipt.UNKNOWN
    assert str(error) in result.sentence


@pytest.mark.parametrize("receipt", list(Receipt))
def test_the_receipt_of_the_journal_is_the_outcome(receipt: Receipt) -> None:
    event = order()

    result = JournalPublisher(FakeJournal(lambda: [receipt])).publish(event)

    assert (result.outcome, result.event_id) == (receipt, event.id)
