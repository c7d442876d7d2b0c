"""The page of settings lists what the code offers."""

from __future__ import annotations

from connectors import MANIFESTS
from console.cli.setting_sheet import sheet
from domain.setting_fields import ACCOUNT_FIELDS
from tests.docs.fences import ROOT

PAGE = (ROOT / "docs" / "settings.md").read_text()


def test_the_page_has_every_setting_of_every_platform_and_of_accounts() -> None:
    assert sheet(ACCOUNT_FIELDS.values()) in PAGE
    for manifest in MANIFESTS.values():
        assert sheet(manifest.settings) in PAGE, "write it anew: towpath channels platforms --markdown"
