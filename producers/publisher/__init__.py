"""What an upstream Python program imports to publish events."""

from broker.transports.seam import Receipt
from producers.publisher.amqp_publisher import AmqpPublisher, PublisherTimes
from producers.publisher.event_building import new_event
from producers.publisher.journal_publisher import Journal, JournalPublisher
from producers.publisher.opening import open_publisher
from producers.publisher.promise import Publisher, PublisherUnusable, PublishResult

__all__ = [
    "AmqpPublisher",
    "Journal",
    "JournalPublisher",
    "PublishResult",
    "Publisher",
    "PublisherTimes",
    "PublisherUnusable",
    "Receipt",
    "new_event",
    "open_publisher",
]
