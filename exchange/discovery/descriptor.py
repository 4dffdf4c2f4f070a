"""The descriptor of a resource: what its records look like and how they are asked for, as JSON.

1. `record_schema` is a JSON Schema (draft 2020-12) of one whole record as its source publishes it:
   an object of strings by item code, an absent value left out. It takes every record that
   `catalog.schema` takes; check digits and real dates are beyond patterns, `format` and
   `x-standard` name them.
2. What a grant shows may be less: items that it gives, some of them masked, which are then text of
   any form. So a consumer checks with `required` left out, and masked items left out.
3. Nothing in it depends on who asks: it says no more than the open catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from exchange.catalog.model import DataItem, DataResource, EntryState, ItemType, SharingType
from exchange.catalog.staleness import CYCLE_DAYS, fresh_until, is_stale
from runtime.records import instant

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FORM = "tongban-descriptor/1"

_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIME = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"
)
_TYPES: Mapping[ItemType, Mapping[str, Any]] = {
    ItemType.CHARACTER: {},
    ItemType.NUMBER: {"pattern": "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$"},
    ItemType.DATE: {"format": "date", "pattern": _DATE},
    ItemType.TIME: {"format": "date-time", "pattern": _TIME},
    ItemType.LOGICAL: {"enum": ["true", "false"]},
    ItemType.BINARY: {"contentEncoding": "base64"},
    ItemType.GEOMETRY: {"contentMediaType": "application/geo+json"},
}
#: What of a standard a pattern can say; the check digit is left to who computes it.
_PATTERNS = {
    "GB 11643": "^[1-9][0-9]{16}[0-9X]$",
    "GB 32100": "^[0-9A-HJ-NPQRTUWXY]{18}$",
    "GB/T 2260": "^[1-9][0-9]{5}$",
}
_SERVICE = "tongban.exchange.v1"


def descriptor(
    resource: DataResource, *, source_display_name: str, now: datetime
) -> dict[str, Any]:
    """The descriptor of a resource as it is now."""
    until = fresh_until(resource)
    published = resource.last_publish_time
    return {
        "form": FORM,
        "resource": resource.name,
        "code": resource.code,
        "display_name": resource.display_name,
        "abstract": resource.abstract,
        "version": resource.version,
        "etag": resource.etag,
        "source": {
            "department": resource.name.rpartition("/resources/")[0],
            "display_name": source_display_name,
            "credit_code": resource.provider_code,
            "contact_office": resource.contact_office,
        },
        "state": resource.state.value,
        "sharing": {
            "type": resource.sharing_type.value,
            "condition": resource.sharing_condition,
            "legal_basis": resource.legal_basis,
        },
        "freshness": {
            "update_cycle": resource.update_cycle,
            "cycle_days": CYCLE_DAYS.get(resource.update_cycle, 0),
            "last_publish_time": instant(published) if published else None,
            "fresh_until": instant(until) if until else None,
            "stale": is_stale(resource, now),
        },
        "key_item": resource.key_item,
        "calls": _calls(resource),
        "record_schema": record_schema(resource),
    }


def record_schema(resource: DataResource) -> dict[str, Any]:
    """The JSON Schema of one whole record."""
    return {
        "$schema": DIALECT,
        "$id": f"tongban:{resource.name}/versions/{resource.version}",
        "title": resource.display_name,
        "description": resource.abstract,
        "type": "object",
        "properties": {item.code: item_schema(item) for item in resource.items},
        "required": [item.code for item in resource.items if item.required],
        "additionalProperties": False,
    }


def item_schema(item: DataItem) -> dict[str, Any]:
    """The JSON Schema of one item's values."""
    said: dict[str, Any] = {"type": "string", "title": item.display_name, "minLength": 1}
    if item.definition:
        said["description"] = item.definition
    if item.length:
        said["maxLength"] = item.length
    said |= _TYPES[item.type]
    if pattern := _PATTERNS.get(item.standard):
        # Both must hold: a number that follows a standard has the pattern of each.
        if "pattern" in said:
            said["allOf"] = [{"pattern": pattern}]
        else:
            said["pattern"] = pattern
    if item.code_values:
        said["enum"] = [value.code for value in item.code_values]
        said["x-values"] = {value.code: value.display_name for value in item.code_values}
    said["x-type"] = item.type.value
    said["x-sensitivity"] = item.effective_sensitivity.value
    said["x-personal"] = item.personal
    for key, text in (
        ("x-standard", item.standard),
        ("x-element", item.element),
        ("x-code-list", item.code_list),
    ):
        if text:
            said[key] = text
    return said


def _calls(resource: DataResource) -> dict[str, Any]:
    """How records are asked for; a resource that nobody can ask for has no calls."""
    shared = resource.sharing_type is not SharingType.NOT_SHARED
    if not shared or resource.state is EntryState.WITHDRAWN:
        return {}
    granted = {"grant": "name of a grant in force: Discover lists it"}
    why = {"purpose": "what for (用途)", "case_number": "the case's own number (办件编号)"}
    key = {"key": f"value of {resource.key_item}"}
    return {
        "query": {
            "method": f"{_SERVICE}.QueryService/Query",
            "operation": "OPERATION_QUERY",
            "request": {**granted, **key, "items": "codes; empty is all granted", **why},
        },
        "verify": {
            "method": f"{_SERVICE}.QueryService/Verify",
            "operation": "OPERATION_VERIFY",
            "request": {**granted, **key, "claims": "values by item code", **why},
        },
        "subscribe": {
            "method": f"{_SERVICE}.DeliveryService/Subscribe",
            "operation": "OPERATION_SUBSCRIBE",
            "request": {"subscription": "made before, with CreateSubscription"},
            "before": {
                "method": f"{_SERVICE}.DeliveryService/CreateSubscription",
                "request": {"parent": "the caller's department", **granted},
            },
        },
    }
