"""Holds answers against the OpenAPI document: status, content type and schema must be documented."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator


class Contract:
    """The OpenAPI document as a check of real answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._validators: dict[str, Draft202012Validator] = {}
        self._paths = {
            re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)): operations
            for path, operations in document["paths"].items()
        }

    async def check(self, response: httpx.Response) -> None:
        """Fail where an answer of a documented operation is not documented."""
        await response.aread()
        assert response.headers["x-content-type-options"] == "nosniff"
        if response.status_code >= 400 and not response.url.path.startswith("/readyz"):
            self.check_problem(response)
        operation = self._operation(response.request)
        if operation is None:
            return
        documented = operation["responses"].get(str(response.status_code))
        assert documented, f"{response.request.method} {response.url.path} answers {response.status_code}"
        kind = response.headers["content-type"].partition(";")[0]
        assert kind in documented["content"], f"{response.url.path} answers {kind}, undocumented"
        if kind.endswith("json"):
            self.validate(documented["content"][kind]["schema"], json.loads(response.content))

    def validate(self, schema: dict[str, Any], value: object) -> None:
        """Fail where ``value`` does not have the shape of ``schema``."""
        validator = self._validators.get(key := json.dumps(schema))
        if validator is None:
            validator = Draft202012Validator({**schema, "components": self.document["components"]})
            self._validators[key] = validator
        faults = [error.message for error in validator.iter_errors(value)]
        assert not faults, faults

    def check_problem(self, response: httpx.Response) -> None:
        """Fail where an error is no problem details document."""
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["status"] == response.status_code
        assert problem["type"] == f"urn:towpath:problem:{problem['code']}"
        assert problem["title"] and problem["detail"]
        assert problem["instance"].startswith("urn:uuid:")
        self.validate({"$ref": "#/components/schemas/Problem"}, problem)

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        for path, operations in self._paths.items():
            if path.fullmatch(request.url.path):
                found: dict[str, Any] | None = operations.get(request.method.lower())
                return found
        return None
