"""Who may have a license of a type, and what stands in a page's QR code."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from licenses.sharing.model import (
    STANDARD,
    Asking,
    check_item,
    decide,
    identifier_in,
    last_day,
    may_have,
)
from licenses.types.model import SharingType
from runtime.errors import InvalidArgument, PermissionDenied
from tests.builders.licenses import NOW, a_license, a_type

BANK = "departments/housing-fund"
ITEM = f"{BANK}/serviceItems/withdrawal"


@pytest.mark.parametrize(
    ("sharing", "item", "reason"),
    [
        (SharingType.UNCONDITIONAL, "", ""),
        (SharingType.UNCONDITIONAL, f"{BANK}/serviceItems/other", ""),
        (SharingType.CONDITIONAL, ITEM, ""),
        (SharingType.CONDITIONAL, "", "SERVICE_ITEM_NOT_ACCEPTED"),
        (SharingType.CONDITIONAL, f"{BANK}/serviceItems/other", "SERVICE_ITEM_NOT_ACCEPTED"),
        (SharingType.NOT_SHARED, ITEM, "LICENSE_TYPE_NOT_SHARED"),
    ],
)
def test_each_rule_of_sharing(sharing: SharingType, item: str, reason: str) -> None:
    kind = replace(a_type(), sharing_type=sharing, accepted_by=(ITEM,))
    asking = Asking(department=BANK, service_item=item)
    assert may_have(kind, asking) is not bool(reason)
    if not reason:
        decide(kind, asking)
        return
    with pytest.raises(PermissionDenied) as told:
        decide(kind, asking)
    assert told.value.reason == reason


def test_an_item_is_of_ones_own_department() -> None:
    check_item(Asking(department=BANK))
    check_item(Asking(department=BANK, service_item=ITEM))
    with pytest.raises(PermissionDenied) as told:
        check_item(Asking(department="departments/police", service_item=ITEM))
    assert told.value.reason == "NOT_OWN_SERVICE_ITEM"
    with pytest.raises(InvalidArgument):
        check_item(Asking(department=BANK, service_item="withdrawal"))


def test_the_identifier_is_read_out_of_a_code() -> None:
    identifier = a_license().identifier
    assert identifier_in(identifier) == identifier
    assert identifier_in(f"https://示范.example/v?id={identifier}&x=1") == identifier
    for text in ("", "1.2.156.3005.2", identifier[:-2], "x" * 20_000 + identifier):
        assert identifier_in(text) == ""


def test_a_copy_lasts_a_while() -> None:
    license_ = a_license(valid_to=None)
    today = date(2026, 11, 21)
    assert last_day(None, license_, NOW) == today + timedelta(days=30)
    assert last_day(today + timedelta(days=60), license_, NOW) == today + timedelta(days=60)
    short = a_license(valid_to=today)
    assert last_day(None, short, NOW) == today
    for one, wrong in (
        (license_, today + timedelta(days=61)),
        (license_, today - timedelta(days=1)),
        (short, today + timedelta(days=1)),
    ):
        with pytest.raises(InvalidArgument) as told:
            last_day(wrong, one, NOW)
        assert told.value.reason == "BAD_COPY_END"


def test_the_standard_fields_are_those_of_every_license() -> None:
    metadata = a_license().metadata
    assert {code for code, *_ in STANDARD} == {key for key in metadata if not key.startswith("KZ_")}
    for code, _, _, length in STANDARD:
        assert len(metadata[code]) <= length
