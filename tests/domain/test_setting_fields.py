"""The catalogue of fields: it speaks of settings that exist, and its limits are those of the model."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.bright_sites import MANIFEST
from domain.channels import AccountSettings
from domain.errors import InputError
from domain.setting_fields import ACCOUNT_FIELDS, CHANNEL_FIELDS, Group, offered
from domain.settings import built_in, settings_of

LIMITED = [field for field in CHANNEL_FIELDS.values() if field.least is not None]


def test_every_setting_of_a_channel_has_a_field_and_every_field_a_setting() -> None:
    assert set(CHANNEL_FIELDS) == {name for name in built_in() if not name.startswith("period.")}
    assert set(ACCOUNT_FIELDS) == set(AccountSettings.model_fields)


@pytest.mark.parametrize("field", LIMITED, ids=lambda field: field.name)
def test_the_limits_of_a_field_are_those_of_the_setting(field: Any) -> None:
    for value in (field.least, field.most):
        if value is not None:
            settings_of({field.name: value})
    for value in (field.least - 1, (field.most or 0) + 1 if field.most else None):
        if value is not None:
            with pytest.raises(InputError, match=field.name.rpartition(".")[2]):
                settings_of({field.name: value})


@pytest.mark.parametrize("field", CHANNEL_FIELDS.values(), ids=lambda field: field.name)
def test_every_choice_can_be_set_and_only_what_may_be_empty_takes_nothing(field: Any) -> None:
    for value, label in field.choices:
        assert label
        settings_of({field.name: value})
    if field.empty:
        settings_of({field.name: None})
    else:
        with pytest.raises(InputError):
            settings_of({field.name: None})


def test_labels_and_groups_are_those_people_know() -> None:
    known = {(field.label, field.group) for field in MANIFEST.settings}
    assert {
        ("PII retention threshold", Group.PRIVACY),
        ("Update order with last shipment information", Group.ADVANCED),
        ("Timezone", Group.ADVANCED),
        ("Inventory synchronization", Group.ADVANCED),
        ("Main Job Period", Group.SYSTEM),
    } <= known
    assert {field.section for field in MANIFEST.settings if field.kind == "period"} >= {
        "Import Products",
        "Export Products",
    }


def test_a_platform_offers_the_periods_of_the_jobs_that_run_on_a_schedule_and_no_others() -> None:
    assert "period.order_update" not in MANIFEST.fields
    assert not MANIFEST.fields["period.product_import"].allows("30m")
    assert MANIFEST.fields["period.product_import"].allows("daily@06:30")
    (only,) = offered(["units_weight"], {}, units_weight=["lb"])
    assert only.allows("lb") and not only.allows("kg")
