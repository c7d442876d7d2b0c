"""What lies behind the commands: the doors of :mod:`console.cli.seams`, opened on this house."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.plain import play_roles
from console.cli.seams import DemoOptions, DemoProgress, Doors, Opening, Roles
from domain.errors import TransportUnavailable

if TYPE_CHECKING:
    from app.settings import Settings
    from broker.operations import Operations
    from broker.transports.seam import Transport


def doors() -> Doors:
    """All doors; nothing is opened or read yet."""
    return Doors(
        open_operations=_operations,
        open_transport=_transport,
        run_roles=_roles,
        run_demo=_demo,
        run_sandbox=_sandbox,
        upgrade_database=_upgrade,
        rotate_keys=_rotate,
        asyncapi=_asyncapi,
        schemas=_schemas,
        settings_summary=_summary,
        debug=os.environ.get("TOWPATH_LOG") == "debug",
    )


def _settings(**overrides: Any) -> Settings:
    from app.logs import configure  # noqa: PLC0415 - keeps --help fast
    from app.settings import load  # noqa: PLC0415 - same

    settings = load(**overrides)
    configure(settings.log, settings.log_format)
    return settings


@contextlib.asynccontextmanager
async def _operations(opening: Opening) -> AsyncIterator[Operations]:
    """The operator surface. Commands work beside a running Towpath: SQLite lets one writer in at a time."""
    from app.house import open_house  # noqa: PLC0415 - keeps --help fast
    from app.logs import configure  # noqa: PLC0415 - same
    from app.settings import load  # noqa: PLC0415 - same

    settings = load()
    configure("warning" if settings.log == "info" else settings.log, settings.log_format)
    async with open_house(settings, connect=False) as house:
        if opening is Opening.EXAMINE:
            with contextlib.suppress(TransportUnavailable):
                await house.transport.start()
        yield house.operations


@contextlib.asynccontextmanager
async def _transport() -> AsyncIterator[Transport]:
    from app.house import open_house  # noqa: PLC0415 - keeps --help fast

    async with open_house(_settings(log="warning")) as house:
        yield house.transport


def _roles(roles: Roles) -> int:
    play_roles(
        relay=roles.relay,
        consume=bool(roles.jobs),
        timer=roles.timer,
        serve=roles.serve,
        jobs=roles.jobs,
        host=roles.host,
        port=roles.port,
    )
    return 0


def _demo(options: DemoOptions, show: Callable[[DemoProgress], None]) -> Mapping[str, Any]:
    from app.demo import play_day  # noqa: PLC0415 - keeps --help fast
    from app.demo.play import Day  # noqa: PLC0415 - same
    from app.logs import configure  # noqa: PLC0415 - same
    from app.settings import load  # noqa: PLC0415 - same

    given = {"broker_url": options.broker, "database_url": options.database}
    settings = load(log="error", **{name: value for name, value in given.items() if value is not None})
    configure(settings.log, settings.log_format)
    day = Day(options.seed, options.orders, keep=options.keep)
    return asyncio.run(play_day(settings, day, show)).as_data()


def _sandbox(arguments: Sequence[str]) -> int:
    from sandbox.__main__ import main as sandbox_main  # noqa: PLC0415 - keeps --help fast

    return sandbox_main(list(arguments))


def _upgrade() -> Sequence[str]:
    from storage.database import Database  # noqa: PLC0415 - keeps --help fast
    from storage.schema import upgrade  # noqa: PLC0415

    database = Database(_settings().database, exclusive=False)
    try:
        before, after = database.write(upgrade)
    finally:
        database.close()
    return [] if before == after else [f"The schema went from {before or 'nothing'} to {after}."]


def _rotate() -> Sequence[str]:
    from storage.database import Database  # noqa: PLC0415 - keeps --help fast
    from storage.desk.rotation import rotate  # noqa: PLC0415
    from storage.vault import Vault  # noqa: PLC0415

    settings = _settings()
    database = Database(settings.database, exclusive=False)
    try:
        vault = Vault(settings.keys())
        count = database.write(lambda connection: rotate(connection, vault))
    finally:
        database.close()
    return [f"{count} access tokens are sealed under the first key; older keys may go."]


def _asyncapi() -> Mapping[str, Any]:
    from broker.contract import asyncapi  # noqa: PLC0415 - keeps --help fast

    return asyncapi()


def _schemas() -> Mapping[str, Any]:
    from broker.contract import event_schemas  # noqa: PLC0415 - keeps --help fast

    return event_schemas()


def _summary() -> Mapping[str, str]:
    """Settings as ``doctor`` shows them: secrets masked, URLs without their passwords."""
    from app.logs import clean  # noqa: PLC0415 - keeps --help fast
    from app.settings import load  # noqa: PLC0415 - same

    settings = load()
    return {
        "broker": clean(settings.broker_url.get_secret_value()),
        "database": clean(settings.database),
        "data folder": str(settings.data_dir.resolve()),
        "secret keys": "from TOWPATH_SECRET_KEYS" if settings.secret_keys else "key file in the data folder",
        "HTTP": f"{settings.http_host}:{settings.http_port}",
    }
