"""Export products: bring the shop's product to what the OMS says (sales channels, section 3)."""

from __future__ import annotations

from broker.handling import Run
from consumers.missing_skus import held_up
from domain.errors import ShopRejected
from domain.events import ProductChanged, Tick
from domain.mappings import Side
from domain.outcomes import Counts, Done, Effects, Outcome, Skipped
from domain.product_changes import changed_product
from domain.products import Product, ProductLink, SavedProduct
from domain.sku_translation import product_to_channel


async def product_export(run: Run) -> Outcome:
    """Create or update one product. Both are safe to repeat (see the connector).

    A tick or a run by hand has nothing to compare: the OMS's products are not kept, it sends what changes.
    """
    payload = run.item.payload
    if isinstance(payload, Tick):
        return Skipped(
            "Nothing was sent: the OMS's products are not kept here, so there is nothing to compare the shop with. "
            "Publish product.changed for each product that the shop should get.",
            "nothing_to_compare",
        )
    assert isinstance(payload, ProductChanged)
    product = changed_product(payload.product, run.item.delivery.event_time)
    skus = await run.memory.skus(run.channel, Side.OMS, [product.sku, *product.skus])
    product, missing = product_to_channel(product, skus)
    if missing:
        return await held_up(run, f"Product {product.sku}", missing)
    saved = await _save(run, product)
    link = (ProductLink(saved.external_id, product.skus),)
    if saved.created:
        effects = Effects(Counts(created=1), link)
        return Done(f"Product {product.sku} is created in the shop, as product {saved.external_id}.", effects=effects)
    if saved.changed:
        effects = Effects(Counts(updated=1), link)
        return Done(f"Product {product.sku} is updated in the shop (product {saved.external_id}).", effects=effects)
    effects = Effects(Counts(skipped=1), link)
    return Skipped(f"The shop has product {product.sku} like this already.", "unchanged", effects)


async def _save(run: Run, product: Product) -> SavedProduct:
    """Update the product known to have these SKUs; where none is known, or it is gone, look for it in the shop."""
    holders = set((await run.memory.sku_holders(run.channel.id, product.skus)).values())
    if len(holders) == 1:
        try:
            return await run.shop.update_product(holders.pop(), product)
        except ShopRejected as error:
            if error.code != "product_unknown":
                raise
    return await run.shop.create_product(product)
