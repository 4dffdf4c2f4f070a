"""What is left open offline is told: an end by the holder, and a license newer than the list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from licenses.offline.model import Asked, Cached, OfflineCode, claims_of, code_of, decide
from licenses.offline.reasons import SENTENCES, Reason
from licenses.statuslist.model import Status, StatusList, StatusRef, pack
from portal.verifier.offline_words import words_of
from runtime.clock import CHINA
from tests.builders.licenses import NOW

OFFICE, URI = "departments/data-office", "urn:tongban:status:data-office/0"
CODE = OfflineCode(
    presentation_id="0f" * 12,
    issuer=OFFICE,
    audience="",
    purpose="",
    purpose_bound=False,
    issued_at=NOW - timedelta(minutes=15),
    expire_time=NOW + timedelta(hours=1),
    type_code="11990101MB9901024T001",
    type_name="就业创业登记证",
    fields={"CZZT": "赵示例"},
    status=StatusRef(uri=URI, index=7),
    holder=None,
)
LIST = StatusList(
    uri=URI,
    made_at=NOW - timedelta(minutes=10),
    good_until=NOW + timedelta(hours=23),
    ttl=timedelta(hours=1),
    packed=bytes(pack(())),
)
CACHED = Cached(trust_made_at=NOW, lists={(OFFICE, URI): LIST})
ASKED = Asked(verifier="", purpose="核验", now=NOW)


def with_list(**changes: Any) -> Cached:
    return replace(CACHED, lists={(OFFICE, URI): replace(LIST, **changes)})


def test_that_the_holder_may_have_ended_it_is_told_as_not_compared() -> None:
    found = decide(CODE, CACHED, ASKED)
    (check,) = [one for one in found.checks if one.name == "presentation"]
    assert (found.indication, check.passed) == ("PASSED", None)
    assert check.detail in found.summary
    assert check.detail_zh in found.summary_zh


def test_without_any_list_none_is_said_to_be_older() -> None:
    found = decide(replace(CODE, own_place=True), replace(CACHED, lists={}), ASKED)
    assert "there is no status list" in found.summary
    assert "is older" not in found.summary
    assert "早于" not in found.summary_zh


def test_of_a_license_newer_than_the_list_the_list_says_nothing() -> None:
    new = replace(CODE, issued_at=NOW, new_since=NOW - timedelta(minutes=5))
    found = decide(new, CACHED, ASKED)
    (check,) = [one for one in found.checks if one.name == "license_status"]
    assert (found.reason, check.passed, found.status_as_of) == (
        Reason.STATUS_LIST_OLDER, None, NOW,
    )  # fmt: skip
    assert "newer than the status list" in found.summary
    listed = replace(CODE, new_since=LIST.made_at - timedelta(seconds=1))
    assert "11:50 (status list)" in decide(listed, CACHED, ASKED).summary


def test_of_what_came_after_the_list_nothing_is_said_to_be_known() -> None:
    own = replace(CODE, own_place=True, issued_at=NOW)
    # A list from before says nothing of it, whatever stands there; nor one of a second before.
    for made_at in (LIST.made_at, NOW - timedelta(seconds=1)):
        for ended in (pack(()), pack([(7, Status.INVALID)]), pack([(7, Status.ENDED)])):
            found = decide(own, with_list(packed=bytes(ended), made_at=made_at), ASKED)
            left = [one.name for one in found.checks if one.passed is None]
            assert (found.indication, found.reason, left, found.status_as_of) == (
                "INDETERMINATE", Reason.STATUS_LIST_OLDER,
                ["holder", "presentation", "license_status", "status_list"], NOW,
            )  # fmt: skip
            assert "in force at 2026-11-21 12:00, and what happened after" in found.summary
            assert "证照在 2026-11-21 12:00 有效，此后的情况无法得知" in found.summary_zh
            # Nor is it known of the license: a revocation since is in no list that is held.
            (since,) = [one for one in found.checks if one.name == "license_status"]
            assert "not compared: whether the license was suspended, revoked" in since.detail
            listed = f"{made_at.astimezone(CHINA):%Y-%m-%d %H:%M}"
            assert listed in since.detail
            assert listed in since.detail_zh


def test_a_code_with_a_place_of_its_own_is_told_as_ended() -> None:
    own = replace(CODE, own_place=True, issued_at=NOW)
    later, made_at = replace(ASKED, now=NOW + timedelta(minutes=5)), NOW + timedelta(minutes=1)
    assert decide(own, with_list(made_at=NOW), later).indication == "PASSED"
    found = decide(own, with_list(made_at=made_at), later)
    assert [one.name for one in found.checks if one.passed is None] == ["holder"]
    assert "12:01 (status list)" in found.summary
    for status, reason in (
        (Status.ENDED, Reason.PRESENTATION_ENDED),
        (Status.INVALID, Reason.LICENSE_NOT_IN_FORCE),
        (Status.SUSPENDED, Reason.LICENSE_SUSPENDED),
    ):
        packed = bytes(pack([(7, status)]))
        assert decide(own, with_list(made_at=made_at, packed=packed), later).reason is reason


def test_a_list_is_believed_until_the_earlier_of_its_two_ends() -> None:
    for changes in ({"ttl": timedelta(minutes=10)}, {"good_until": NOW}):
        found = decide(CODE, with_list(**changes), ASKED)
        assert (found.indication, found.reason) == ("INDETERMINATE", Reason.STATUS_LIST_STALE)
        assert "in force at 2026-11-21 11:50, and what happened after" in found.summary
    # What was suspended then is not said to have been in force.
    packed = bytes(pack([(7, Status.SUSPENDED)]))
    found = decide(CODE, with_list(good_until=NOW, packed=packed), ASKED)
    assert found.reason is Reason.STATUS_LIST_STALE
    assert "in force at" not in found.summary


def test_a_trust_list_from_the_future_is_not_good() -> None:
    cached = replace(CACHED, trust_made_at=NOW + timedelta(minutes=6))
    found = decide(CODE, cached, ASKED)
    assert (found.indication, found.reason) == ("INDETERMINATE", Reason.TRUST_LIST_NOT_GOOD)


def test_what_is_not_said_stands_in_no_claim() -> None:
    claims = claims_of(CODE)
    assert code_of(claims) == CODE
    assert {-70004, -70007, -70008}.isdisjoint(claims)
    new = replace(CODE, new_since=NOW, own_place=True, purpose="核验", purpose_bound=True)
    assert code_of(claims_of(new)) == new


def test_every_reason_has_words_here_and_on_the_page() -> None:
    assert set(SENTENCES) == set(Reason)
    assert {f"reason_{one.value}" for one in Reason} <= set(words_of(lambda en, _zh: en))


def test_without_a_list_nothing_says_that_the_license_is_in_force() -> None:
    for lists in ({}, {(OFFICE, URI): None}):
        found = decide(CODE, replace(CACHED, lists=lists), ASKED)
        (check,) = [one for one in found.checks if one.name == "license_status"]
        assert (found.indication, check.passed) == ("INDETERMINATE", None)
        assert check.detail_zh in found.summary_zh
