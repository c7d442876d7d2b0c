"""A TCP proxy in threads, to cut, hold back and refuse what flows between a publisher and its server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import urlsplit

Way = Literal["up", "down"]


@dataclass(eq=False)
class _Pair:
    """One connection: the publisher's end, the server's end, and the gates on the two ways between."""

    near: socket.socket
    far: socket.socket
    gates: dict[Way, threading.Event] = field(
        default_factory=lambda: {"up": threading.Event(), "down": threading.Event()}
    )
    allowance: int | None = None

    def end(self) -> None:
        for gate in self.gates.values():
            gate.set()
        for side in (self.near, self.far):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()


class Proxy:
    """Listens on a free loopback port in front of the server of ``url``; with ``tls`` it ends TLS itself."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        self._target = urlsplit(url)
        self._tls = tls
        self._pairs: list[_Pair] = []
        self._held: set[Way] = set()
        self._threads: list[threading.Thread] = []
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._listen)

    def address(self, *, host: str = "127.0.0.1", password: str | None = None) -> str:
        """The URL of the proxied server."""
        user = f"{self._target.username}:{password or self._target.password}"
        return f"{'amqps' if self._tls else 'amqp'}://{user}@{host}:{self.port}{self._target.path}"

    def hold(self, *ways: Way, new_too: bool = True) -> None:
        """Pass nothing on any more: a black hole, as long as it lasts."""
        for pair in list(self._pairs):
            for way in ways:
                pair.gates[way].clear()
        if new_too:
            self._held.update(ways)

    def release(self) -> None:
        """Pass on what was held and everything that follows."""
        self._held.clear()
        for pair in list(self._pairs):
            for gate in pair.gates.values():
                gate.set()

    def stop_after(self, count: int) -> None:
        """Pass ``count`` more bytes down on each present connection, then nothing."""
        for pair in list(self._pairs):
            pair.allowance = count

    def cut(self) -> None:
        """End all connections; new ones are accepted."""
        for pair in list(self._pairs):
            pair.end()

    def close(self) -> None:
        """End all connections and refuse new ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._start(self._serve, near)

    def _serve(self, near: socket.socket) -> None:
        try:
            if self._tls:
                near = self._tls.wrap_socket(near, server_side=True)
            far = socket.create_connection((self._target.hostname or "", self._target.port or 0))
        except OSError:
            near.close()
            return
        pair = _Pair(near, far)
        for way, gate in pair.gates.items():
            if way not in self._held:
                gate.set()
        self._pairs.append(pair)
        self.accepted += 1
        self._start(self._pump, pair, far, near, "down")
        self._pump(pair, near, far, "up")

    def _pump(self, pair: _Pair, source: socket.socket, sink: socket.socket, way: Way) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if way == "down" and pair.allowance is not None:
                    data, rest = data[: pair.allowance], data[pair.allowance :]
                    pair.allowance -= len(data)
                    if rest:
                        pair.gates["down"].clear()
                        sink.sendall(data)
                        data = rest
                pair.gates[way].wait()
                sink.sendall(data)
        pair.end()
