"""A private RabbitMQ node from installed binaries: own ports, own epmd, own folder, no root rights needed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tests.services.process import ServerFailedError, Workshop, free_port, wait_until

START_SECONDS = 90.0
VHOSTS_AT_ONCE = 8
ATTEMPTS = 3
# The package's scripts in /usr/sbin change the user and write to the system's folders; these do not.
SCRIPT_FOLDERS = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/opt/rabbitmq*/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
)


@dataclass(frozen=True)
class Vhost:
    """A virtual host of its own for one test."""

    name: str
    url: str


class Control(Protocol):
    """How to run rabbitmqctl against a server; raises ServerFailedError when the command fails."""

    def __call__(self, *arguments: str, stdin: str = "") -> str: ...


class VhostPool:
    """Hands out fresh virtual hosts; makes several at once, because each command takes about a second."""

    def __init__(self, control: Control, url: str, user: str) -> None:
        self._control = control
        self._base = url.rpartition("/")[0]
        self._user = user
        self._ready: list[str] = []
        self._made: list[str] = []

    def take(self) -> Vhost:
        """A virtual host nobody has used yet, in which the user may do everything."""
        if not self._ready:
            self._make(VHOSTS_AT_ONCE)
        name = self._ready.pop()
        return Vhost(name, f"{self._base}/{name}")

    def remove_all(self) -> None:
        """Remove every virtual host made here; for servers that outlive the run."""
        for name in self._made:
            self._control("delete_vhost", name)
        self._made.clear()
        self._ready.clear()

    def _make(self, count: int) -> None:
        names = [f"towpath-test-{uuid.uuid4().hex[:12]}" for _ in range(count)]
        rights = {"user": self._user, "configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "vhosts": [{"name": name} for name in names],
            "permissions": [{**rights, "vhost": name} for name in names],
        }
        self._control("import_definitions", "--format", "json", stdin=json.dumps(definitions))
        self._ready += names
        self._made += names


def settle(control: Control) -> None:
    """Write to disk which quorum queues exist; call it between declaring one and a crash.

    Measured on one 3.10.8 node: it writes this registry within a second. After a SIGKILL inside that second
    the queue never finds a leader again and its messages are out of reach; a later kill loses nothing.
    """
    control("eval", "[dets:sync(Table) || Table <- dets:all()].")


def find_rabbitmq() -> Path | None:
    """The folder with the newest node's own start scripts, or None when RabbitMQ is not installed."""
    for pattern in SCRIPT_FOLDERS:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            if (folder / "rabbitmq-server").exists():
                return folder
    return None


def answers_amqp(host: str, port: int) -> bool:
    """True when the server answers the AMQP 0-9-1 header with a method frame; an open port proves nothing."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


class RabbitServer:
    """One private node. Use `start_rabbitmq()`; close it, or use it as a context manager."""

    def __init__(self, scripts: Path, configuration: str = "", plugins: Sequence[str] = ()) -> None:
        self._scripts = scripts
        self._workshop = Workshop("rabbitmq")
        self._port = free_port()
        self._epmd_port = free_port()
        self._environment = self._make_environment()
        (self.folder / "rabbitmq.conf").write_text(configuration)
        (self.folder / "rabbitmq-env.conf").touch()
        (self.folder / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/%2F"
        self.vhosts = VhostPool(self.rabbitmqctl, self.url, "guest")

    @property
    def running(self) -> bool:
        """True while the node's process lives."""
        return self._node is not None and self._node.poll() is None

    @property
    def folder(self) -> Path:
        """Where the node keeps everything; gone after `close`."""
        return self._workshop.folder

    def start(self) -> None:
        """Start the node and wait until it answers AMQP; does nothing when it runs."""
        if self.running:
            return
        if self._epmd is None:
            epmd = ["-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._epmd = self._workshop.start([_epmd_binary(), *epmd], self._environment, "epmd.log")
        node = self._workshop.start([str(self._scripts / "rabbitmq-server")], self._environment, "node.out")
        self._node = node
        ready = wait_until(lambda: node.poll() is not None or answers_amqp("127.0.0.1", self._port), START_SECONDS)
        if not ready or node.poll() is not None:
            raise ServerFailedError(f"RabbitMQ did not start:\n{self._workshop.tail('node.out')}")

    def crash(self) -> None:
        """Kill the node as a power cut of the process would: SIGKILL for it and everything it started."""
        if self._node is not None:
            self._workshop.kill(self._node)
            self._node = None

    def restart(self) -> None:
        """Start the node again on the same port with the same data, killing it first when it still runs."""
        self.crash()
        self.start()

    def rabbitmqctl(self, *arguments: str, stdin: str = "") -> str:
        """Run rabbitmqctl against this node and return its output; raises ServerFailedError when it fails."""
        command = [str(self._scripts / "rabbitmqctl"), "-n", self._environment["RABBITMQ_NODENAME"], "-q"]
        done = self._workshop.run([*command, *arguments], self._environment, stdin)
        if done.returncode:
            raise ServerFailedError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def close(self) -> None:
        """End the node and its epmd and remove the folder. Can be called twice."""
        self._workshop.close()
        self._node = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_environment(self) -> dict[str, str]:
        home = self._workshop.folder
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"t{uuid.uuid4().hex[:8]}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_LOGS": f"{home}/log/rabbit.log",
            "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/rabbitmq-env.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{home}/advanced.config",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{home}/config",
            "RABBITMQ_FEATURE_FLAGS_FILE": f"{home}/feature_flags",
            "RABBITMQ_CTL_DIST_PORT_MIN": "0",
            "RABBITMQ_CTL_DIST_PORT_MAX": "0",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
        }


def start_rabbitmq(configuration: str = "", plugins: Sequence[str] = ()) -> RabbitServer:
    """Start a private node; raises ServerFailedError when it is not installed or three starts failed.

    `configuration` is the text of rabbitmq.conf, `plugins` names plugins such as ``rabbitmq_management``.

    Ports are chosen before they are bound, so a start that lost its port is tried again with others.
    """
    scripts = find_rabbitmq()
    if scripts is None:
        raise ServerFailedError("RabbitMQ is not installed")
    for attempt in range(1, ATTEMPTS + 1):
        server = RabbitServer(scripts, configuration, plugins)
        try:
            server.start()
        except BaseException as error:
            server.close()
            if attempt == ATTEMPTS or not isinstance(error, ServerFailedError):
                raise
        else:
            return server
    raise AssertionError("unreachable")


def _epmd_binary() -> str:
    found = shutil.which("epmd") or next(
        (str(path) for path in sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"), reverse=True)), None
    )
    if found is None:
        raise ServerFailedError("Erlang's epmd was not found next to RabbitMQ")
    return found
