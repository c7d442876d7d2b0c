"""Opens the transport that a broker URL names."""

from __future__ import annotations

from broker.topology import Topology, topology
from broker.transports.journal import JournalTransport
from broker.transports.journal_store import JournalStore
from broker.transports.memory import InMemoryTransport, MemoryBroker
from broker.transports.rabbitmq import AmqpSettings, RabbitTransport
from broker.transports.seam import Transport
from domain.errors import ConfigurationError


def open_transport(
    url: str,
    *,
    shape: Topology | None = None,
    journal: JournalStore | None = None,
    ca_file: str | None = None,
) -> Transport:
    """The transport for a broker URL, not started yet.

    ``amqp://`` and ``amqps://`` mean RabbitMQ (``ca_file``: PEM file of the authority that signed its
    certificate), ``journal:`` the queues in the ledger's database (needs ``journal``), ``memory:`` a twin
    that forgets everything. ``shape`` is the topology, this version's unless given; the journal brings its
    own.

    Raises:
        ConfigurationError: another scheme, or ``journal:`` without a store. The sentence never repeats the
        URL.
    """
    scheme, colon, _ = url.partition(":")
    match scheme.lower() if colon else "":
        case "amqp" | "amqps":
            return RabbitTransport(AmqpSettings(url=url, ca_file=ca_file), shape or topology())
        case "journal" if journal is not None:
            return JournalTransport(journal)
        case "journal":
            raise ConfigurationError("The broker URL journal: needs the ledger's database, and none was opened.")
        case "memory":
            return InMemoryTransport(MemoryBroker(shape))
    raise ConfigurationError(
        "TOWPATH_BROKER_URL must begin with amqp://, amqps://, journal: or memory:. Check its beginning."
    )
