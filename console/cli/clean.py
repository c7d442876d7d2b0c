"""Text from outside, made safe for a terminal."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """The text in one line, without what would move the cursor or reorder what is read."""
    return _UNSAFE.sub("�", text.replace("\n", " ").replace("\t", " ").replace("\r", " "))
