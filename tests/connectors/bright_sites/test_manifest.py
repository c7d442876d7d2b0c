from __future__ import annotations

import re

from connectors import MANIFESTS
from connectors.bright_sites import MANIFEST, OPERATIONS
from domain.jobs import JOB_TYPES
from domain.periods import NEVER, Period


def test_the_platform_is_registered_under_its_name() -> None:
    assert MANIFESTS["bright_sites"] is MANIFEST


def test_every_job_may_stay_off_and_event_jobs_have_no_period() -> None:
    assert all(NEVER in periods for periods in MANIFEST.jobs.values())
    for name, periods in MANIFEST.jobs.items():
        assert (periods == (NEVER,)) is not JOB_TYPES[name].scheduled
    assert set(JOB_TYPES) - set(MANIFEST.jobs) == {"authorization_refresh"}, "its token is static"


def test_whole_reads_run_hourly_at_most() -> None:
    assert Period("30m") not in MANIFEST.jobs["product_import"]
    assert Period("1h") in MANIFEST.jobs["product_import"]
    assert Period("5m") in MANIFEST.jobs["order_import"]


def test_a_shop_domain_is_a_host_name_and_nothing_else() -> None:
    assert re.match(MANIFEST.domain_pattern, "acme.mybrightsites.com")
    assert not re.match(MANIFEST.domain_pattern, "acme.mybrightsites.com/x")


def test_every_read_is_a_get_and_every_write_is_none() -> None:
    for operation in OPERATIONS.values():
        assert (operation.method == "GET") is (operation.repeat == "read") is not operation.writes


def test_what_creates_or_refunds_is_not_declared_safe_to_repeat() -> None:
    unsafe = {name for name, operation in OPERATIONS.items() if operation.repeat == "unsafe"}
    assert unsafe == {"create_shipment", "cancel_order"}
