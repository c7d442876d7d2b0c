"""The published files are those of the models, and a published schema never changes under its version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.contract import published, unpublished, write
from broker.contract.__main__ import main
from domain.events import CONTRACT_VERSION

PUBLISHED = Path(__file__).parents[3] / "docs" / "contract"
STOCK = f"v{CONTRACT_VERSION}/stock-changed.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def change(file: Path, how: Callable[[Any], object]) -> None:
    document = json.loads(file.read_text("utf-8"))
    how(document)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


def test_the_published_contract_is_that_of_the_models() -> None:
    problems = unpublished(PUBLISHED)
    assert not problems, "\n".join(problem.sentence for problem in problems)


def test_what_was_written_has_no_problems_and_is_not_written_again(folder: Path) -> None:
    assert unpublished(folder) == []
    assert write(folder) == []
    assert {file.relative_to(folder).as_posix() for file in folder.glob("**/*.json")} == set(published())


@pytest.mark.parametrize(
    "how",
    [
        lambda schema: schema["properties"].pop("version"),
        lambda schema: schema["required"].remove("allocated"),
        lambda schema: schema["properties"]["total"].update(minimum=1),
        lambda schema: schema["properties"].update(title={"type": "string"}),
        lambda schema: schema["properties"].update(description={"type": "string"}),
    ],
    ids=["a member less", "another need", "another limit", "a member named title", "a member named description"],
)
def test_a_changed_schema_wants_a_new_version_and_is_not_overwritten(
    folder: Path, how: Callable[[Any], object]
) -> None:
    change(folder / STOCK, how)
    before = (folder / STOCK).read_text("utf-8")
    (problem,) = unpublished(folder)
    assert (problem.path, problem.breaks) == (STOCK, True)
    assert "raise CONTRACT_VERSION in domain/events.py" in problem.sentence
    assert "python -m broker.contract" in problem.sentence
    with pytest.raises(FileExistsError, match="CONTRACT_VERSION"):
        write(folder)
    assert (folder / STOCK).read_text("utf-8") == before


def test_changed_words_of_a_schema_only_want_to_be_written(folder: Path) -> None:
    change(folder / STOCK, lambda schema: schema.update(description="Older words."))
    (problem,) = unpublished(folder)
    assert (problem.path, problem.breaks) == (STOCK, False)
    assert write(folder) == [STOCK]
    assert unpublished(folder) == []


def test_the_document_and_the_examples_may_be_written_anew(folder: Path) -> None:
    for path in ("asyncapi.json", "examples/stock.changed.json"):
        change(folder / path, lambda document: document.update(more=1))
    assert sorted(write(folder)) == ["asyncapi.json", "examples/stock.changed.json"]
    assert unpublished(folder) == []


def test_a_published_schema_without_a_model_wants_a_new_version(folder: Path) -> None:
    (folder / f"v{CONTRACT_VERSION}" / "order-eaten.json").write_text("{}", "utf-8")
    (problem,) = unpublished(folder)
    assert problem.breaks
    assert "CONTRACT_VERSION" in problem.sentence


def test_schemas_of_earlier_versions_are_left_alone(folder: Path) -> None:
    (folder / "v0").mkdir()
    (folder / "v0" / "stock-changed.json").write_text("{}", "utf-8")
    assert unpublished(folder) == []


def test_an_example_of_no_type_is_told(folder: Path) -> None:
    (folder / "examples" / "order.eaten.json").write_text("{}", "utf-8")
    (problem,) = unpublished(folder)
    assert (problem.breaks, problem.sentence) == (
        False,
        "examples/order.eaten.json is an example of no event type. Delete it.",
    )


def test_the_command_says_what_it_wrote_and_fails_on_a_changed_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    assert f"wrote {STOCK}\n" in capsys.readouterr().out
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "The publication is exact.\n"
    change(tmp_path / STOCK, lambda schema: schema["properties"].pop("version"))
    assert main([str(tmp_path)]) == 1
    assert "raise CONTRACT_VERSION" in capsys.readouterr().err
