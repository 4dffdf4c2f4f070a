"""Sealed documents as other makers write them: what is legitimate passes, what is not is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from seal import der
from seal.model import Check, Indication, Verdict
from seal.ofd.dates import parse_date_time
from seal.verify import assess
from tests.builders import zips
from tests.builders.drawn import DRAWN, drawn
from tests.builders.makers import HABITS, REFUSED, Habit, made, sign
from tests.builders.ofd import NOW, pack, plain_ofd, seal_ofd, unpack, world
from tests.builders.signed_data import FORMS
from tests.builders.zips import ZIPS

TOLD = {
    "value r and s side by side": "signature_encoding",
    "method by URN": "signature_format",
    "SM3 by URN": "references",
    "SM3 as of a standard": "references",
    "SM3 with its length": "references",
    "SHA-256 by URI": "references",
    "SHA-256 by name": "references",
    "SHA-512 by OID": "references",
    "date of nobody": "signature_date_time",
    "extra namespaces": "unlisted_signature",
}
"""What passes, and yet is something a person should read."""
FILES = sign(unpack(plain_ofd()), Habit())


def _assess(data: bytes) -> Verdict:
    return assess(data, store=world().store(), now=NOW)


def _passes(verdict: Verdict) -> None:
    bad = [one.to_dict() for one in verdict.all_checks() if one.indication != "PASSED"]
    assert not bad
    assert verdict.indication is Indication.PASSED


def _wrong(verdict: Verdict) -> list[Check]:
    return [one for one in verdict.all_checks() if one.indication is not Indication.PASSED]


@pytest.mark.parametrize("name", HABITS)
def test_a_habit_is_no_fault(name: str) -> None:
    verdict = _assess(made(HABITS[name]))
    _passes(verdict)
    told = {one.name for one in verdict.all_checks() if one.notice}
    told -= {"signer_certificate", "seal_maker_certificate"}  # no revocation list
    assert told == ({TOLD[name]} if name in TOLD else set())


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_one_meaning_is_refused_by_name(name: str) -> None:
    habit, check, reason = REFUSED[name]
    (wrong,) = _wrong(_assess(made(habit)))
    assert wrong.name == check
    assert wrong.reason == reason
    assert wrong.indication is Indication.FAILED


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("prefix", ["ofd", ""])
def test_what_other_makers_draw(name: str, prefix: str) -> None:
    data = made(Habit(prefix=prefix), drawn(name))
    _passes(_assess(data))
    _passes(_assess(seal_ofd(drawn(name))))


@pytest.mark.parametrize("name", ZIPS)
def test_zips_of_other_makers(name: str) -> None:
    _passes(_assess(ZIPS[name](FILES)))


def test_a_zip_with_backslashes_is_refused_by_name() -> None:
    (wrong,) = _wrong(_assess(zips.backslashed(FILES)))
    assert wrong.name == "package_paths"


def test_a_name_of_two_readings_is_refused_by_name() -> None:
    """The flag of UTF-8 in one header alone says nothing of ASCII, and contradicts of others."""
    package = bytearray(pack({**FILES, "Doc_0/Res/附件.bin": b"x"}))
    at = 0
    while (at := package.find(b"PK\x01\x02", at)) >= 0:
        package[at + 9] &= ~0x08
        at += 4
    (wrong,) = _wrong(_assess(bytes(package)))
    assert wrong.name == "package_zip"


def test_several_makers_one_after_another() -> None:
    """Each signs what the ones before left; ours is the first and the last."""
    files = unpack(seal_ofd(plain_ofd()))
    some = ("byte order mark", "date local", "picture ofd", "version 1", "relative paths")
    for number, name in enumerate(some, 1):
        habit = HABITS[name]
        here = {one: getattr(habit, one) for one in Habit.__dataclass_fields__}
        here["folder"] = f"Doc_0/Signs/Sign_{number}"
        files = sign(files, Habit(**here))
    files = sign(files, Habit(sign=FORMS["attributes"], folder="Doc_0/Signs/Sign_9"))
    verdict = _assess(seal_ofd(pack(files)))
    _passes(verdict)
    assert [one.format for one in verdict.signatures] == [
        *("SES_V4", "SES_V4", "SES_V4", "SES_V4", "SES_V1", "SES_V4"),
        *("GBT_35275", "SES_V4"),
    ]


def test_a_file_that_mixes_the_namespaces_is_refused() -> None:
    files = dict(FILES)
    files["OFD.xml"] = files["OFD.xml"].replace(
        b"<ofd:DocRoot>", b'<d:DocRoot xmlns:d="http://www.ofdspec.org">x</d:DocRoot><ofd:DocRoot>'
    )
    (wrong,) = _wrong(_assess(pack(files)))
    assert wrong.name == "ofd_structure"
    assert "mixes" in wrong.detail


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2020-10-05 15:48:51", datetime(2020, 10, 5, 7, 48, 51, tzinfo=UTC)),
        ("20201005154851Z", datetime(2020, 10, 5, 15, 48, 51, tzinfo=UTC)),
        ("20201005154851.302Z", datetime(2020, 10, 5, 15, 48, 51, 302000, tzinfo=UTC)),
        ("20201005154851", datetime(2020, 10, 5, 7, 48, 51, tzinfo=UTC)),
        ("2020-10-05T15:48:51-0300", datetime(2020, 10, 5, 18, 48, 51, tzinfo=UTC)),
        ("2020/1/5 5:48:51", datetime(2020, 1, 4, 21, 48, 51, tzinfo=UTC)),
        ("2020年10月5日 15时48分51秒", datetime(2020, 10, 5, 7, 48, 51, tzinfo=UTC)),
        ("2020-13-05 15:48:51", None),
        ("0001-01-01 00:00:00", None),
        ("2020-10-05 15:48:51+99:99", None),
        ("", None),
        ("1" * 5000, None),
    ],
)
def test_dates_as_they_are_written(text: str, at: datetime | None) -> None:
    assert parse_date_time(text) == at


# --- certificates ---------------------------------------------------------------------------------


def _with_names(*attributes: tuple[str, int, bytes]) -> bytes:
    """A signer's certificate with these subject attributes (OID, kind of string, octets)."""
    here = world()
    encoded = here.issue(here.signer.public_key, "某")
    tbs, algorithm, _ = der.children(encoded)
    members = [one.raw for one in tbs.members()]
    members[5] = der.sequence(
        *(
            der.tlv(der.SET, der.sequence(der.oid(oid), der.tlv(tag, octets)))
            for oid, tag, octets in attributes
        )
    )
    signed = der.sequence(*members)
    return der.sequence(signed, algorithm.raw, der.bits(here.root.sign(signed)))


@pytest.mark.parametrize(
    ("attributes", "signer"),
    [
        ([("2.5.4.45", 0x0C, b"B00102"), ("2.5.4.3", 0x0C, "示范".encode())], "示范"),
        ([("1.2.840.113549.1.9.1", 0x16, "邮箱".encode()), ("2.5.4.3", 0x13, b"A_B")], "A_B"),
        ([("2.5.4.3", 0x1E, "示范".encode("utf-16-be"))], "示范"),
        ([("2.5.4.3", 0x14, "示范".encode("gbk"))], None),
        ([("2.5.4.3", 0x0C, b"two\nlines\x00")], "two\ufffdlines\ufffd"),
    ],
    ids=["kind", "letters", "wide", "old", "control"],
)
def test_names_in_strings_of_another_kind(
    attributes: list[tuple[str, int, bytes]], signer: str | None
) -> None:
    """Seen in certificates of authorities: what can't be shown is no reason not to verify."""
    here = world()
    certificate = _with_names(*attributes)
    seal = here.seal(listed=(certificate,))
    verdict = _assess(seal_ofd(plain_ofd(), seal=seal, certificate=certificate))
    _passes(verdict)
    shown = verdict.signatures[0].signer
    assert shown.isprintable()
    assert signer is None or shown == signer
