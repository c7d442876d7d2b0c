"""The published contract as data, made from the models: JSON Schemas, example events, AsyncAPI document."""

from broker.contract.document import asyncapi
from broker.contract.examples import examples
from broker.contract.publication import Problem, published, unpublished, write
from broker.contract.schemas import event_schemas, schema_id, schema_name, schemas

__all__ = [
    "Problem",
    "asyncapi",
    "event_schemas",
    "examples",
    "published",
    "schema_id",
    "schema_name",
    "schemas",
    "unpublished",
    "write",
]
