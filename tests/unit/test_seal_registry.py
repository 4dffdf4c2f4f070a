"""The rules of a seal's use, without any I/O."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.errors import DomainError, FailedPrecondition, InvalidArgument
from runtime.idcodes import credit_code_check_character
from runtime.identity import Principal, Role
from seal.registry import (
    Authorization,
    HeldSeal,
    SealOrder,
    SealState,
    check_authorization,
    check_use,
    may_see_inside,
    term,
)

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
LATEST = NOW + timedelta(days=3650)
CREDIT = "11990101MB0000001"
CREDIT_CODE = CREDIT + credit_code_check_character(CREDIT)
HELD = HeldSeal(
    name="departments/a/seals/b",
    department="departments/a",
    display_name="示范县审批局",
    credit_code=CREDIT_CODE,
    es_id="1",
    state=SealState.ACTIVE,
    start_time=NOW,
    end_time=NOW + timedelta(days=10),
    seal_data=b"",
    image=b"",
    width_mm=42.0,
    height_mm=42.0,
    certificate=b"",
    pdf_certificate=b"",
)


SYSTEM = "departments/a/systems/one"
ANOTHER = "departments/a/systems/another"
FOREIGN = "departments/b/systems/one"


def allowing(**changes: Any) -> HeldSeal:
    return replace(HELD, authorization=Authorization(**changes))


def test_a_replaced_seal_names_the_one_in_its_place() -> None:
    old = replace(HELD, state=SealState.REVOKED, replaced_by="departments/a/seals/c")
    with pytest.raises(FailedPrecondition, match="use departments/a/seals/c") as caught:
        check_use(old, at=NOW, actor=SYSTEM, kind="")
    assert caught.value.reason == "SEAL_NOT_IN_FORCE"


def order(**changes: object) -> SealOrder:
    values: dict[str, object] = {
        "department": "departments/a",
        "seal_id": "b",
        "display_name": "示范县审批局",
        "credit_code": CREDIT_CODE,
    }
    return SealOrder(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [timedelta(0), timedelta(days=5), timedelta(days=10)])
def test_an_active_seal_is_used_within_its_times(after: timedelta) -> None:
    check_use(HELD, at=NOW + after, actor=SYSTEM, kind="")


@pytest.mark.parametrize(
    ("seal", "at", "why"),
    [
        (HELD, NOW - timedelta(seconds=1), "not_begun"),
        (HELD, NOW + timedelta(days=10, seconds=1), "ended"),
        (replace(HELD, state=SealState.REVOKED), NOW, "revoked"),
        # Revoked is told before the times: it is what a new seal is needed for.
        (replace(HELD, state=SealState.REVOKED), NOW - timedelta(days=1), "revoked"),
        (replace(HELD, state=SealState.FROZEN), NOW, "frozen"),
        (replace(HELD, state=SealState.REQUESTED), NOW, "requested"),
        (replace(HELD, state=SealState.REJECTED), NOW, "rejected"),
        (allowing(expire_time=NOW), NOW + timedelta(seconds=1), "authorization_ended"),
    ],
)
def test_a_seal_out_of_force_names_the_rule(seal: HeldSeal, at: datetime, why: str) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        check_use(seal, at=at, actor=None, kind="")
    assert (caught.value.reason, caught.value.metadata) == ("SEAL_NOT_IN_FORCE", {"why": why})
    assert caught.value.message_zh != caught.value.message


ANYTHING = allowing()
ONE_USER = allowing(users=(SYSTEM,))
ONE_TYPE = allowing(license_types=("license-types/x",))
ONE_KIND = allowing(document_kinds=("letter",))
BOTH = allowing(license_types=("license-types/x",), document_kinds=("letter",))


@pytest.mark.parametrize(
    ("seal", "actor", "kind", "refusal"),
    [
        (ANYTHING, SYSTEM, "", None),
        (ANYTHING, SYSTEM, "license-types/y", None),
        (ANYTHING, SYSTEM, "anything", None),
        (ANYTHING, None, "", None),
        (ANYTHING, FOREIGN, "", "SEAL_NOT_FOUND"),
        (ONE_USER, SYSTEM, "", None),
        (ONE_USER, ANOTHER, "", "SEAL_NOT_FOUND"),
        (ONE_USER, FOREIGN, "", "SEAL_NOT_FOUND"),
        (ONE_USER, None, "", None),
        (ONE_TYPE, SYSTEM, "license-types/x", None),
        (ONE_TYPE, None, "license-types/x", None),
        (ONE_TYPE, SYSTEM, "license-types/y", "SEAL_KIND_NOT_AUTHORIZED"),
        (ONE_TYPE, None, "license-types/y", "SEAL_KIND_NOT_AUTHORIZED"),
        (ONE_TYPE, SYSTEM, "x", "SEAL_KIND_NOT_AUTHORIZED"),
        (ONE_TYPE, SYSTEM, "", "SEAL_KIND_NOT_AUTHORIZED"),
        (ONE_KIND, SYSTEM, "letter", None),
        (ONE_KIND, SYSTEM, "license-types/letter", "SEAL_KIND_NOT_AUTHORIZED"),
        (ONE_KIND, SYSTEM, "", "SEAL_KIND_NOT_AUTHORIZED"),
        (BOTH, SYSTEM, "letter", None),
        (BOTH, SYSTEM, "license-types/x", None),
        (BOTH, SYSTEM, "other", "SEAL_KIND_NOT_AUTHORIZED"),
        # An outsider learns nothing of the seal: neither its state nor what it is for.
        (replace(ONE_TYPE, state=SealState.FROZEN), FOREIGN, "", "SEAL_NOT_FOUND"),
        (replace(ONE_USER, state=SealState.REVOKED), ANOTHER, "", "SEAL_NOT_FOUND"),
        (replace(ONE_TYPE, state=SealState.FROZEN), SYSTEM, "", "SEAL_NOT_IN_FORCE"),
    ],
)
def test_who_may_seal_what(
    seal: HeldSeal, actor: str | None, kind: str, refusal: str | None
) -> None:
    if refusal is None:
        check_use(seal, at=NOW, actor=actor, kind=kind)
        return
    with pytest.raises(DomainError) as caught:
        check_use(seal, at=NOW, actor=actor, kind=kind)
    assert caught.value.reason == refusal
    assert caught.value.message_zh != caught.value.message


@pytest.mark.parametrize(
    ("role", "department", "sees"),
    [
        (Role.ADMINISTRATOR, "departments/b", True),
        (Role.AUDITOR, "departments/b", True),
        (Role.NODE, "departments/b", True),
        (Role.DEPARTMENT, "departments/a", True),
        (Role.DEPARTMENT, "departments/b", False),
        (Role.COUNTER, "departments/a", False),
    ],
)
def test_who_sees_inside(role: Role, department: str, sees: bool) -> None:
    caller = Principal(
        system=f"{department}/systems/one", department=department, roles=frozenset({role}), serial=1
    )
    assert may_see_inside(HELD, caller) is sees


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"users": (FOREIGN,)}, "users"),
        ({"users": ("departments/a",)}, "users"),
        ({"users": tuple(f"{SYSTEM}-{n}" for n in range(101))}, "users"),
        ({"license_types": ("x",)}, "license_types"),
        ({"license_types": ("license-types/",)}, "license_types"),
        ({"license_types": tuple(f"license-types/{n}" for n in range(101))}, "license_types"),
        ({"document_kinds": ("license-types/x",)}, "document_kinds"),
        ({"document_kinds": ("公函",)}, "document_kinds"),
        ({"document_kinds": ("",)}, "document_kinds"),
        ({"document_kinds": tuple(f"k{n}" for n in range(101))}, "document_kinds"),
        ({"expire_time": NOW}, "expire_time"),
    ],
)
def test_a_bad_authorization_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_authorization(Authorization(**changes), department="departments/a", now=NOW)
    assert caught.value.reason == "BAD_AUTHORIZATION"
    assert [one.field for one in caught.value.violations] == [field]


def test_an_authorization_is_kept_in_order_without_repeats() -> None:
    wanted = Authorization(
        users=(SYSTEM, ANOTHER, SYSTEM),
        document_kinds=("b", "a", "b"),
        expire_time=NOW + timedelta(days=1, microseconds=3),
    )
    assert check_authorization(wanted, department="departments/a", now=NOW) == Authorization(
        users=(ANOTHER, SYSTEM), document_kinds=("a", "b"), expire_time=NOW + timedelta(days=1)
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"display_name": "局"}, "display_name"),
        ({"display_name": "局" * 41}, "display_name"),
        ({"display_name": "示范县\n审批局"}, "display_name"),
        ({"credit_code": CREDIT + "?"}, "credit_code"),
        ({"credit_code": ""}, "credit_code"),
        ({"bottom_line": "a\tb"}, "bottom_line"),
        ({"seal_code": "1\n2"}, "seal_code"),
        ({"seal_code": "1" * 41}, "seal_code"),
        ({"version": 1}, "version"),
        ({"width_mm": 42.5}, "width_mm"),
        ({"width_mm": 101.0}, "width_mm"),
        ({"height_mm": float("nan")}, "height_mm"),
        ({"height_mm": -1.0}, "height_mm"),
        ({"image": b"x", "width_mm": 0.0, "height_mm": 30.0}, "width_mm"),
        ({"image": b"x", "width_mm": 9.0, "height_mm": 30.0}, "width_mm"),
        ({"image": b"x", "seal_code": "1", "width_mm": 30.0, "height_mm": 30.0}, "image"),
    ],
)
def test_a_bad_wish_for_a_seal_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        order(**changes)
    assert [one.field for one in caught.value.violations] == [field]


def test_a_seal_lasts_three_years_unless_said_otherwise() -> None:
    assert term(None, now=NOW.replace(microsecond=7), latest=LATEST) == (
        NOW,
        NOW.replace(year=2029),
    )
    end = NOW + timedelta(days=9, microseconds=5)
    assert term(end, now=NOW, latest=LATEST)[1] == NOW + timedelta(days=9)


def test_a_leap_day_ends_on_the_first_of_march() -> None:
    start = datetime(2028, 2, 29, tzinfo=UTC)
    assert term(None, now=start, latest=LATEST)[1] == datetime(2031, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("end", [NOW, NOW - timedelta(days=1), LATEST + timedelta(seconds=1)])
def test_a_seal_ends_after_it_begins_and_before_its_maker(end: datetime) -> None:
    with pytest.raises(InvalidArgument) as caught:
        term(end, now=NOW, latest=LATEST)
    assert caught.value.reason == "BAD_END_TIME"
