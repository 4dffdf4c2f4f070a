"""Offline codes and their keys without any node: formats by their standards, each refusal."""

from __future__ import annotations

import io
import random
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import cwt
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from licenses.offline import coding, pictures
from licenses.offline.model import (
    PREFIX,
    SKEW,
    TRUST_FRESH,
    Asked,
    Cached,
    OfflineCode,
    OfflineOutcome,
    holder_hash,
)
from licenses.offline.reasons import Reason
from licenses.presenting_keys import PresentingKeys, TrustedKey, check_issued_by, trusted_keys
from licenses.statuslist import model as lists
from licenses.statuslist.model import Status, StatusList, StatusRef
from licenses.statuslist.reading import read_list
from licenses.tokens import TokenError
from runtime.errors import FailedPrecondition, InvalidArgument
from tests.builders.licenses import NOW, citizen_number
from tests.builders.presenting_keys import URI, Signer, public_pem, status_tokens

OFFICE, BANK = "departments/data-office", "departments/housing-fund"
HOLDER = citizen_number()


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("ca") / "ca")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("other") / "ca")


@cache
def bound() -> bytes:
    """The slow hash, once."""
    return holder_hash(HOLDER)


def a_code(**changes: Any) -> OfflineCode:
    made = OfflineCode(
        presentation_id="0f" * 12,
        issuer=OFFICE,
        audience=BANK,
        purpose="办理公积金提取",
        purpose_bound=True,
        issued_at=NOW,
        expire_time=NOW + timedelta(hours=1),
        type_code="11990101MB9901024T001",
        type_name="就业创业登记证",
        fields={"CZZT": "赵示例", "KZ_DJLX": "就业登记"},
        status=StatusRef(uri=URI, index=7),
        holder=bound(),
    )
    return replace(made, **changes)


def a_list(*entries: tuple[int, Status], **changes: Any) -> StatusList:
    made = StatusList(
        uri=URI,
        made_at=NOW + timedelta(minutes=1),
        good_until=NOW + timedelta(hours=23),
        ttl=timedelta(hours=1),
        packed=bytes(lists.pack(entries)),
    )
    return replace(made, **changes)


def assess(
    text: str,
    trusted: Mapping[bytes, TrustedKey],
    *,
    status: StatusList | None = None,
    lists_: Mapping[tuple[str, str], StatusList | None] | None = None,
    trust_age: timedelta = timedelta(0),
    **asked: Any,
) -> OfflineOutcome:
    cached = Cached(
        trust_made_at=NOW - trust_age,
        lists={(OFFICE, URI): status or a_list()} if lists_ is None else lists_,
    )
    values = {"verifier": BANK, "purpose": "办理公积金提取", "now": NOW, **asked}
    return coding.assess_code(text, trusted, cached, Asked(**values))


def test_a_good_code_passes_and_tells_how_old_the_status_is(signer: Signer) -> None:
    text = coding.write_code(a_code(), signer.keys)
    found = assess(text, signer.keys.trusted(), holder_code=citizen_number())
    assert (found.indication, found.reason) == ("PASSED", None)
    assert found.code
    assert found.code.fields == {"CZZT": "赵示例", "KZ_DJLX": "就业登记"}
    assert found.status_as_of == NOW + timedelta(minutes=1)
    assert "2026-11-21 12:01" in found.summary
    assert [one.name for one in found.checks if not one.passed] == ["presentation"]
    assert found.summary.count("not compared") == 1  # whether it was ended


def test_a_card_that_nobody_compared_is_told(signer: Signer) -> None:
    for code, of_asking in ((a_code(), {}), (a_code(holder=None), {"holder_code": HOLDER})):
        text = coding.write_code(code, signer.keys)
        found = assess(text, signer.keys.trusted(), **of_asking)
        (check,) = [one for one in found.checks if one.name == "holder"]
        assert (found.indication, check.passed) == ("PASSED", None)
        assert "not compared" in found.summary
        assert "未核对" in found.summary_zh


def test_a_key_speaks_for_its_own_node(signer: Signer) -> None:
    own = signer.keys.own()
    text = coding.write_code(a_code(), signer.keys)
    for issuer, reason in ((OFFICE, None), (BANK, Reason.FOREIGN_KEY)):
        trusted = trusted_keys([own.certificate], issuer)
        assert assess(text, trusted).reason is reason
        for token in status_tokens(signer, {}):
            assert read_list(token, trusted).issuer == issuer


@pytest.mark.parametrize(
    ("of_code", "of_asking", "reason"),
    [
        ({}, {"now": NOW + timedelta(hours=1)}, Reason.QR_EXPIRED),
        ({}, {"now": NOW - SKEW - timedelta(seconds=1)}, Reason.QR_NOT_YET_VALID),
        ({}, {"verifier": "departments/police"}, Reason.WRONG_AUDIENCE),
        ({"audience": ""}, {"verifier": "departments/police"}, None),
        ({}, {"purpose": "办理贷款"}, Reason.WRONG_PURPOSE),
        ({"purpose_bound": False}, {"purpose": "办理贷款"}, None),
        ({}, {"holder_code": citizen_number(2)}, Reason.HOLDER_DIFFERS),
        ({"holder": None}, {"holder_code": citizen_number(2)}, None),
        ({}, {"status": a_list((7, Status.INVALID))}, Reason.LICENSE_NOT_IN_FORCE),
        ({}, {"status": a_list((7, Status.SUSPENDED))}, Reason.LICENSE_SUSPENDED),
        ({}, {"status": a_list((6, Status.INVALID))}, None),
        ({}, {"lists_": {}}, Reason.STATUS_LIST_MISSING),
        ({}, {"lists_": {(OFFICE, URI): None}}, Reason.STATUS_LIST_NOT_GOOD),
        # The list of another node, by the same address.
        ({}, {"lists_": {(BANK, URI): a_list()}}, Reason.STATUS_LIST_MISSING),
        ({}, {"status": a_list(uri="urn:other")}, Reason.STATUS_LIST_NOT_GOOD),
        ({"status": StatusRef(uri=URI, index=1 << 20)}, {}, Reason.STATUS_LIST_NOT_GOOD),
        ({}, {"status": a_list(good_until=NOW)}, Reason.STATUS_LIST_STALE),
        ({}, {"status": a_list(made_at=NOW - timedelta(seconds=1))}, Reason.STATUS_LIST_OLDER),
        # An end for good still counts; a suspension may be over.
        (
            {},
            {"status": a_list((7, Status.INVALID), good_until=NOW)},
            Reason.LICENSE_NOT_IN_FORCE,
        ),
        ({}, {"status": a_list((7, Status.SUSPENDED), good_until=NOW)}, Reason.STATUS_LIST_STALE),
        ({}, {"trust_age": TRUST_FRESH}, Reason.TRUST_LIST_STALE),
    ],
)
def test_each_refusal_is_named(
    signer: Signer, of_code: dict[str, Any], of_asking: dict[str, Any], reason: Reason | None
) -> None:
    text = coding.write_code(a_code(**of_code), signer.keys)
    found = assess(text, signer.keys.trusted(), **of_asking)
    assert found.reason == reason
    uncertain = reason is not None and reason.startswith(("STATUS_LIST", "TRUST_LIST"))
    assert found.indication == (
        "PASSED" if reason is None else "INDETERMINATE" if uncertain else "FAILED"
    )
    assert (found.code is None) == (found.indication == "FAILED")
    assert found.summary
    assert found.summary_zh


def test_a_code_of_a_foreign_key_is_refused(signer: Signer, stranger: Signer) -> None:
    forged = coding.write_code(a_code(), stranger.keys)
    assert assess(forged, signer.keys.trusted()).reason is Reason.FOREIGN_KEY
    # Also where it says the trusted key's name.
    own, trusted = stranger.keys.own(), signer.keys.own()
    assert assess(forged, {own.kid: trusted}).reason is Reason.SIGNATURE_WRONG
    # And a code that says a time at which the key was not yet, or no longer.
    for at in (trusted.valid_from - timedelta(days=1), trusted.valid_to):
        late = coding.write_code(a_code(issued_at=at), signer.keys)
        assert assess(late, signer.keys.trusted(), now=at).reason is Reason.FOREIGN_KEY


def _repacked(text: str, change: Callable[[list[Any]], None]) -> str:
    parts = cbor2.loads(zlib.decompress(coding.from_base45(text[len(PREFIX) :]))).value
    change(parts)
    data = cbor2.dumps(cbor2.CBORTag(18, parts))
    return PREFIX + coding.base45(zlib.compress(data))


def test_what_was_changed_is_refused(signer: Signer) -> None:
    text, trusted = coding.write_code(a_code(), signer.keys), signer.keys.trusted()

    def another_field(parts: list[Any]) -> None:
        parts[2] = parts[2].replace("赵示例".encode(), "钱示例".encode())

    def another_algorithm(parts: list[Any]) -> None:
        header = {**cbor2.loads(parts[0]), 1: -8}
        parts[0] = cbor2.dumps(header, canonical=True)

    def no_signature(parts: list[Any]) -> None:
        parts[3] = b""

    def critical(parts: list[Any]) -> None:
        header = {**cbor2.loads(parts[0]), 2: [1]}
        parts[0] = cbor2.dumps(header, canonical=True)

    for change, reason in (
        (another_field, Reason.SIGNATURE_WRONG),
        (another_algorithm, Reason.QR_UNREADABLE),
        (no_signature, Reason.SIGNATURE_WRONG),
        (critical, Reason.QR_UNREADABLE),
    ):
        assert assess(_repacked(text, change), trusted).reason is reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "HC1:6BF",
        PREFIX,
        PREFIX + "::::",
        PREFIX + "abc",
        PREFIX + coding.base45(b"no zlib"),
        PREFIX + coding.base45(zlib.compress(b"no cbor")),
        PREFIX + coding.base45(zlib.compress(cbor2.dumps([1, 2, 3]))),
        PREFIX + coding.base45(zlib.compress(bytes(1 << 24))),
        PREFIX + coding.base45(zlib.compress(b"\x81" * 20_000)),
        PREFIX + "0" * 100_000,
        PREFIX + "6BFMP7*Q4GBW-B0-60/98+4",  # a decimal fraction that nothing holds
        PREFIX + coding.base45(zlib.compress(b"\xd8\x1e\x82\x01\x00")),  # one by nothing
        PREFIX + coding.base45(zlib.compress(b"\xd8\x23\x61(")),  # no regular expression
        PREFIX + coding.base45(zlib.compress(b"\xc0\x61x")),  # no time
        PREFIX + coding.base45(zlib.compress(b"\xd2\xd2\x80")),  # a tag within a tag
        PREFIX + coding.base45(zlib.compress(b"\xd2\x9f\xff")),  # of no said length
        PREFIX + coding.base45(zlib.compress(b"\xd2\xbb" + b"\xff" * 8)),  # endless
        PREFIX + coding.base45(zlib.compress(b"\xd2\x84\xa1\x80\x01\xa0\x40\x40")),
    ],
)
def test_what_is_no_code_is_unreadable(signer: Signer, text: str) -> None:
    assert assess(text, signer.keys.trusted()).reason is Reason.QR_UNREADABLE


@given(st.binary(max_size=200))
def test_base45_goes_both_ways(data: bytes) -> None:
    assert coding.from_base45(coding.base45(data)) == data


def test_base45_by_the_vectors_of_its_standard() -> None:
    for plain, written in (  # RFC 9285 §4.3, §4.4
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
    ):
        assert coding.base45(plain) == written
        assert coding.from_base45(written) == plain
    for wrong in (
        "GGW",
        "A",
        "::",
        "bb8",
        "BB8GGW",
        "BB8A",
        "BB8V5",
        "BB?",
        "BB\u00e9",
        "BB\ud800",
    ):
        with pytest.raises(TokenError):
            coding.from_base45(wrong)


def test_too_many_fields_are_told(signer: Signer) -> None:
    fields = {f"KZ_{n}": random.Random(n).randbytes(20).hex() for n in range(100)}
    with pytest.raises(InvalidArgument) as told:
        coding.write_code(a_code(fields=fields), signer.keys)
    assert told.value.reason == "QR_TOO_LONG"


def test_a_foreign_library_verifies_our_cwt(signer: Signer) -> None:
    text = coding.write_code(a_code(), signer.keys)
    data = zlib.decompress(coding.from_base45(text[len(PREFIX) :]))
    own = signer.keys.own()
    key = cwt.COSEKey.from_pem(public_pem(own), kid=own.kid)
    claims = cwt.CWT(expires_in=3600, leeway=10**9).decode(data, key)
    assert claims[1] == OFFICE
    assert claims[65535]["status_list"] == {"idx": 7, "uri": URI}
    assert claims[-70003]["CZZT"] == "赵示例"
    other = cwt.COSEKey.from_pem(public_pem(_another(own)), kid=own.kid)
    with pytest.raises(cwt.VerifyError):
        cwt.CWT(expires_in=3600, leeway=10**9).decode(data, other)


def _another(key: TrustedKey) -> TrustedKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return replace(key, public_key=ec.generate_private_key(ec.SECP256R1()).public_key())


def test_both_pictures_are_read_back(signer: Signer) -> None:
    text = coding.write_code(a_code(), signer.keys)
    png = Image.open(io.BytesIO(pictures.png_of(text)))
    assert zxingcpp.read_barcodes(png)[0].text == text
    svg = pictures.svg_of(text).decode()
    size = int(re.search(r"viewBox=\"0 0 (\d+)", svg)[1])  # type: ignore[index]
    drawn = Image.new("L", (size, size), 255)
    for x, y, width, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", svg):
        assert width == back
        drawn.paste(0, (int(x), int(y), int(x) + int(width), int(y) + 1))
    wide = drawn.resize((size * 4, size * 4), Image.Resampling.NEAREST)
    assert zxingcpp.read_barcodes(wide)[0].text == text
    assert svg.count("<path") == 2


def test_a_key_is_kept_renewed_and_of_the_authority(
    signer: Signer, stranger: Signer, tmp_path: Path
) -> None:
    fresh = Signer(tmp_path / "ca")
    first = fresh.keys.own()
    assert fresh.again().own() == first
    text = coding.write_code(a_code(), fresh.keys)
    fresh.clock.advance(timedelta(days=340))
    second = fresh.again().own()
    assert second.kid != first.kid
    trusted = fresh.again().trusted()
    assert set(trusted) == {first.kid, second.kid}
    assert coding.read_code(text, trusted) == a_code(holder=coding.read_code(text, trusted).holder)
    fresh.clock.advance(timedelta(days=30))
    assert set(fresh.again().trusted()) == {second.kid}
    check_issued_by([first.certificate], fresh.authority.pem)
    with pytest.raises(InvalidArgument):
        check_issued_by([first.certificate], stranger.authority.pem)
    private = (tmp_path / "ca" / "presenting" / "key.pem").read_bytes()
    assert b"ENCRYPTED" in private


def test_a_key_that_is_not_there_or_cannot_be_opened_is_named(
    signer: Signer, tmp_path: Path
) -> None:
    none = PresentingKeys(tmp_path / "none", b"long enough", None, signer.clock)
    with pytest.raises(FailedPrecondition) as told:
        none.own()
    assert told.value.reason == "NO_PRESENTING_KEY"
    assert none.trusted() == {}
    signer.keys.own()
    wrong = PresentingKeys(signer.folder, b"another passphrase", None, signer.clock)
    with pytest.raises(FailedPrecondition) as told:
        wrong.own()
    assert told.value.reason == "PRESENTING_KEY_UNREADABLE"
    # Callers are not told where it lies.
    assert str(signer.folder) not in f"{told.value.message} {told.value.message_zh}"


def test_certificates_are_read_once_in_a_while(tmp_path: Path) -> None:
    fresh = Signer(tmp_path / "ca")
    own = fresh.keys.own()
    assert set(fresh.keys.trusted()) == {own.kid}
    (certificate,) = fresh.folder.glob("*.cer")
    certificate.unlink()
    assert set(fresh.keys.trusted()) == {own.kid}
