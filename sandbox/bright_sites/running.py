"""The shop in a thread of its own, for callers without an event loop."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from sandbox.bright_sites.control import PREFIX
from sandbox.bright_sites.server import serve
from sandbox.bright_sites.settings import ShopSettings
from sandbox.bright_sites.shop import Shop

START_SECONDS = 10


class RunningShop:
    """A shop that answers on `url` until `stop()`; a context manager. `shop` may be used from any thread."""

    def __init__(self, shop: Shop, host: str, port: int) -> None:
        self.shop = shop
        self.url = ""
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, args=(host, port), name="sandbox-shop", daemon=True)

    @property
    def control_url(self) -> str:
        """Where the control API answers."""
        return self.url + PREFIX

    def start(self) -> RunningShop:
        """Wait until it answers; OSError when the port is taken."""
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError(f"the sandbox shop did not start within {START_SECONDS} s")
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Close all connections and end the thread; a second call does nothing."""
        if self._loop is not None and self._task is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(START_SECONDS)

    def __enter__(self) -> RunningShop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, host: str, port: int) -> None:
        try:
            asyncio.run(self._serve(host, port))
        except asyncio.CancelledError:
            return
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self, host: str, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(serve(self.shop, host, port, self._announce))
        await self._task

    def _announce(self, url: str) -> None:
        self.url = url
        self._ready.set()


def start_in_thread(settings: ShopSettings | None = None, port: int = 0, host: str = "127.0.0.1") -> RunningShop:
    """Start a shop with these settings and wait until it answers. OSError when the port is taken."""
    return RunningShop(Shop(settings), host, port).start()
