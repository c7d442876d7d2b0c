"""Products of the sandbox shop: listed, read, created and updated, and safe to repeat."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import ShopDown, ShopRejected, ShopUnauthorized
from domain.moments import utc_now
from domain.products import Product, SavedProduct, Variant
from sandbox.bright_sites import ShopSettings
from tests.connectors.conftest import READ_ONLY, Bench, open_bench

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def variants(*, cheap: str = "9.5", dear: str = "11", weight: str | None = "226.796185") -> Iterator[Variant]:
    for size in ("S", "L"):
        for colour in ("Red", "Blue"):
            yield Variant(
                sku=f"NEW-{size}-{colour}",
                options={"Size": size, "Color": colour},
                price=Decimal(cheap if size == "S" else dear),
                weight_g=None if weight is None else Decimal(weight),
            )


def new_product(**changes: Any) -> Product:
    given: dict[str, Any] = {
        "sku": "NEW",
        "name": "New tee",
        "options": {"Size": ("S", "L"), "Color": ("Red", "Blue")},
        "variants": tuple(variants()),
        "updated_at": utc_now(),
    }
    return Product(**{**given, **changes})


def writes(bench: Bench) -> list[tuple[str, str]]:
    return [(method, path) for method, path in bench.calls() if method != "GET"]


async def read_back(bench: Bench, saved: SavedProduct) -> Product:
    return await bench.shop.read_product(saved.external_id)


async def test_every_product_is_listed_once_over_all_pages() -> None:
    async with open_bench(ShopSettings(products=7, variants=2, largest_page=3)) as bench:
        listed = await bench.shop.list_products(None, utc_now())
        assert [int(each.external_id) for each in listed] == sorted(bench.sandbox.shop.memory.products)
        assert len(bench.calls()) == 3


async def test_only_products_changed_in_the_window_are_listed_and_only_its_start_is_asked(bench: Bench) -> None:
    assert len(await bench.shop.list_products(LONG_AGO, utc_now())) == len(bench.sandbox.shop.memory.products)
    assert await bench.shop.list_products(LONG_AGO, LONG_AGO + timedelta(days=1)) == ()
    assert await bench.shop.list_products(utc_now(), utc_now() + timedelta(hours=1)) == ()
    asked = bench.sandbox.shop.ledger.calls[-1].query
    assert set(asked) == {"updated_at_from", "page", "per_page"} and list(asked["per_page"]) == ["500"]


async def test_a_product_is_read_with_the_skus_under_which_its_stock_stands(bench: Bench) -> None:
    for external_id, shown in bench.sandbox.shop.memory.products.items():
        product = await bench.shop.read_product(str(external_id))
        assert list(product.skus) == [row.final_sku for row in shown.rows.values()] or shown.supplier_managed
        assert product.variants[0].price == shown.fields["base_price"]


@pytest.mark.parametrize("unknown", ["99999", "not-a-number", "../x", ""])
async def test_a_product_the_shop_does_not_have_is_unknown(bench: Bench, unknown: str) -> None:
    for ask in (bench.shop.read_product(unknown), bench.shop.update_product(unknown, new_product())):
        with pytest.raises(ShopRejected) as caught:
            await ask
        assert caught.value.code == "product_unknown"


async def test_a_product_is_created_with_options_values_and_stock_rows(bench: Bench) -> None:
    product = new_product(description="Soft.", active=False)
    saved = await bench.shop.create_product(product)
    assert (saved.created, saved.changed) == (True, True)
    shown = await read_back(bench, saved)
    left_out = {"external_id", "updated_at"}
    assert shown.model_dump(exclude=left_out) == product.model_dump(exclude=left_out)
    memory = bench.sandbox.shop.memory.products[int(saved.external_id)]
    assert memory.fields["weight"] == Decimal("0.5")
    assert {option.fields["option_type"] for option in memory.options.values()} == {"size", "color"}
    assert {row.final_sku: row.inventory for row in memory.rows.values()} == dict.fromkeys(product.skus, 0)
    assert len(writes(bench)) == 1 + 2 + 4 + 4


async def test_a_product_without_options_is_created_with_one_stock_row(bench: Bench) -> None:
    product = new_product(options={}, variants=(Variant(sku="NEW", price=Decimal("4.1")),))
    saved = await bench.shop.create_product(product)
    assert (await read_back(bench, saved)).skus == ("NEW",)
    assert bench.sandbox.shop.stock()["NEW"] == 0 and len(writes(bench)) == 2


async def test_creating_again_finds_the_product_and_writes_nothing(bench: Bench) -> None:
    first = await bench.shop.create_product(new_product())
    before = writes(bench)
    again = await bench.shop.create_product(new_product())
    assert (again.external_id, again.created, again.changed) == (first.external_id, False, False)
    assert writes(bench) == before


@pytest.mark.parametrize("broken", range(11))
@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
async def test_a_creation_that_broke_off_anywhere_is_completed_and_nothing_is_made_twice(
    bench: Bench, broken: int, fault: str
) -> None:
    option = [r"/options$", r"/sub_options$", r"/sub_options$"]
    routes = [r"/products$", *option, *option, *[r"/inventories$"] * 4]
    route = routes[broken]
    for _ in range(routes[:broken].count(route)):
        bench.fault("latency", method="POST", path=route, ms=0)
    bench.fault(fault, method="POST", path=route)
    with pytest.raises(ShopDown):
        await bench.shop.create_product(new_product())
    saved = await bench.shop.create_product(new_product())
    shown = await read_back(bench, saved)
    assert sorted(shown.skus) == sorted(new_product().skus)
    assert (bench.effects("product_created"), bench.effects("option_created")) == (1, 2)
    assert (bench.effects("sub_option_created"), bench.effects("stock_row_created")) == (4, 4)


async def test_only_what_differs_is_written(bench: Bench) -> None:
    saved = await bench.shop.create_product(new_product())
    before = len(writes(bench))
    changed = new_product(name="Newer tee", active=False, variants=tuple(variants(dear="12")))
    assert (await bench.shop.update_product(saved.external_id, changed)).changed
    assert len(writes(bench)) - before == 2
    body = bench.sandbox.shop.ledger.calls[-2].body
    assert body == {"product": {"name": "Newer tee", "active": False}}
    assert {each.price for each in (await read_back(bench, saved)).variants} == {Decimal("9.5"), Decimal(12)}


@pytest.mark.parametrize("weight", ["0.3", "0.0001", "12.3456", "0.333333333", "1234.5"])
async def test_a_product_written_back_as_it_was_read_changes_nothing(bench: Bench, weight: str) -> None:
    for external_id, memory in bench.sandbox.shop.memory.products.items():
        memory.fields.update(weight=Decimal(weight), length=Decimal("11.75"), description="Soft.")
        product = await bench.shop.read_product(str(external_id))
        assert not (await bench.shop.update_product(str(external_id), product)).changed
    assert writes(bench) == []


async def test_what_the_product_does_not_say_stays(bench: Bench) -> None:
    saved = await bench.shop.create_product(new_product(description="Soft.", active=False))
    bare = new_product(variants=tuple(each.model_copy(update={"price": None}) for each in variants(weight=None)))
    assert not (await bench.shop.update_product(saved.external_id, bare)).changed
    shown = await read_back(bench, saved)
    assert (shown.description, shown.active, shown.variants[0].price) == ("Soft.", False, Decimal("9.5"))


async def test_a_new_value_gets_its_stock_row_and_the_shops_other_values_stay(bench: Bench) -> None:
    saved = await bench.shop.create_product(new_product())
    size = Variant(sku="NEW-XL-Red", options={"Size": "XL", "Color": "Red"}, price=Decimal("9.5"))
    grown = new_product(options={"Size": ("XL",), "Color": ("Red",)}, variants=(size,))
    await bench.shop.update_product(saved.external_id, grown)
    assert set((await read_back(bench, saved)).skus) == {*new_product().skus, "NEW-XL-Red"}


async def test_a_price_in_shares_becomes_one_in_money(bench: Bench) -> None:
    saved = await bench.shop.create_product(new_product())
    memory = bench.sandbox.shop.memory.products[int(saved.external_id)]
    for option in memory.options.values():
        option.fields["price_modifier_type"] = "%"
    await bench.shop.update_product(saved.external_id, new_product())
    assert [each.price for each in (await read_back(bench, saved)).variants] == [each.price for each in variants()]


async def test_the_stock_of_a_new_variant_is_found_without_reading_all_stock_again(bench: Bench) -> None:
    await bench.shop.read_stock()
    await bench.shop.create_product(new_product())
    result = await bench.shop.set_stock({"NEW-S-Red": 4})
    assert result.confirmed == {"NEW-S-Red": 4} and bench.sandbox.shop.stock()["NEW-S-Red"] == 4
    assert bench.calls().count(("GET", "/inventories")) == 1


async def test_only_the_very_sku_is_taken_for_the_product() -> None:
    async with open_bench(ShopSettings(products=2, variants=2, partial_sku_filter=True)) as bench:
        await bench.shop.create_product(
            new_product(sku="NEWER", options={}, variants=(Variant(sku="NEWER", price=Decimal(1)),))
        )
        saved = await bench.shop.create_product(
            new_product(options={}, variants=(Variant(sku="NEW", price=Decimal(1)),))
        )
        assert saved.created and bench.effects("product_created") == 2


async def test_a_product_whose_stock_a_supplier_keeps_gets_no_stock_rows(bench: Bench) -> None:
    saved = await bench.shop.create_product(new_product())
    memory = bench.sandbox.shop.memory.products[int(saved.external_id)]
    memory.fields["vendor_inventory_enabled"] = True
    memory.rows.clear()
    await bench.shop.update_product(saved.external_id, new_product())
    assert memory.rows == {}


async def test_a_read_only_token_may_not_write_products(bench: Bench) -> None:
    shop, _ = bench.with_token(READ_ONLY)
    with pytest.raises(ShopUnauthorized):
        await shop.create_product(new_product())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"variants": (*tuple(variants())[:3], Variant(sku="OTHER", options={"Size": "L", "Color": "Blue"}))},
            "OTHER",
        ),
        ({"options": {}, "variants": (Variant(sku="NEW-1", price=Decimal(1)),)}, "NEW-1"),
        (
            {
                "variants": tuple(
                    each.model_copy(update={"price": Decimal(at * at)}) for at, each in enumerate(variants(), 2)
                )
            },
            "is no such sum",
        ),
        ({"variants": (*tuple(variants())[:3], tuple(variants())[3].model_copy(update={"price": None}))}, "have none"),
    ],
    ids=["a foreign SKU", "a variant without options", "prices", "half the prices"],
)
async def test_a_product_the_shop_cannot_compose_is_refused_before_any_write(
    bench: Bench, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ShopRejected, match="Product 'NEW' cannot be written to Bright Sites") as caught:
        await bench.shop.create_product(new_product(**changes))
    assert caught.value.code == "product_not_composable" and words in caught.value.sentence
    assert writes(bench) == []


async def test_a_new_product_without_a_price_is_refused_before_any_write(bench: Bench) -> None:
    with pytest.raises(ShopRejected, match="has no price") as caught:
        await bench.shop.create_product(new_product(options={}, variants=(Variant(sku="NEW"),)))
    assert caught.value.code == "product_incomplete" and writes(bench) == []


async def test_a_product_that_lacks_an_option_of_the_shops_is_refused(bench: Bench) -> None:
    saved = await bench.shop.create_product(new_product())
    small = new_product(options={"Size": ("S",)}, variants=(Variant(sku="NEW-S", options={"Size": "S"}),))
    with pytest.raises(ShopRejected, match="has the option Color as well"):
        await bench.shop.update_product(saved.external_id, small)
