"""Carrier mappings: exact before pattern, the longest pattern, and one code that goes back out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.mappings import CarrierCode, CarrierMapping, CarrierMappings, MappingKind, Missing, Side, check_carriers

carriers = st.sampled_from(["U", "UP", "UPS", "ups ", "UPS Ground", "DHL"])
services = st.sampled_from(["", "G", "Ground", " GROUND", "Air"])
patterns = st.sampled_from(["*", "U*", "UP*", "ups*", "UPS *", "D*"])
row_sets = st.lists(
    st.builds(CarrierMapping, carriers | patterns, services | st.just("G*"), carriers, services, st.booleans()),
    max_size=8,
    unique_by=lambda row: row.key,
)
texts = st.text(st.sampled_from("aB:\\ *ß"), max_size=6)


def row(channel: str, oms: str, *, primary: bool = False) -> CarrierMapping:
    """A mapping between codes written as ``carrier/service``."""
    carrier, _, service = channel.partition("/")
    oms_carrier, _, oms_service = oms.partition("/")
    return CarrierMapping(carrier, service, oms_carrier, oms_service, primary)


def fold(text: str) -> str:
    return text.strip().lower()


def rank(pattern: str, code: str) -> int | None:
    """How well a channel code of a row fits: the lower the better; ``None`` where it does not."""
    pattern, code = fold(pattern), fold(code)
    if pattern == code:
        return 0
    if pattern.endswith("*"):
        return 100 - len(pattern) if code.startswith(pattern[:-1]) else None
    return None if pattern else 101


@given(rows=row_sets, carrier=carriers, service=services)
def test_the_best_row_of_all_that_fit_is_used(rows: list[CarrierMapping], carrier: str, service: str) -> None:
    ranked = [(rank(each.channel_carrier, carrier), rank(each.channel_service, service), each.oms) for each in rows]
    fitting = [(first, second, oms) for first, second, oms in ranked if first is not None and second is not None]
    found = CarrierMappings(rows).to_oms(carrier, service)
    if fitting:
        assert found == min(fitting, key=lambda each: each[:2])[2]
    else:
        assert found == Missing(
            MappingKind.CARRIER, Side.CHANNEL, CarrierCode(carrier.strip(), service.strip()).text
        )  # fmt: skip


@given(rows=row_sets, carrier=carriers, service=services)
def test_resolution_never_invents_a_code(rows: list[CarrierMapping], carrier: str, service: str) -> None:
    mappings = CarrierMappings(rows)
    inward, outward = mappings.to_oms(carrier, service), mappings.to_channel(carrier, service)
    assert isinstance(inward, Missing) or inward in [each.oms for each in rows]
    assert isinstance(outward, Missing) or outward in [each.channel for each in rows if not each.channel.is_pattern]


@given(rows=row_sets, carrier=carriers, service=services)
def test_what_goes_out_leads_back_to_the_carrier_it_came_from(
    rows: list[CarrierMapping], carrier: str, service: str
) -> None:
    mappings = CarrierMappings(rows)
    outward = mappings.to_channel(carrier, service)
    if isinstance(outward, CarrierCode):
        back = mappings.to_oms(outward.carrier, outward.service)
        assert isinstance(back, CarrierCode)
        assert fold(back.carrier) == fold(carrier)
        assert fold(back.service) in {fold(service), ""}


def test_an_exact_code_beats_every_pattern() -> None:
    mappings = CarrierMappings([row("UPS Ground*", "P"), row("UPS Ground", "E"), row("*", "X")])
    assert mappings.to_oms("ups ground") == CarrierCode("E")
    assert mappings.to_oms("UPS Ground Saver") == CarrierCode("P")


def test_the_longest_pattern_wins() -> None:
    mappings = CarrierMappings([row("*", "any"), row("UPS*", "ups"), row("UPS Gro*", "ground"), row("UP*", "up")])
    asked = ["UPS Ground", "UPS Air", "UPX", "DHL"]
    assert [mappings.to_oms(each) for each in asked] == [CarrierCode(each) for each in ("ground", "ups", "up", "any")]


def test_an_empty_service_fits_any_that_no_row_names() -> None:
    mappings = CarrierMappings([row("UPS", "any"), row("UPS/Air", "air"), row("UPS/A*", "a"), row("UPS*/Sea", "sea")])
    asked = ["", "AIR ", "Able", "Ground", "Sea"]
    assert [mappings.to_oms("UPS", each) for each in asked] == [
        CarrierCode(each) for each in ("any", "air", "a", "any", "any")
    ]


def test_a_carrier_without_a_row_for_the_service_leaves_it_to_the_patterns() -> None:
    mappings = CarrierMappings([row("UPS/Air", "air"), row("U*", "pattern")])
    assert mappings.to_oms("UPS", "Ground") == CarrierCode("pattern")


def test_the_primary_code_goes_back_out_and_a_single_one_need_not_be_primary() -> None:
    rows = [
        row("UPS Gnd", "UPS/G"),
        row("UPS Ground", "UPS/G", primary=True),
        row("UPS Air", "UPS/A"),
        row("UPS", "UPS"),
    ]
    mappings = CarrierMappings(rows)
    asked = ["g", "A ", "", "Sea"]
    assert [mappings.to_channel(" ups", each) for each in asked] == [
        CarrierCode(each) for each in ("UPS Ground", "UPS Air", "UPS", "UPS")
    ]
    assert check_carriers(rows) == ()


def test_a_pattern_never_goes_back_out() -> None:
    rows = [row("UPS*", "UPS"), row("UPS Gnd/G*", "UPS/G")]
    assert check_carriers(rows) == ()
    assert CarrierMappings(rows).to_channel("UPS", "G") == Missing(MappingKind.CARRIER, Side.OMS, "UPS:G")
    assert CarrierMappings([*rows, row("UPS", "UPS")]).to_channel("UPS", "G") == CarrierCode("UPS")


@pytest.mark.parametrize(
    ("first", "second", "many"), [(False, False, "none of them is"), (True, True, "2 of them are")]
)
def test_without_exactly_one_primary_nobody_guesses_which_one_goes_back_out(
    first: bool, second: bool, many: str
) -> None:
    rows = [row("A", "UPS/G", primary=first), row("DHL", "DHL"), row("B", "ups/g", primary=second)]
    (conflict,) = check_carriers(rows)
    assert conflict.positions == (0, 2)
    assert conflict.sentence == (
        f"OMS carrier 'UPS:G' has 2 channel codes (row 1 and row 3) and {many} Primary: which one goes back out? "
        "Mark exactly one as Primary."
    )
    mappings = CarrierMappings(rows)
    assert mappings.to_channel("UPS", "G") == Missing(MappingKind.CARRIER, Side.OMS, "UPS:G")
    assert mappings.to_oms("B") == CarrierCode("ups", "g")


def test_all_conflicts_are_told_at_once_with_the_names_of_their_rows() -> None:
    rows = [row("UPS*", "UPS", primary=True), row("DHL", "DHL*"), row("dhl ", "DHL")]
    found = check_carriers(rows, ["line 2", "line 3", "line 4"])
    assert [(each.positions, each.sentence.partition(".")[0]) for each in found] == [
        ((2,), "'dhl ' is mapped by line 3 already"),
        ((0,), "The channel code 'UPS*' of line 2 is a pattern and can never go back out, so it cannot be Primary"),
        ((1,), "The OMS code 'DHL*' of line 3 ends with '*'"),
    ]


@given(rows=row_sets)
def test_rows_without_a_conflict_lead_out_from_every_oms_code_that_has_a_whole_channel_code(
    rows: list[CarrierMapping],
) -> None:
    if not check_carriers(rows):
        mappings = CarrierMappings(rows)
        for each in rows:
            if not each.channel.is_pattern:
                assert isinstance(mappings.to_channel(each.oms_carrier, each.oms_service), CarrierCode)


def test_two_rows_of_one_channel_code_make_no_mappings() -> None:
    with pytest.raises(InputError, match="'ups' is mapped by row 1 already"):
        CarrierMappings([row("UPS", "A"), row("ups", "B")])


@given(carrier=texts, service=texts)
def test_the_text_of_a_code_reads_back_as_the_same_code(carrier: str, service: str) -> None:
    code = CarrierCode(carrier, service)
    assert CarrierCode.of(code.text) == code


@given(text=texts)
def test_any_text_reads_as_some_code(text: str) -> None:
    code = CarrierCode.of(text)
    assert CarrierCode.of(code.text) == code


def test_a_missing_code_names_carrier_and_service_trimmed() -> None:
    mappings = CarrierMappings([])
    assert mappings.to_oms(" UPS ", " Ground ") == Missing(MappingKind.CARRIER, Side.CHANNEL, "UPS:Ground")
    assert mappings.to_channel("A:B") == Missing(MappingKind.CARRIER, Side.OMS, r"A\:B")


@pytest.mark.parametrize("codes", [("", "", "UPS", ""), ("UPS", "", " ", ""), ("UPS", "x" * 201, "UPS", "")])
def test_a_row_has_both_carriers_and_no_code_beyond_measure(codes: tuple[str, str, str, str]) -> None:
    with pytest.raises(InputError):
        CarrierMapping(*codes)
