"""The settings as a Markdown table, for the documents: what a page says is then what the code offers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domain.setting_fields import SettingField


def sheet(fields: Iterable[SettingField]) -> str:
    """One row for each field, in order."""
    rows = ["| name | label | part | what may be put in | what it does |", "|---|---|---|---|---|"]
    for field in fields:
        label = f"{field.label}, {field.section}" if field.kind == "period" else field.label
        cells = (f"`{field.name}`", label, str(field.group), allowed_values(field), field.help)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def allowed_values(field: SettingField) -> str:
    """What may be put into a field, in words."""
    if field.choices:
        found = ", ".join(value for value, _ in field.choices)
    elif field.least is not None or field.most is not None:
        least = "" if field.least is None else f"from {field.least:g}"
        found = f"{least} to {field.most:g}".strip() if field.most is not None else least
    else:
        found = _KINDS[field.kind]
    return f"{found}, or empty" if field.empty else found


_KINDS = {
    "text": "text",
    "yes_no": "yes or no",
    "whole": "a whole number",
    "number": "a number",
    "choice": "a choice of the platform",
    "codes": "a list of codes",
    "numbers": "a list of numbers",
    "timezone": "a name such as Europe/Berlin",
    "period": "a period",
}
