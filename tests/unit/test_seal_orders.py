"""The rules of what is asked of a seal, without any I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runtime.errors import DomainError, InvalidArgument, ResourceExhausted
from runtime.idcodes import citizen_check_character, credit_code_check_character
from seal.orders import (
    MAX_DOCUMENT,
    MAX_STREAMED,
    Digest,
    Format,
    Proof,
    SealingOrder,
    check_digest,
    check_kind,
    check_placements,
    check_reason,
    check_wishes,
    recognise,
)
from seal.placement import AcrossEdges, At, EveryPage, Keyword, Placement

CREDIT = "11990101MB0000001"
CREDIT_CODE = CREDIT + credit_code_check_character(CREDIT)


@pytest.mark.parametrize(
    ("document", "declared", "found"),
    [
        (b"PK\x03\x04rest", None, Format.OFD),
        (b"PK\x03\x04rest", Format.OFD, Format.OFD),
        (b"%PDF-1.7", None, Format.PDF),
        (b"%PDF-1.7", Format.PDF, Format.PDF),
    ],
)
def test_a_document_is_what_its_first_bytes_say(
    document: bytes, declared: Format | None, found: Format
) -> None:
    assert recognise(document, declared=declared) is found


@pytest.mark.parametrize(
    ("document", "declared", "kind", "reason"),
    [
        (b"", None, InvalidArgument, "DOCUMENT_EMPTY"),
        (b"<?xml", None, InvalidArgument, "DOCUMENT_FORMAT_UNKNOWN"),
        (b"\n%PDF-1.7", None, InvalidArgument, "DOCUMENT_FORMAT_UNKNOWN"),
        (b"%PDF-1.7", Format.OFD, InvalidArgument, "DOCUMENT_FORMAT_MISMATCH"),
        (b"PK\x03\x04", Format.PDF, InvalidArgument, "DOCUMENT_FORMAT_MISMATCH"),
        (b"%PDF-" + bytes(MAX_DOCUMENT), None, ResourceExhausted, "DOCUMENT_TOO_LARGE"),
    ],
)
def test_what_cannot_be_sealed_is_refused_by_name(
    document: bytes, declared: Format | None, kind: type[DomainError], reason: str
) -> None:
    with pytest.raises(kind) as caught:
        recognise(document, declared=declared)
    assert caught.value.reason == reason


def test_the_largest_document_passes() -> None:
    assert recognise(b"%PDF-" + bytes(MAX_DOCUMENT - 5), declared=None) is Format.PDF


def test_a_reason_is_trimmed_and_may_hold_a_credit_code() -> None:
    assert check_reason(f"  为 {CREDIT_CODE} 签发证照 ") == f"为 {CREDIT_CODE} 签发证照"
    assert check_reason("字" * 200) == "字" * 200
    with pytest.raises(InvalidArgument, match=r"^say why, in 1 to 200 .*--reason"):
        check_reason("", of_use=False)


@pytest.mark.parametrize("text", ["", "   ", "字" * 201, "两\n行", "a\x00b", "a\u202eb"])
def test_a_reason_is_required_short_and_printable(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_reason(text)
    assert caught.value.reason == "BAD_REASON"


@pytest.mark.parametrize("lower", [False, True])
def test_a_reason_with_a_citizen_number_is_refused_without_repeating_it(lower: bool) -> None:
    body = next(
        b for n in range(100)
        if citizen_check_character(b := f"990101199001010{n:02d}") == "X"
    )  # fmt: skip
    number = body + ("x" if lower else "X")
    with pytest.raises(InvalidArgument) as caught:
        check_reason(f"为{number}签发")
    assert body not in caught.value.message + caught.value.message_zh
    assert body not in repr(caught.value.violations)


def test_the_way_that_is_left_is_told() -> None:
    with pytest.raises(ResourceExhausted, match="StreamSealDocument"):
        recognise(b"%PDF-" + bytes(MAX_DOCUMENT), declared=None)
    large = b"%PDF-" + bytes(MAX_DOCUMENT)
    assert recognise(large, declared=None, greatest=MAX_STREAMED) is Format.PDF


HERE = At(page=1, x_mm=1, y_mm=1)
NAN = float("nan")


@pytest.mark.parametrize(
    "placements",
    [
        [],
        [replace(HERE, page=0)],
        [replace(HERE, page=10**9)],
        [replace(HERE, size_mm=-1)],
        [replace(HERE, size_mm=201)],
        [replace(HERE, size_mm=NAN)],
        [replace(HERE, x_mm=NAN)],
        [replace(HERE, y_mm=float("inf"))],
        [replace(HERE, y_mm=-1)],
        [HERE] * 257,
        [Keyword(text="")],
        [Keyword(text="字" * 101)],
        [Keyword(text="两\n行")],
        [Keyword(text="字", occurrence=-2)],
        [Keyword(text="字", dx_mm=NAN)],
        [Keyword(text="字", dy_mm=1e9)],
        [EveryPage(x_mm=-1, y_mm=1)],
        [AcrossEdges(y_mm=1, pages_per_image=1)],
        [AcrossEdges(y_mm=1, pages_per_image=51)],
        [AcrossEdges(y_mm=NAN)],
    ],
)
def test_placements_are_at_least_one_and_bounded(placements: list[Placement]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_placements(placements)
    assert caught.value.reason == "STAMP_POSITION"


@pytest.mark.parametrize(
    ("placement", "named", "bounds"),
    [
        (replace(HERE, x_mm=-5), "position.x_mm (--x-mm)", "0 to 10000"),
        (replace(HERE, y_mm=NAN), "position.y_mm (--y-mm)", "0 to 10000"),
        (replace(HERE, x_mm=float("inf")), "position.x_mm (--x-mm)", "0 to 10000"),
        (replace(HERE, size_mm=500), "position.size_mm (--size-mm)", "0 to 200"),
        (replace(HERE, page=0), "position.page (--page)", "1 to 1000000"),
        (EveryPage(x_mm=1, y_mm=-1), "every_page.y_mm (--y-mm)", "0 to 10000"),
        (Keyword(text=""), "keyword.text (--keyword)", "1 to 100"),
        (Keyword(text="字", dx_mm=NAN), "keyword.dx_mm", "-10000 to 10000"),
        (Keyword(text="字", occurrence=-2), "keyword.occurrence", "-1 to"),
        (AcrossEdges(y_mm=1, pages_per_image=1), "edges.pages_per_image", "2 to 50"),
        (AcrossEdges(y_mm=1, size_mm=201), "edges.size_mm (--size-mm)", "0 to 200"),
    ],
)
def test_a_bad_placement_names_the_field_the_option_and_the_bounds(
    placement: Placement, named: str, bounds: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_placements([HERE, placement])
    assert f"placements[1].{named} is not usable" in caught.value.message
    assert bounds in caught.value.message
    assert named in caught.value.message_zh
    (violation,) = caught.value.violations
    assert violation.field == f"placements[1].{named.partition(' ')[0]}"


def test_every_way_to_place_is_taken() -> None:
    ways = [
        HERE,
        Keyword(text="盖章处", occurrence=-1, dx_mm=-5),
        EveryPage(x_mm=0, y_mm=0),
        AcrossEdges(y_mm=100),
    ]
    assert check_placements(ways) == tuple(ways)


@pytest.mark.parametrize("kind", ["", "official-letter", "license-types/food-business", "a"])
def test_a_kind_is_a_word_or_a_license_type(kind: str) -> None:
    assert check_kind(kind) == kind


def test_a_license_type_is_taken_in_both_spellings() -> None:
    assert check_kind("licenseTypes/food-business") == "license-types/food-business"


@pytest.mark.parametrize(
    "kind",
    [
        "Upper",
        "licenseTypes",
        "licenseTypes/",
        "licensetypes/x",
        "licenseTypes/x/y",
        "two words",
        "license-types/",
        "x/y",
        "-a",
        "字",
        "a" * 64,
    ],
)
def test_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_kind(kind)
    assert caught.value.reason == "BAD_KIND"


@pytest.mark.parametrize(
    ("value", "info"),
    [(b"", "x"), (bytes(31), "x"), (bytes(33), "x"), (bytes(32), ""), (bytes(32), "字"),
     (bytes(32), "a" * 201), (bytes(32), "a\n")],
)  # fmt: skip
def test_a_digest_is_32_octets_of_something_named(value: bytes, info: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_digest(Digest(value=value, property_info=info))
    assert caught.value.reason == "BAD_DIGEST"


def an_order(**changes: Any) -> SealingOrder:
    values: dict[str, Any] = {
        "seal": "departments/a/seals/b",
        "document": b"PK",
        "format": Format.OFD,
        "placements": (HERE,),
        "reason": "签发证照",
        "actor": "departments/a/systems/c",
        "department": "departments/a",
        "request_id": "1",
        "request_digest": b"",
    }
    return SealingOrder(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"proof": Proof.LONG_TERM}, ["level"]),
        ({"format": Format.PDF, "integrity_entries": True}, ["integrity_entries"]),
        ({"format": Format.DIGEST, "close": True}, ["placements", "document", "close"]),
        (
            {"format": Format.DIGEST, "placements": (), "document": b"",
             "proof": Proof.ARCHIVAL, "integrity_entries": True},
            ["integrity_entries", "level"],
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_format_is_named(changes: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_wishes(an_order(**changes))
    assert caught.value.reason == "NOT_FOR_THIS_FORMAT"
    assert [one.field for one in caught.value.violations] == fields


def test_what_fits_passes() -> None:
    for good in (
        an_order(integrity_entries=True, close=True, proof=Proof.TIMESTAMPED),
        an_order(format=Format.PDF, proof=Proof.ARCHIVAL),
        an_order(format=Format.DIGEST, placements=(), document=b"", proof=Proof.TIMESTAMPED),
    ):
        assert check_wishes(good) is good
