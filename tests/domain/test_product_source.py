"""Products come in from their source alone, and never go out to it."""

from __future__ import annotations

import pytest

from domain.jobs import JOB_TYPES
from domain.product_source import OMS, UPSTREAM, source_refusal


@pytest.mark.parametrize(
    ("source", "imports", "exports"),
    [(OMS, False, True), (UPSTREAM, False, True), ("ch-2", False, True), ("ch-1", True, False)],
)
def test_a_channel_imports_products_if_it_is_the_source_and_exports_them_if_it_is_not(
    source: str, imports: bool, exports: bool
) -> None:
    assert (source_refusal(source, "product_import", "ch-1", "main") is None) is imports
    assert (source_refusal(source, "product_export", "ch-1", "main") is None) is exports


@pytest.mark.parametrize("job", sorted(JOB_TYPES.keys() - {"product_import", "product_export"}))
@pytest.mark.parametrize("source", [OMS, UPSTREAM, "ch-1", "ch-2"])
def test_no_other_job_depends_on_the_source(job: str, source: str) -> None:
    assert source_refusal(source, job, "ch-1", "main") is None


@pytest.mark.parametrize(
    ("source", "words"), [(OMS, "the OMS"), (UPSTREAM, "an external upstream"), ("ch-2", "another channel")]
)
def test_a_refusal_says_which_channel_what_the_source_is_and_what_to_do(source: str, words: str) -> None:
    sentence = source_refusal(source, "product_import", "ch-1", "main")
    assert sentence is not None
    assert "channel main" in sentence and words in sentence and "Make this channel the source" in sentence
    assert "ch-2" not in sentence
