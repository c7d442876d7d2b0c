"""Mappings between the codes of a channel and those of the OMS (sales channels, section 4)."""

from domain.mappings.carrier import CarrierCode, CarrierMapping, CarrierMappings
from domain.mappings.carrier import check as check_carriers
from domain.mappings.kinds import (
    MOST_CHARACTERS,
    Change,
    Conflict,
    ImportMode,
    ImportPlan,
    MappingKind,
    Missing,
    Sheet,
    SheetError,
    SheetRow,
    Side,
)
from domain.mappings.known import SAME_SKUS, KnownCarriers, KnownSkus
from domain.mappings.methods import ShippingMethods
from domain.mappings.sheet import (
    MOST_ROWS,
    ROW_TYPES,
    MappingRow,
    check_rows,
    error_sheet,
    plan_import,
    read_sheet,
    row_of,
    write_sheet,
)
from domain.mappings.sku import ChannelSku, ResolvedSku, SkuMapping, SkuMappings
from domain.mappings.suggest import nearest
from domain.mappings.warehouse import WarehouseMapping, WarehouseMappings

__all__ = [
    "MOST_CHARACTERS",
    "MOST_ROWS",
    "ROW_TYPES",
    "SAME_SKUS",
    "CarrierCode",
    "CarrierMapping",
    "CarrierMappings",
    "Change",
    "ChannelSku",
    "Conflict",
    "ImportMode",
    "ImportPlan",
    "KnownCarriers",
    "KnownSkus",
    "MappingKind",
    "MappingRow",
    "Missing",
    "ResolvedSku",
    "Sheet",
    "SheetError",
    "SheetRow",
    "ShippingMethods",
    "Side",
    "SkuMapping",
    "SkuMappings",
    "WarehouseMapping",
    "WarehouseMappings",
    "check_carriers",
    "check_rows",
    "error_sheet",
    "nearest",
    "plan_import",
    "read_sheet",
    "row_of",
    "write_sheet",
]
