"""The C library's allocator, told to keep less."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of glibc's ``malloc.h``; its manual tells of them in mallopt(3)."""
TRIM_BYTES = 512 << 10
"""How much free memory at its end the heap may keep."""
MAPPED_BYTES = 512 << 10
"""From which size on a block is mapped by itself and given back at once; with less, each batch would be mapped anew."""


def keep_less() -> None:
    """Let all threads share one heap, and give back what a large batch needed.

    Python holds its interpreter lock while it allocates, so a heap for each thread makes nothing faster; they cost a
    worker under load some 10 MB. Without glibc nothing happens. To be called before threads are started.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TRIM_THRESHOLD, TRIM_BYTES)
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
