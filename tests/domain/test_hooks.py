"""What a post is good for, and how polling goes on beside posts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.bright_sites import MANIFEST
from connectors.registry import MANIFESTS
from domain.budget import next_pass, passes
from domain.channels import ConnectorManifest
from domain.errors import InputError
from domain.hooks import Hint, Topic, safety_net, topic_named
from domain.jobs import JOB_TYPES
from domain.moments import EPOCH
from domain.periods import ALL_PERIODS, NEVER, Period, jitter_of
from domain.setting_fields import CHANNEL_FIELDS, offered

(PUSH_ORDERS,) = MANIFEST.webhooks
PRODUCTS, STOCK = Topic("products/update", "product_import", "id"), Topic("stock/reset", "inventory_import")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
INTERVALS = [each for each in ALL_PERIODS if each.every]


@pytest.mark.parametrize(
    ("document", "named"),
    [({"order_id": 7}, "7"), ({"order": {"order_id": "A-7"}}, "A-7"), ({"order": 1, "order_id": 7}, "7")],
)
def test_a_pushed_order_is_named_at_the_top_or_in_order(document: Any, named: str) -> None:
    assert PUSH_ORDERS.hint(document) == Hint("order_import", named)


@pytest.mark.parametrize(
    "document", [{"order_id": True}, {"order_id": "a b"}, {"order": {}, "order_id": 7}, [], {}, None]
)
def test_a_post_that_names_no_order_is_refused(document: Any) -> None:
    with pytest.raises(InputError) as refused:
        PUSH_ORDERS.hint(document)
    assert refused.value.code == "order_missing"


def test_a_topic_tells_the_job_and_the_subject_where_it_has_one() -> None:
    assert PRODUCTS.hint({"id": 788032119674292922}) == Hint("product_import", "788032119674292922")
    assert STOCK.hint([]) == Hint("inventory_import", None)
    with pytest.raises(InputError) as refused:
        PRODUCTS.hint({"id": "line\nbreak"})
    assert refused.value.code == "product_missing" and "'id'" in refused.value.sentence


def test_a_topic_is_found_by_name_and_the_only_one_without() -> None:
    assert topic_named("stock/reset", (PRODUCTS, STOCK), "Pushy") is STOCK
    assert topic_named(None, (PRODUCTS,), "Pushy") is PRODUCTS


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("app/uninstalled", "unknown_topic", "products/update, stock/reset"),
        ("", "topic_missing", "header X-Topic"),
        (None, "topic_missing", "products/update, stock/reset"),
    ],
)
def test_a_topic_that_is_not_declared_or_not_named_is_refused_with_those_there_are(
    name: str | None, code: str, told: str
) -> None:
    with pytest.raises(InputError) as refused:
        topic_named(name, (PRODUCTS, STOCK), "Pushy", "X-Topic")
    assert refused.value.code == code and told in refused.value.sentence


def test_every_topic_triggers_a_job_of_its_platform_that_brings_something_in() -> None:
    for manifest in MANIFESTS.values():
        for topic in manifest.webhooks:
            assert topic.job in manifest.jobs and JOB_TYPES[topic.job].direction == "channel to OMS"


def test_webhook_is_offered_by_platforms_that_post_something_and_by_no_others() -> None:
    silent = ConnectorManifest("silent", "Silent", "beta", "static", {}, settings=offered(CHANNEL_FIELDS, {}))
    assert MANIFEST.fields["automation"].allows("webhook")
    assert not silent.fields["automation"].allows("webhook") and silent.fields["automation"].allows("recurring")
    with pytest.raises(InputError) as refused:
        silent.ensure_automation("webhook")
    assert refused.value.code == "webhook_not_offered" and "Silent posts nothing" in refused.value.sentence
    silent.ensure_automation("recurring")


@given(st.sampled_from(INTERVALS), st.integers(50 * 365, 70 * 365), st.text(min_size=1))
def test_of_short_periods_only_the_ticks_that_begin_an_hour_run_and_one_in_each(
    period: Period, day: int, schedule: str
) -> None:
    every = period.every
    assert every is not None
    factor = safety_net(period)
    index = day * DAY // every
    dues = [EPOCH + jitter_of(schedule, every) + (index + step) * every for step in range(factor)]
    ran = [due for due in dues if passes(due, period, factor)]
    assert len(ran) == 1, "one of an hour's ticks, or of one tick of longer periods"
    if every < HOUR:
        assert every * factor == HOUR
        assert (ran[0] - EPOCH) % HOUR == jitter_of(schedule, every), "the tick that begins an hour"
    assert next_pass(dues[0], period, factor) in (ran[0], ran[0] + every * factor)


@given(st.sampled_from(INTERVALS), st.integers(0, 8))
def test_a_budget_slows_polling_beside_posts_no_less_than_alone_and_never_to_more_than_a_day(
    period: Period, doublings: int
) -> None:
    assert period.every is not None
    most = (DAY // period.every).bit_length() - 1
    factor = 1 << min(doublings, most)
    both = safety_net(period, factor)
    assert both >= factor and both % safety_net(period) == 0
    assert period.every * both <= DAY
    assert both - factor < safety_net(period), "no slower than both need"


def test_daily_jobs_and_those_that_never_run_are_left_alone() -> None:
    assert {safety_net(period) for period in (NEVER, Period("daily@06:30"), Period("1h"), Period("12h"))} == {1}
    assert safety_net(Period("2h"), 4) == 4
