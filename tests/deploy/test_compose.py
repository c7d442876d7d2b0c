"""The compose file: every role is there, watched, ordered, and without a secret in the file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = {"rabbitmq", "postgresql"}
ONE_SHOT = {"migrate", "topology", "rabbitmq-users"}
OURS = {name: service for name, service in SERVICES.items() if name not in SERVERS}
COMMANDS = {
    ("db", "upgrade"),
    ("topology", "declare"),
    ("serve",),
    ("relay",),
    ("timer",),
    ("consume", "order_import"),
    ("consume", "order_update"),
    ("consume", "shipment_export"),
    ("consume", "inventory_export"),
    ("consume", "inventory_import"),
    ("consume", "product_import"),
    ("consume", "product_export"),
}


def test_each_role_and_each_job_type_has_its_service() -> None:
    commands = {
        tuple(word for word in service["command"] if not word.startswith("-"))[:2]
        for service in OURS.values()
        if "command" in service
    }
    assert {command[:1] if command[0] == "serve" else command for command in commands} == COMMANDS


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert service["restart"].startswith("on-failure")
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_waits_for_what_it_needs(name: str) -> None:
    for needed, how in OURS[name]["depends_on"].items():
        expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
        assert how["condition"] == expected
        assert "healthcheck" in SERVICES[needed] or needed in ONE_SHOT


def test_every_role_starts_after_the_tables_and_the_topology() -> None:
    for name in OURS.keys() - ONE_SHOT:
        assert {"migrate", "topology"} <= OURS[name]["depends_on"].keys(), name


def test_the_servers_are_out_of_reach_and_only_what_calls_out_can_call_out() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == {"serve", *(name for name in SERVICES if name.startswith("consume-"))}
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"serve"}


def test_every_secret_comes_from_the_environment_and_is_explained() -> None:
    example = (ROOT / ".env.example").read_text()
    wanted = set(re.findall(r"\$\{(\w+):\?", TEXT))
    documented = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert wanted == {name for name in documented if name != "TOWPATH_HTTP_PORT"}
    assert {documented[name] for name in wanted} == {""}
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASS|SECRET", name) or value.startswith("${"), name


def test_the_image_runs_the_locked_packages_as_nobody_special() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes -r requirements.lock" in dockerfile
    assert dockerfile.index("USER towpath") < dockerfile.index("ENTRYPOINT")
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for copied in ("pyproject.toml", "requirements.lock", "README.md", "LICENSE", "deploy/rabbitmq/users.py"):
        assert f"!{copied}" in ignored
