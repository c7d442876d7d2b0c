"""The contract as files, and the rule that a published schema never changes under its version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.contract.document import asyncapi
from broker.contract.examples import examples
from broker.contract.schemas import schemas
from domain.events import CONTRACT_VERSION

COMMAND = "python -m broker.contract"
_WORDS_ONLY = frozenset({"title", "description", "examples"})


@dataclass(frozen=True, slots=True)
class Problem:
    """A published file that does not say what the models say; ``breaks``: more than its words changed."""

    path: str
    sentence: str
    breaks: bool


def published() -> dict[str, str]:
    """Path below ``docs/contract`` → text of every file of this version."""
    folder = f"v{CONTRACT_VERSION}"
    documents: dict[str, Any] = {f"{folder}/{name}.json": schema for name, schema in schemas().items()}
    documents |= {f"examples/{name}.json": example for name, example in examples().items()}
    documents["asyncapi.json"] = asyncapi()
    return {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}


def unpublished(folder: Path) -> list[Problem]:
    """What of the files in ``folder`` differs from the models; empty when the publication is exact."""
    problems = []
    wanted = published()
    for path, text in wanted.items():
        file = folder / path
        if not file.is_file():
            problems.append(Problem(path, f"{path} is not published. Run: {COMMAND}", False))
        elif (there := file.read_text("utf-8")) != text:
            problems.append(_differs(path, there, text))
    current = f"v{CONTRACT_VERSION}"
    for file in sorted(folder.glob("**/*.json")):
        path = file.relative_to(folder).as_posix()
        if path not in wanted and path.split("/")[0] in (current, "examples"):
            problems.append(_left_over(path, breaks=path.startswith(current)))
    return problems


def _differs(path: str, there: str, text: str) -> Problem:
    if path.startswith("v") and _bones(json.loads(there)) != _bones(json.loads(text)):
        sentence = (
            f"The published schema {path} changed. Senders rely on it: raise CONTRACT_VERSION in "
            f"domain/events.py, then run: {COMMAND}"
        )
        return Problem(path, sentence, True)
    return Problem(path, f"{path} is older than the models; its words or examples changed. Run: {COMMAND}", False)


def _left_over(path: str, *, breaks: bool) -> Problem:
    if breaks:
        sentence = f"{path} is published and no model makes it any more: raise CONTRACT_VERSION in domain/events.py."
    else:
        sentence = f"{path} is an example of no event type. Delete it."
    return Problem(path, sentence, breaks)


def _bones(schema: Any, *, named: bool = False) -> Any:
    """A schema without its words; ``named`` where the members of a mapping are names and not keywords."""
    if isinstance(schema, dict):
        return {
            name: _bones(value, named=not named and name in ("properties", "$defs"))
            for name, value in schema.items()
            if named or name not in _WORDS_ONLY
        }
    return [_bones(value) for value in schema] if isinstance(schema, list) else schema


def write(folder: Path) -> list[str]:
    """Write every file of this version that differs; the paths written.

    Raises:
        FileExistsError: a published schema would change under its version; nothing was written.
    """
    problems = unpublished(folder)
    broken = [problem.sentence for problem in problems if problem.breaks]
    if broken:
        raise FileExistsError("\n".join(broken))
    texts = published()
    stale = [problem.path for problem in problems if problem.path in texts]
    for path in stale:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(texts[path], "utf-8")
    return stale
