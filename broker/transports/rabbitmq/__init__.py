"""RabbitMQ over AMQP 0-9-1."""

from broker.transports.rabbitmq.settings import AmqpSettings
from broker.transports.rabbitmq.transport import RabbitTransport

__all__ = ["AmqpSettings", "RabbitTransport"]
