"""Shipping methods: one text for carrier and service; its own row, else the one that writes out most of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.mappings import (
    CarrierCode,
    CarrierMapping,
    CarrierMappings,
    MappingKind,
    Missing,
    ShippingMethods,
    Side,
    check_carriers,
)

carriers = st.sampled_from(["U", "UPS", "ups ", "UPS Next", "UPS Next Day", "DHL"])
services = st.sampled_from(["", "Day", " NEXT day", "Next", "Air"])
patterns = st.sampled_from(["*", "U*", "ups*", "UPS *", "UPS N*", "UPS Next Day*"])
row_sets = st.lists(
    st.builds(
        CarrierMapping,
        carriers | patterns,
        services | st.sampled_from(["*", "N*", "next d*"]),
        carriers,
        services,
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda row: row.key,
)
methods = st.sampled_from(["UPS", "ups next day", " UPS Next Day ", "UPS Next", "U Air", "DHL Next Air", "Pigeon"])


def row(channel: str, oms: str) -> CarrierMapping:
    """A mapping between codes written as ``carrier/service``."""
    carrier, _, service = channel.partition("/")
    oms_carrier, _, oms_service = oms.partition("/")
    return CarrierMapping(carrier, service, oms_carrier, oms_service)


def name(channel: CarrierCode) -> str:
    """The method under which a code goes out."""
    return f"{channel.carrier} {channel.service}".strip()


def words(text: str) -> list[str]:
    return text.casefold().split()


def fits(mapping: CarrierMapping, method: str) -> bool:
    """Whether a row fits, as a regular expression says it."""
    carrier, service = mapping.key
    expression = re.escape(carrier.rstrip("*")) + (".*" if carrier.endswith("*") else "")
    if service in ("", "*"):
        expression += r"(\s+.*)?"
    else:
        expression += r"\s+" + re.escape(service.rstrip("*")) + (".*" if service.endswith("*") else "")
    return re.fullmatch(expression, method.strip().casefold()) is not None


def rank(mapping: CarrierMapping, method: str) -> tuple[bool, int, bool]:
    carrier, service = mapping.key
    exact = not carrier.endswith("*") and not service.endswith("*") and words(name(mapping.channel)) == words(method)
    return not exact, -len(f"{carrier}{service}".replace("*", "")), carrier.endswith("*")


@given(rows=row_sets, method=methods)
def test_the_row_of_the_name_itself_is_used_else_the_one_that_writes_out_most_of_it(
    rows: list[CarrierMapping], method: str
) -> None:
    fitting = [each for each in rows if fits(each, method)]
    found = ShippingMethods(rows).to_oms(method)
    if fitting:
        best = min(rank(each, method) for each in fitting)
        assert found in [each.oms for each in fitting if rank(each, method) == best]
    else:
        assert found == Missing(MappingKind.CARRIER, Side.CHANNEL, method.strip())


@given(rows=row_sets, method=methods, data=st.data())
def test_the_order_of_the_rows_does_not_matter(rows: list[CarrierMapping], method: str, data: st.DataObject) -> None:
    other = data.draw(st.permutations(rows))
    assert ShippingMethods(rows).to_oms(method) == ShippingMethods(other).to_oms(method)


@given(rows=row_sets, carrier=carriers, service=services)
def test_the_method_by_which_a_parcel_goes_out_leads_back_to_its_carrier(
    rows: list[CarrierMapping], carrier: str, service: str
) -> None:
    names = [tuple(words(name(each.channel))) for each in rows]
    out = CarrierMappings(rows).to_channel(carrier, service)
    if check_carriers(rows) or len(set(names)) < len(names) or isinstance(out, Missing):
        return
    back = ShippingMethods(rows).to_oms(name(out))
    assert isinstance(back, CarrierCode)
    assert back.folded in [
        (words(carrier) and carrier.strip().casefold(), each.strip().casefold()) for each in (service, "")
    ]


def test_what_is_written_out_comes_before_patterns_and_a_service_of_its_own_before_any() -> None:
    rows = [row("*", "any"), row("UPS*", "ups"), row("UPS*/Ground", "ground"), row("UPS/Air", "air"), row("DHL", "dhl")]
    found = ShippingMethods(rows)
    asked = ["ups ground", "UPS Saver", "UPS  air", "UPS Freight Ground", "DHL", "DHL Express", "Pigeon"]
    assert [found.to_oms(each) for each in asked] == [
        CarrierCode(each) for each in ("ground", "ups", "air", "ground", "dhl", "dhl", "any")
    ]


def test_the_row_of_exactly_the_name_comes_before_a_pattern_that_writes_out_as_much() -> None:
    found = ShippingMethods([row("UPS Ground*", "pattern"), row("UPS/Ground", "exact")])
    assert found.to_oms("UPS Ground") == CarrierCode("exact")
    assert found.to_oms("UPS Ground Saver") == CarrierCode("pattern")


def test_the_same_method_asked_again_is_answered_alike_however_many_were_asked_between() -> None:
    found = ShippingMethods([row("UPS*", "ups/03")])
    first = [found.to_oms(f"UPS {number}") for number in range(1_100)]
    assert first == [CarrierCode("ups", "03")] * 1_100
    assert found.to_oms("UPS 1") == CarrierCode("ups", "03")
    assert isinstance(found.to_oms("DHL"), Missing) and isinstance(found.to_oms("DHL"), Missing)


def test_a_missing_method_is_one_code_that_reads_back_whole() -> None:
    found = ShippingMethods([row("DHL", "dhl")]).to_oms(" Courier: today ")
    assert isinstance(found, Missing)
    assert (found.code, CarrierCode.of(found.code)) == (r"Courier\: today", CarrierCode("Courier: today"))


def test_there_are_methods_only_where_there_are_rows() -> None:
    assert not ShippingMethods() and ShippingMethods([row("UPS", "ups")])
    with pytest.raises(InputError, match="mapped by row 1 already"):
        ShippingMethods([row("UPS", "A"), row("ups", "B")])
