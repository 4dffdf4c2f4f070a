"""Requests for correction and versions of records."""

from exchange.corrections.model import Correction, Fault, Origin, Version
from tests.builders.catalog import HOUSING, NOON, RESIDENTS


def correction(**changes) -> Correction:
    """A request of the housing department, by a query."""
    values = {
        "name": f"{HOUSING}/corrections/one",
        "resource": RESIDENTS,
        "origin": Origin.QUERY,
        "items": ("name", "birth_date"),
        "fault": Fault.WRONG_VALUE,
        "statement": "姓名有误",
        "record_key": "key",
        "grant_name": f"{HOUSING}/grants/one",
        "subscription": f"{HOUSING}/subscriptions/one",
        "record_id": "id",
        "doubted": 3,
        "create_time": NOON,
    }
    return Correction(**{**values, **changes})


def version(offset: int, values: dict[str, str] | None) -> Version:
    """A version of a record."""
    return Version(offset=offset, batch=offset, publish_time=NOON, values=values)
