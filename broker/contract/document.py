"""The AsyncAPI 3.0 document: what Towpath receives and sends, generated from events, jobs and topology."""

from __future__ import annotations

from typing import Any

from broker.contract.examples import examples
from broker.contract.schemas import event_names, models, payload_name, plain
from broker.topology import EVENTS, OMS, topology
from domain.envelope import STRUCTURED, Envelope
from domain.events import ANNOUNCED_TYPES, CONTRACT_VERSION, event_type
from domain.jobs import jobs_for

Part = dict[str, Any]

_BINDING = {"bindingVersion": "0.3.0"}
_SCHEMA = "#/components/schemas/{model}"
_ADDRESS = "{type}.{account}.{channel}"


def asyncapi() -> Part:
    """The document, ready for JSON; seen from Towpath: it receives on one exchange and sends on the other."""
    incoming = [name for name in event_names() if name not in ANNOUNCED_TYPES]
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:towpath:contract:v{CONTRACT_VERSION}",
        "info": {
            "title": "Towpath events",
            "version": f"{CONTRACT_VERSION}.0.0",
            "description": "CloudEvents 1.0 over AMQP 0-9-1. Any client may publish; publish persistent "
            "and mandatory, with publisher confirms. The pair (source, id) is the identity of an event: "
            "a copy is a duplicate and does nothing.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": STRUCTURED,
        "servers": {"rabbitmq": _server()},
        "channels": {
            "events": _channel(EVENTS, "What happened in shops and in the OMS, and ticks of the timer.", incoming),
            "oms": _channel(OMS, "What Towpath has to tell the OMS; bind a queue to hear it.", [*ANNOUNCED_TYPES]),
        },
        "operations": {
            "takeEvents": _operation("receive", "events", incoming, {"ack": True}),
            "tellOms": _operation("send", "oms", [*ANNOUNCED_TYPES], {"deliveryMode": 2, "mandatory": True}),
        },
        "components": {
            "messages": {_key(name): _message(name) for name in event_names()},
            "schemas": _schemas(),
            "securitySchemes": {"login": {"type": "userPassword", "description": "A user of the message broker."}},
        },
    }


def _key(name: str) -> str:
    """The key of a message: without the dots that some generators cannot make names of."""
    return name.replace(".", "_")


def _server() -> Part:
    return {
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "The RabbitMQ of the installation (3.10 to 4.x); amqps where it offers TLS.",
        "variables": {
            "host": {"default": "localhost", "description": "Where the message broker listens."},
            "port": {"default": "5672", "description": "5671 with TLS."},
            "vhost": {"default": "", "description": "Empty for the default virtual host."},
        },
        "security": [{"$ref": "#/components/securitySchemes/login"}],
    }


def _channel(exchange: str, description: str, names: list[str]) -> Part:
    known = next(each for each in topology().exchanges if each.name == exchange)
    bound = [binding.pattern for binding in topology().bindings if binding.exchange == exchange]
    return {
        "address": _ADDRESS,
        "title": exchange,
        "description": f"{description} The address is the routing key.",
        "servers": [{"$ref": "#/servers/rabbitmq"}],
        "messages": {_key(name): {"$ref": f"#/components/messages/{_key(name)}"} for name in names},
        "parameters": {
            "type": {"description": "The event type, as in the envelope.", "examples": names},
            "account": {"description": "The account's short code.", "examples": ["acme"]},
            "channel": {
                "description": "The channel's short code, or all.",
                "examples": ["bright-main", "all"],
            },
        },
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": exchange, "type": known.kind, "durable": True, "autoDelete": False},
                **_BINDING,
            }
        },
        "x-routing-keys": bound or [f"{name}.#" for name in names],
    }


def _operation(action: str, channel: str, names: list[str], binding: Part) -> Part:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{_key(name)}"} for name in names],
        "bindings": {"amqp": {**binding, **_BINDING}},
    }


def _message(name: str) -> Part:
    announced = ANNOUNCED_TYPES.get(name)
    jobs = [{"name": job.name, "description": job.title} for job in jobs_for(name)]
    return {
        "name": name,
        "title": name,
        "summary": announced.meaning if announced else event_type(name).meaning,
        "contentType": STRUCTURED,
        "headers": _headers(),
        "payload": {
            "allOf": [
                {"$ref": _SCHEMA.format(model="Envelope")},
                {
                    "type": "object",
                    "required": ["account", "data"],
                    "properties": {
                        "type": {"const": name},
                        "data": {"$ref": _SCHEMA.format(model=_model_of(name))},
                    },
                },
            ]
        },
        **({"tags": jobs} if jobs else {}),
        "bindings": {"amqp": {"messageType": name, **_BINDING}},
        "examples": [{"name": name, "payload": examples()[name]}],
    }


def _model_of(name: str) -> str:
    return models()[payload_name(name)][0].__name__


def _headers() -> Part:
    """Attributes as headers: only for binary mode (CloudEvents AMQP binding 1.0, section 3.1)."""
    members = Envelope.model_json_schema()["properties"]
    return {
        "type": "object",
        "description": "Only in binary mode: attributes stand here, the body is data (application/json).",
        "properties": {
            f"cloudEvents:{name}": {"description": f"the attribute {name}", "type": "string"}
            for name in members
            if name not in ("data", "datacontenttype")
        },
    }


def _schemas() -> Part:
    made: Part = {}
    for model, mode in models().values():
        schema = plain(model.model_json_schema(mode=mode, ref_template=_SCHEMA))
        made |= schema.pop("$defs", {})
        made[model.__name__] = schema
    return made
