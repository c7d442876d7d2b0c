"""Reads the fenced commands out of the documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fence:
    """One fenced block: its language, the words after it, and what stands inside."""

    language: str
    words: tuple[str, ...]
    body: str


def fences(document: Path) -> Iterator[Fence]:
    """The fenced blocks of a document, in order."""
    for found in _FENCE.finditer(document.read_text()):
        language, *words = found["info"].split() or [""]
        yield Fence(language, tuple(words), found["body"])


def documents() -> list[Path]:
    """All documents a person reads."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "sandbox" / "README.md"]
