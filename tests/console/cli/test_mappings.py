"""Mappings at the shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.cli.support import Place

WHERE = ("acme/bright-main", "carrier")
GROUND = ["channel_carrier=UPS Ground", "oms_carrier=ups", "oms_service=03"]


def test_a_mapping_is_saved_listed_searched_and_removed(place: Place) -> None:
    assert place.run("mappings", "set", *WHERE, *GROUND).exit_code == 0
    assert place.run("mappings", "set", *WHERE, "channel_carrier=FedEx 100%", "oms_carrier=fedex").exit_code == 0
    listed = place.json("mappings", "list", *WHERE)
    assert [(row["channel_carrier"], row["oms_carrier"], row["oms_service"]) for row in listed] == [
        ("FedEx 100%", "fedex", ""),
        ("UPS Ground", "ups", "03"),
    ]
    assert len(place.json("mappings", "list", *WHERE, "--search", "100%")) == 1
    assert place.json("mappings", "list", *WHERE, "--search", "_") == []
    shown = place.run("mappings", "list", *WHERE).stdout
    assert "UPS Ground" in shown and "any" in shown
    assert place.run("mappings", "remove", *WHERE, "UPS Ground").exit_code == 0
    assert len(place.json("mappings", "list", *WHERE)) == 1


def test_a_sku_mapping_is_saved_with_its_multiplier_and_exported(place: Place) -> None:
    sku = ("acme/bright-main", "sku")
    assert place.run("mappings", "set", *sku, "channel_sku=SIX", "oms_sku=ONE", "multiplier=6").exit_code == 0
    assert place.json("mappings", "list", *sku) == [{"channel_sku": "SIX", "oms_sku": "ONE", "multiplier": 6}]
    assert "SIX,ONE,6" in place.run("mappings", "export", *sku).stdout
    refused = place.run("mappings", "set", *sku, "channel_sku=SIX", "oms_sku=ONE", "multiplier=0")
    assert refused.exit_code == 3 and "is no multiplier" in refused.stderr


def test_saving_the_same_code_again_replaces_it(place: Place) -> None:
    place.run("mappings", "set", *WHERE, *GROUND)
    place.run("mappings", "set", *WHERE, "channel_carrier=ups ground", "oms_carrier=ups", "oms_service=04")
    assert [row["oms_service"] for row in place.json("mappings", "list", *WHERE)] == ["04"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (["channel_carrier=UPS"], "oms_carrier"),
        (["channel_carrier=UPS", "oms_carrier=ups", "colour=brown"], "colour"),
        (["channel_carrier=UPS*", "oms_carrier=ups", "primary=yes"], "pattern"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_and_nothing_is_saved(place: Place, members: list[str], said: str) -> None:
    result = place.run("mappings", "set", *WHERE, *members)
    assert result.exit_code == 3 and said in result.stderr
    assert place.json("mappings", "list", *WHERE) == []


def test_a_second_way_out_of_one_code_is_refused_with_the_question(place: Place) -> None:
    place.run("mappings", "set", *WHERE, *GROUND)
    result = place.run("mappings", "set", *WHERE, "channel_carrier=UPS Saver", "oms_carrier=ups", "oms_service=03")
    assert result.exit_code == 3 and "which one goes back out" in result.stderr
    result = place.run(
        "mappings", "set", *WHERE, "channel_carrier=UPS Saver", "oms_carrier=ups", "oms_service=03", "primary=yes"
    )
    assert result.exit_code == 0, result.stderr


def test_what_the_platform_has_no_mappings_of_is_refused_with_what_it_has(place: Place) -> None:
    for command in (["list"], ["export"]):
        result = place.run("mappings", *command, "acme/bright-main", "warehouse")
        assert result.exit_code == 1 and "has no Warehouse mappings; it has: sku, carrier" in result.stderr
    assert place.run("mappings", "list", "acme/bright-main", "colour").exit_code == 2
    assert place.run("mappings", "list", "acme/nowhere", "carrier").exit_code == 1


def test_an_export_is_an_import_that_changes_nothing(place: Place) -> None:
    place.run("mappings", "set", *WHERE, *GROUND)
    place.run("mappings", "set", *WHERE, "channel_carrier==2+2", 'oms_carrier=a "b", c')
    sheet = place.run("mappings", "export", *WHERE).stdout
    file = place.folder / "carriers.csv"
    file.write_text(sheet, newline="")
    counts = place.json("mappings", "import", *WHERE, str(file), "--mode", "replace")
    assert (counts["unchanged"], counts["added"], counts["changed"], counts["removed"]) == (2, 0, 0, 0)


def test_an_import_tells_of_each_wrong_row_and_takes_the_others(place: Place) -> None:
    file, wrong = place.folder / "in.csv", place.folder / "wrong.csv"
    file.write_text("channel_carrier;oms_carrier;primary\nUPS Ground;ups;no\nFedEx;;no\nDHL;dhl;perhaps\n")
    dry = place.run("mappings", "import", *WHERE, str(file), "--dry-run")
    assert dry.exit_code == 3 and place.json("mappings", "list", *WHERE) == []
    result = place.run("mappings", "import", *WHERE, str(file), "--errors", str(wrong))
    assert result.exit_code == 3
    assert "Line 3, column oms_carrier" in result.stdout and "Line 4, column primary" in result.stdout
    assert [row["channel_carrier"] for row in place.json("mappings", "list", *WHERE)] == ["UPS Ground"]
    corrected = wrong.read_text().replace("perhaps", "no").replace("FedEx,,", "FedEx,fedex,")
    wrong.write_text(corrected)
    assert place.json("mappings", "import", *WHERE, str(wrong))["added"] == 2


def test_a_replacing_import_with_an_error_takes_nothing(place: Place, tmp_path: Path) -> None:
    place.run("mappings", "set", *WHERE, *GROUND)
    file = tmp_path / "in.csv"
    file.write_text("channel_carrier,oms_carrier\nDHL,dhl\n,x\n")
    result = place.run("mappings", "import", *WHERE, str(file), "--mode", "replace")
    assert result.exit_code == 3 and "nothing of the file was taken" in result.stderr
    assert [row["channel_carrier"] for row in place.json("mappings", "list", *WHERE)] == ["UPS Ground"]


def test_a_file_or_mode_that_is_not_there_is_a_wrong_use(place: Place) -> None:
    assert place.run("mappings", "import", *WHERE, "nowhere.csv").exit_code == 2
    assert place.run("mappings", "import", *WHERE, "-", "--mode", "guess").exit_code == 2
    assert place.run("mappings", "set", *WHERE, "nonsense").exit_code == 2
