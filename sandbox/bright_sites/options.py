"""Options and sub-options of a product (facts §7). They make the variants' sub-SKUs."""

from __future__ import annotations

from sandbox.bright_sites.answers import Answer, NotFoundError, answer
from sandbox.bright_sites.asking import Ask
from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.params import read_hash
from sandbox.bright_sites.product_fields import OPTION_DEFAULTS, option_params, sub_option_params
from sandbox.bright_sites.records import Option, Product, SubOption
from sandbox.bright_sites.wire import Json, product_money, to_decimal

NEW_OPTION = option_params(creating=True)
CHANGED_OPTION = option_params(creating=False)
NEW_SUB_OPTION = sub_option_params(creating=True)
CHANGED_SUB_OPTION = sub_option_params(creating=False)


def list_options(memory: Memory, ask: Ask) -> Answer:
    """GET /products/:product_id/options: with `enabled`, without `meta`."""
    product = memory.product(ask.ids["product_id"])
    options = [option_document(option) for option in product.options.values()]
    return answer({"options": options, "enabled": product.fields["enable_product_options"]})


def show_option(memory: Memory, ask: Ask) -> Answer:
    """GET /products/:product_id/options/:id: bare."""
    return answer(option_document(_option(memory.product(ask.ids["product_id"]), ask.ids["id"])))


def create_option(memory: Memory, ask: Ask) -> Answer:
    """POST: wrapped in `option`."""
    product = memory.product(ask.ids["product_id"])
    wanted = read_hash(ask.body, "option", NEW_OPTION)
    fields = {
        **OPTION_DEFAULTS,
        "position": len(product.options) + 1,
        "friendly_name": wanted["name"],
        **wanted,
    }
    option = Option(memory.next_id("option"), fields)
    product.options[option.id] = option
    memory.product_effect("option_created", ask, product, option_document(option))
    return answer({"option": option_document(option)}, 201)


def update_option(memory: Memory, ask: Ask) -> Answer:
    """PUT: wrapped in `option`."""
    product = memory.product(ask.ids["product_id"])
    option = _option(product, ask.ids["id"])
    option.fields.update(read_hash(ask.body, "option", CHANGED_OPTION))
    memory.product_effect("option_updated", ask, product, option_document(option))
    return answer({"option": option_document(option)})


def delete_option(memory: Memory, ask: Ask) -> Answer:
    """DELETE: wrapped in `option`; its sub-options and their stock rows go with it."""
    product = memory.product(ask.ids["product_id"])
    option = _option(product, ask.ids["id"])
    for sub in [each for each in product.sub_options.values() if each.option_id == option.id]:
        _drop_sub_option(product, sub)
    del product.options[option.id]
    memory.product_effect("option_deleted", ask, product, option_document(option))
    return answer({"option": option_document(option)})


def list_sub_options(memory: Memory, ask: Ask) -> Answer:
    """GET .../options/:option_id/sub_options, without `meta`."""
    product = memory.product(ask.ids["product_id"])
    option = _option(product, ask.ids["option_id"])
    subs = [sub_option_document(sub) for sub in product.sub_options.values() if sub.option_id == option.id]
    return answer({"sub_options": subs})


def show_sub_option(memory: Memory, ask: Ask) -> Answer:
    """GET .../sub_options/:id: bare."""
    return answer(sub_option_document(_sub_option(memory.product(ask.ids["product_id"]), ask)))


def create_sub_option(memory: Memory, ask: Ask) -> Answer:
    """POST .../sub_options: bare."""
    product = memory.product(ask.ids["product_id"])
    option = _option(product, ask.ids["option_id"])
    wanted = read_hash(ask.body, "sub_option", NEW_SUB_OPTION)
    place = 1 + sum(sub.option_id == option.id for sub in product.sub_options.values())
    sub = SubOption(memory.next_id("sub_option"), option.id, "", None, None, to_decimal(0), place)
    _apply(sub, wanted)
    product.sub_options[sub.id] = sub
    memory.product_effect("sub_option_created", ask, product, sub_option_document(sub))
    return answer(sub_option_document(sub), 201)


def update_sub_option(memory: Memory, ask: Ask) -> Answer:
    """PUT .../sub_options/:id: bare."""
    product = memory.product(ask.ids["product_id"])
    sub = _sub_option(product, ask)
    _apply(sub, read_hash(ask.body, "sub_option", CHANGED_SUB_OPTION))
    memory.product_effect("sub_option_updated", ask, product, sub_option_document(sub))
    return answer(sub_option_document(sub))


def delete_sub_option(memory: Memory, ask: Ask) -> Answer:
    """DELETE .../sub_options/:id: bare; stock rows made of it go with it."""
    product = memory.product(ask.ids["product_id"])
    sub = _sub_option(product, ask)
    _drop_sub_option(product, sub)
    memory.product_effect("sub_option_deleted", ask, product, sub_option_document(sub))
    return answer(sub_option_document(sub))


def option_document(option: Option) -> Json:
    """All fields of an option."""
    return {"id": option.id, **option.fields}


def sub_option_document(sub: SubOption) -> Json:
    """All fields of a sub-option."""
    return {
        "id": sub.id,
        "name": sub.name,
        "sub_sku": sub.sub_sku,
        "image_src": sub.image_src,
        "price_modifier": product_money(sub.price_modifier),
        "position": sub.position,
        "product_option_id": sub.option_id,
    }


def _option(product: Product, option_id: int) -> Option:
    found = product.options.get(option_id)
    if found is None:
        raise NotFoundError(f"Option {option_id} was not found under product {product.id}")
    return found


def _sub_option(product: Product, ask: Ask) -> SubOption:
    option = _option(product, ask.ids["option_id"])
    found = product.sub_options.get(ask.ids["id"])
    if found is None or found.option_id != option.id:
        raise NotFoundError(f"Sub option {ask.ids['id']} was not found under option {option.id}")
    return found


def _apply(sub: SubOption, wanted: Json) -> None:
    for name, value in wanted.items():
        setattr(sub, name, to_decimal(value) if name == "price_modifier" else value)


def _drop_sub_option(product: Product, sub: SubOption) -> None:
    del product.sub_options[sub.id]
    for row in [row for row in product.rows.values() if sub.id in row.sub_option_ids]:
        del product.rows[row.id]
