from __future__ import annotations

from typing import Any

import pytest

from tests.consumers.store import PREFIX, Store

CUP: dict[str, Any] = {
    "sku": "CUP",
    "name": "Cup",
    "variants": [
        {"sku": f"CUP-{name}", "options": {"Color": name}, "price": "4.50", "weight_g": "226.796185"}
        for name in ("Red", "Blue")
    ],
}


async def send(store: Store, product: dict[str, Any], **attributes: Any) -> str:
    """A change of the OMS; the message id."""
    return await store.house.event("product.changed", {"product": product}, **attributes)


def writes(store: Store) -> list[str]:
    return [call for call in store.calls() if not call.startswith("GET")]


async def test_a_new_product_is_created_in_the_shop(store: Store) -> None:
    message = await send(store, CUP)
    row = await store.run(message)
    assert (row.state, row.code) == ("done", "ok")
    assert row.sentence.startswith("Product CUP is created in the shop, as product ")
    attempt = await store.attempt(message)
    assert (attempt.business_key, attempt.counts) == ("CUP", {"created": 1})
    assert {"CUP-Red", "CUP-Blue"} <= set(store.shop.stock())


async def test_a_known_product_is_updated_by_its_number_and_only_where_it_differs(store: Store) -> None:
    await store.run(await send(store, CUP))
    store.shop.ledger.calls.clear()
    message = await send(store, {**CUP, "name": "Large cup"})
    assert (await store.run(message)).code == "ok"
    (read, write) = store.calls()
    assert read.removeprefix("GET ") == write.removeprefix("PUT ")
    assert (await store.attempt(message)).counts == {"updated": 1}


async def test_what_the_shop_has_already_is_not_written_again(store: Store) -> None:
    await store.run(await send(store, CUP))
    before = writes(store)
    row = await store.run(await send(store, CUP))
    assert (row.state, row.code) == ("skipped", "unchanged")
    assert writes(store) == before


async def test_an_imported_product_is_updated_without_a_search(store: Store) -> None:
    await store.house.products_from("main")
    await store.house.desk.run_now("acme", "main", "product_import")
    await store.house.work_off()
    await store.house.products_from("oms")
    store.shop.ledger.calls.clear()
    sizes = [{"sku": f"TEE0001-{size}", "options": {"Size": size}} for size in ("XS", "S", "M", "L")]
    await store.run(await send(store, {"sku": "TEE0001", "name": "Best tee", "variants": sizes}))
    assert store.calls() == ["GET /products/1", "PUT /products/1"]
    assert store.shop.memory.products[1].fields["name"] == "Best tee"


async def test_a_sku_of_another_product_of_the_shop_is_refused_and_that_product_stays(store: Store) -> None:
    await store.house.products_from("main")
    await store.house.desk.run_now("acme", "main", "product_import")
    await store.house.work_off()
    await store.house.products_from("oms")
    row = await store.run(await send(store, {"sku": "TEE0001-S", "name": "Small tee", "price": 3}))
    assert (row.state, row.code) == ("dead", "sku_of_another_product")
    assert "belongs to the shop's product 1, which is 'TEE0001'" in row.sentence and writes(store) == []


async def test_a_product_deleted_in_the_shop_is_created_anew(store: Store) -> None:
    await store.run(await send(store, CUP))
    (product,) = [each for each in store.shop.memory.products.values() if each.sku == "CUP"]
    assert store.shop.call("DELETE", f"{PREFIX}/products/{product.id}").status == 200
    row = await store.run(await send(store, CUP))
    assert row.state == "done" and "is created in the shop" in row.sentence


@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
@pytest.mark.parametrize("path", ["/products$", "/options$", "/sub_options$", "/inventories$"])
async def test_a_lost_answer_makes_nothing_twice(store: Store, fault: str, path: str) -> None:
    store.fault(fault, method="POST", path=path)
    message = await send(store, CUP)
    row = await store.run(message)
    assert row.state == "waiting"
    assert (await store.run_again(message)).state == "done"
    made = ("product_created", "option_created", "sub_option_created", "stock_row_created")
    assert [len(store.effects(kind)) for kind in made] == [1, 1, 2, 2]


async def test_changes_of_one_product_go_out_in_the_order_they_came(store: Store) -> None:
    names = [f"Cup {number}" for number in range(4)]
    for name in names:
        await send(store, {**CUP, "name": name})
    await store.house.work_off()
    assert [each.fields["name"] for each in store.shop.memory.products.values() if each.sku == "CUP"] == names[-1:]


@pytest.mark.parametrize(
    ("product", "code", "words"),
    [
        ({"name": "Cup"}, "invalid_product", "sku: "),
        ({**CUP, "variants": [{"sku": "CUP"}, {"sku": "CUP"}]}, "invalid_product", "'CUP' (duplicate"),
        ({"sku": "CUP", "name": "Cup"}, "product_incomplete", "has no price"),
    ],
)
async def test_a_product_that_cannot_be_sent_is_dead_with_the_reason(
    store: Store, product: dict[str, Any], code: str, words: str
) -> None:
    row = await store.run(await send(store, product))
    assert (row.state, row.code) == ("dead", code) and words in row.sentence
    assert writes(store) == []


async def test_a_run_by_hand_says_that_there_is_nothing_to_compare(store: Store) -> None:
    row = await store.run(await store.house.desk.run_now("acme", "main", "product_export"))
    assert (row.state, row.code) == ("skipped", "nothing_to_compare")
    assert "Publish product.changed" in row.sentence and store.calls() == []
