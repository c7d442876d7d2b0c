"""A disk of a few megabytes that can be filled to the brim and freed again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.services.external import NotOursError

_PIECE = 64 * 1024


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own at ``folder``."""

    folder: Path

    @property
    def free(self) -> int:
        """Bytes left."""
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Write ballast until no more than ``leave`` bytes are left."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while (room := self.free - leave) > 0:
                file.write(bytes(min(room, _PIECE)))

    def empty(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """A tmpfs in the folder for temporary files, open to all users. Raises NotOursError where it may not be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="towpath-disk-"))
    try:
        _mount(folder, megabytes)
        try:
            yield SmallDisk(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


def _mount(folder: Path, megabytes: int) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "towpath-test", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NotOursError("a disk that is full needs a small tmpfs, and there is no mount command") from None
    if done.returncode:
        raise NotOursError(f"a disk that is full needs a small tmpfs, which root may mount: {done.stderr.strip()}")
