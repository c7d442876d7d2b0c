"""Installs a missing server with apt, as root on Debian and its kin; one installation at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.services.process import ServerFailedError

# Debian asks this script before a package starts its service; exit code 101 means no.
POLICY = Path("/usr/sbin/policy-rc.d")
PACKAGES = Path("/var/lib/dpkg")
REFUSE = "#!/bin/sh\nexit 101\n"


def can_install() -> bool:
    """True for root on a system with apt."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(package: str, found: Callable[[], Path | None]) -> None:
    """Install a Debian package without letting it start a system service.

    `found` tells whether it is still needed once the turn has come. Raises ServerFailedError.
    """
    with _one_at_a_time():
        if found():
            return
        with _no_service_starts():
            _apt("update", "-qq")
            _apt("install", "-y", "-qq", "--no-install-recommends", package)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    folder = os.open(PACKAGES, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-o", "DPkg::Lock::Timeout=120"]
    done = subprocess.run(
        ["apt-get", *options, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise ServerFailedError(f"apt-get {' '.join(arguments)} failed: {done.stderr.strip()[-500:]}")


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text(REFUSE)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
