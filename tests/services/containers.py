"""RabbitMQ and PostgreSQL in containers, where a Docker engine answers; removed at the end."""

from __future__ import annotations

import gc
import os
import warnings
from pathlib import Path

import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from tests.services.postgresql import Databases, answers_sql
from tests.services.process import ServerFailedError, free_port, wait_until
from tests.services.rabbitmq import VhostPool, answers_amqp

RABBITMQ_IMAGE = os.environ.get("TOWPATH_TEST_RABBITMQ_IMAGE", "rabbitmq:4.2")
POSTGRESQL_IMAGE = os.environ.get("TOWPATH_TEST_POSTGRESQL_IMAGE", "postgres:17")
START_SECONDS = 180.0


def engine_answers() -> bool:
    """True when a Docker engine answers a ping; the mere client or a dead socket does not count."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith("unix://") and not Path(host.removeprefix("unix://")).exists():
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker leaves its socket open when nobody listens
        try:
            client = docker.from_env(timeout=5)
            client.ping()
            client.close()
        except DockerException:
            return False
        finally:
            gc.collect()
    return True


class _Container:
    """A container on one fixed host port, so that it comes back on the same address after a crash."""

    def __init__(self, image: str, port: int, variables: dict[str, str]) -> None:
        self.port = free_port()
        self._container = DockerContainer(image).with_envs(**variables).with_bind_ports(port, self.port)
        self._container.start()
        self.host = self._container.get_container_host_ip()

    @property
    def running(self) -> bool:
        """True while the container runs."""
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return bool(wrapped.status == "running")

    def crash(self) -> None:
        """Kill the container's processes with SIGKILL; its data stay."""
        if self.running:
            self._container.get_wrapped_container().kill()

    def start_again(self) -> None:
        """Start the same container again, killing it first when it still runs."""
        self.crash()
        self._container.get_wrapped_container().start()

    def execute(self, command: list[str], stdin: str) -> str:
        """Run a command inside with this input and return its output; raises ServerFailedError on failure."""
        self._container.copy_into_container(stdin.encode(), "/tmp/stdin")
        done = self._container.exec(["sh", "-c", 'exec "$@" < /tmp/stdin', "sh", *command])
        text = bytes(done.output or b"").decode(errors="replace")
        if done.exit_code:
            raise ServerFailedError(f"{' '.join(command)}: {text}")
        return text

    def close(self) -> None:
        """Remove the container and its data."""
        self._container.stop()


class ContainerRabbit:
    """RabbitMQ in a container, with the same surface as the private node."""

    def __init__(self) -> None:
        # The image lets guest in from other hosts only when it is named in the environment.
        user = {"RABBITMQ_DEFAULT_USER": "towpath", "RABBITMQ_DEFAULT_PASS": "towpath"}
        self._box = _Container(RABBITMQ_IMAGE, 5672, user)
        self.url = f"amqp://towpath:towpath@{self._box.host}:{self._box.port}/%2F"
        self.vhosts = VhostPool(self.rabbitmqctl, self.url, "towpath")
        self.close = self._box.close
        self.crash = self._box.crash
        self._wait()

    @property
    def running(self) -> bool:
        """True while the container runs."""
        return self._box.running

    def restart(self) -> None:
        """Start it again on the same port with the same data."""
        self._box.start_again()
        self._wait()

    def rabbitmqctl(self, *arguments: str, stdin: str = "") -> str:
        """Run rabbitmqctl inside the container; raises ServerFailedError when it fails."""
        return self._box.execute(["rabbitmqctl", "-q", *arguments], stdin)

    def _wait(self) -> None:
        if not wait_until(lambda: answers_amqp(self._box.host, self._box.port), START_SECONDS):
            raise ServerFailedError(f"{RABBITMQ_IMAGE} did not answer AMQP within {START_SECONDS:.0f} s")


class ContainerPostgres:
    """PostgreSQL in a container, with the same surface as the private server."""

    def __init__(self) -> None:
        self._box = _Container(POSTGRESQL_IMAGE, 5432, {"POSTGRES_HOST_AUTH_METHOD": "trust"})
        self.url = f"postgresql+psycopg://postgres@{self._box.host}:{self._box.port}/postgres"
        self.databases = Databases(self.url)
        self.close = self._box.close
        self.crash = self._box.crash
        self._wait()

    @property
    def running(self) -> bool:
        """True while the container runs."""
        return self._box.running

    def restart(self) -> None:
        """Start it again on the same port with the same data."""
        self._box.start_again()
        self._wait()

    def _wait(self) -> None:
        if not wait_until(lambda: answers_sql(self.url), START_SECONDS):
            raise ServerFailedError(f"{POSTGRESQL_IMAGE} did not answer SQL within {START_SECONDS:.0f} s")
