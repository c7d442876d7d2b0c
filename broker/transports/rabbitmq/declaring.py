"""Making and checking the topology on a RabbitMQ server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from broker.topology import Exchange, Queue, Topology
from broker.transports.rabbitmq.wire import Channel, ChannelLost
from domain.errors import ConfigurationError

_NOT_FOUND = 404
_PRECONDITION_FAILED = 406
_REFUSED = 403

Opener = Callable[[], Awaitable[Channel]]


def queue_arguments(queue: Queue) -> dict[str, Any]:
    """The arguments of a quorum queue. They are the same on RabbitMQ 3.10 and 4.x.

    Dead letters are moved at least once, which RabbitMQ only does together with ``reject-publish``.
    """
    arguments: dict[str, Any] = {"x-queue-type": "quorum"}
    if queue.single_active:
        arguments["x-single-active-consumer"] = True
    if queue.delivery_limit is not None:
        arguments["x-delivery-limit"] = queue.delivery_limit
    if queue.dead_letter is not None:
        arguments["x-dead-letter-exchange"] = queue.dead_letter
        arguments["x-dead-letter-strategy"] = "at-least-once"
        arguments["x-overflow"] = "reject-publish"
    if queue.max_bytes is not None:
        arguments["x-max-length-bytes"] = queue.max_bytes
        arguments["x-overflow"] = "reject-publish"
    return arguments


def exchange_arguments(exchange: Exchange) -> dict[str, Any]:
    """The arguments of an exchange."""
    return {} if exchange.alternate is None else {"alternate-exchange": exchange.alternate}


async def declare(open_channel: Opener, shape: Topology) -> list[str]:
    """Make everything that is missing; one sentence each.

    Raises:
        ConfigurationError: something is there with other properties, or this user may not declare.
        TransportUnavailable: RabbitMQ does not answer.
    """
    sentences = []
    for exchange in shape.exchanges:
        there = await _exists(open_channel, "exchange", exchange.name)
        await _make_exchange(open_channel, exchange)
        sentences.append(f"Exchange {exchange.name} {'was there' if there else 'was made'}.")
    for queue in shape.queues:
        there = await _exists(open_channel, "queue", queue.name)
        await _make_queue(open_channel, queue)
        sentences.append(f"Queue {queue.name} {'was there' if there else 'was made'}.")
    channel = await open_channel()
    try:
        for binding in shape.bindings:
            await channel.ask(channel.raw.queue_bind, binding.queue, binding.exchange, routing_key=binding.pattern)
    finally:
        channel.close()
    return [*sentences, f"{len(shape.bindings)} bindings are in place."]


async def check(open_channel: Opener, shape: Topology) -> list[str]:
    """What is missing, one sentence each.

    Passive declarations say only whether a name exists. AMQP 0-9-1 has no question for bindings or for the
    arguments of a queue, and a probe message would be an event like any other: `declare` finds queues that
    differ and adds missing bindings.

    Raises:
        TransportUnavailable: RabbitMQ does not answer.
    """
    names = [("exchange", exchange.name) for exchange in shape.exchanges]
    names += [("queue", queue.name) for queue in shape.queues]
    return [
        f"The {kind} {name} is missing; make it with `towpath topology declare`."
        for kind, name in names
        if not await _exists(open_channel, kind, name)
    ]


async def _exists(open_channel: Opener, kind: str, name: str) -> bool:
    channel = await open_channel()
    method = channel.raw.exchange_declare if kind == "exchange" else channel.raw.queue_declare
    try:
        await channel.ask(method, name, passive=True)
    except ChannelLost as error:
        if error.reply_code == _NOT_FOUND:
            return False
        raise
    finally:
        channel.close()
    return True


async def _make_exchange(open_channel: Opener, exchange: Exchange) -> None:
    channel = await open_channel()
    try:
        await channel.ask(
            channel.raw.exchange_declare,
            exchange.name,
            exchange_type=exchange.kind,
            durable=True,
            arguments=exchange_arguments(exchange),
        )
    except ChannelLost as error:
        raise _differs(f"exchange {exchange.name}", error) from None
    finally:
        channel.close()


async def _make_queue(open_channel: Opener, queue: Queue) -> None:
    channel = await open_channel()
    try:
        await channel.ask(channel.raw.queue_declare, queue.name, durable=True, arguments=queue_arguments(queue))
    except ChannelLost as error:
        raise _differs(f"queue {queue.name}", error) from None
    finally:
        channel.close()


def _differs(what: str, error: ChannelLost) -> Exception:
    if error.reply_code == _PRECONDITION_FAILED:
        return ConfigurationError(
            f"The {what} is there with other properties, and RabbitMQ cannot change them ({error.sentence}). "
            f"Let its takers empty it, delete it, then run `towpath topology declare` again."
        )
    if error.reply_code == _REFUSED:
        return ConfigurationError(
            f"This user may not declare the {what} ({error.sentence}). "
            "Run `towpath topology declare` with a user that has the configure right."
        )
    return error
