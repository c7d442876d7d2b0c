"""Jobs over HTTP: what can be run, how it went, and one run now."""

from __future__ import annotations

from tests.producers.http.support import Site


async def test_every_job_that_can_be_run_is_listed_also_those_that_never_ran(site: Site) -> None:
    jobs = {job["job"]: job for job in (await site.get("/v1/channels/main/jobs")).json()["jobs"]}
    assert {"order_import", "inventory_export", "product_export"} <= jobs.keys()
    assert "shipment_export" not in jobs
    never = jobs["order_import"]
    assert (never["period"], never["next_run"], never["last_run"], never["last_counts"]) == ("none", None, None, {})
    assert (never["title"], never["direction"]) == ("Import orders", "channel to OMS")


async def test_a_job_is_run_once_by_hand_and_shows_up_as_a_message(site: Site) -> None:
    answer = await site.client.post("/v1/channels/main/jobs/order_import/run", headers=site.key("operate"))
    assert answer.status_code == 202, answer.text
    found = await site.operations.desk.message(answer.json()["message"])
    assert found is not None
    assert (found.message.type, found.message.trigger) == ("tick.order_import", "manual")


async def test_what_cannot_be_run_by_hand_is_refused_with_the_reason(site: Site) -> None:
    for channel, job, status, code in (
        ("main", "shipment_export", 422, "not_offered"),
        ("main", "product_import", 422, "not_product_source"),
        ("main", "laundry", 422, "unknown_job"),
        ("attic", "order_import", 404, "unknown_channel"),
    ):
        answer = await site.client.post(f"/v1/channels/{channel}/jobs/{job}/run", headers=site.key("operate"))
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_key_that_only_reads_runs_nothing(site: Site) -> None:
    answer = await site.client.post("/v1/channels/main/jobs/order_import/run", headers=site.key("read"))
    assert answer.status_code == 403
