"""Opens the publisher that a broker URL names."""

from __future__ import annotations

from domain.errors import ConfigurationError
from producers.publisher.amqp_publisher import AmqpPublisher, PublisherTimes
from producers.publisher.journal_publisher import Journal, JournalPublisher
from producers.publisher.promise import Publisher


def open_publisher(
    url: str,
    *,
    ca_file: str | None = None,
    times: PublisherTimes | None = None,
    journal: Journal | None = None,
) -> Publisher:
    """The publisher for ``amqp://…`` and ``amqps://…`` (RabbitMQ) or ``journal:`` (needs ``journal``).

    ``ca_file`` and ``times`` are for RabbitMQ; see :class:`AmqpPublisher`.

    Raises:
        ConfigurationError: another scheme, a URL that cannot be read, or ``journal:`` without a journal. The
            sentence never repeats the URL.
    """
    match url.partition(":")[0].lower():
        case "amqp" | "amqps":
            return AmqpPublisher(url, ca_file=ca_file, times=times)
        case "journal" if journal is not None:
            return JournalPublisher(journal)
        case "journal":
            raise ConfigurationError("The broker URL journal: needs an open journal, and none was given.")
    raise ConfigurationError("The broker URL must begin with amqp://, amqps:// or journal:. Check its beginning.")
