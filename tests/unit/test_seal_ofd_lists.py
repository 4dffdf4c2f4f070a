"""Signatures.xml, which nobody signs: what a maker may have written is told, else it is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from seal.model import Check, Indication, Verdict
from seal.verify import assess
from tests.builders.makers import LIST, Habit, sign
from tests.builders.ofd import NOW, pack, plain_ofd, unpack, world

FILES = sign(unpack(plain_ofd()), Habit())
TWICE = sign(FILES, Habit(folder="Doc_0/Signs/Sign_1"))
_LINE = b"<ofd:Signature "
_XSI = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
Change = Callable[[bytes], bytes]


def _assess(change: Change, files: dict[str, bytes] | None = None) -> Verdict:
    files = dict(files or FILES)
    files[LIST] = change(files[LIST])
    return assess(pack(files), store=world().store(), now=NOW)


def _listed(verdict: Verdict) -> Check:
    assert verdict.indication is Indication.PASSED
    return next(one for one in verdict.checks if one.name == "unlisted_signature")


def _put(old: bytes, new: bytes) -> Change:
    def change(data: bytes) -> bytes:
        assert data.count(old) == 1
        return data.replace(old, new)

    return change


def _id(new: str) -> Change:
    return lambda data: re.sub(rb' ID="[^"]*"', f' ID="{new}"'.encode(), data)


def _greatest(new: bytes) -> Change:
    return lambda data: re.sub(rb"(<ofd:MaxSignId>)[^<]*", rb"\g<1>" + new, data)


TOLD: dict[str, tuple[Change, str]] = {
    "comment": (_put(_LINE, b"<!-- by a maker -->" + _LINE), "a comment"),
    "comment after": (lambda data: data + b"<!-- by a maker -->", "a comment"),
    "schema": (
        _put(
            b"<ofd:Signatures ", b"<ofd:Signatures " + _XSI + b'xsi:schemaLocation="urn:x x.xsd" '
        ),
        "where its schema lies",
    ),
    "namespace": (_put(_LINE, b'<ofd:Signature xmlns:v="urn:maker" '), "a namespace"),
    "prefix of a known namespace": (
        _put(_LINE, b'<ofd:Signature xmlns:checked_by_hand="http://www.w3.org/2001/XMLSchema" '),
        "an unusual prefix",
    ),
    "prefix in a list of the draft": (
        lambda data: _put(_LINE, b'<ofd:Signature xmlns:checked="http://www.ofdspec.org" ')(
            data.replace(b"http://www.ofdspec.org/2016", b"http://www.ofdspec.org")
        ),
        "an unusual prefix",
    ),
    "prefix of all": (lambda data: data.replace(b"ofd:", b"o:").replace(b":ofd", b":o"), "prefix"),
    "uuid": (_id("_6f9619ff-8b86-d011-b42d-00c04fc964ff"), "an identifier"),
    "no number": (_greatest(b" "), "a MaxSignId without"),
    "a number beyond": (_greatest(b"s0010"), "MaxSignId is beyond"),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_a_maker_may_write_is_told(name: str) -> None:
    change, words = TOLD[name]
    check = _listed(_assess(change))
    assert check.notice
    assert words in check.detail
    assert not check.detail_zh.isascii()


QUIET: dict[str, Change] = {
    "as made": lambda data: data,
    "another number": _id("s001"),
    "no MaxSignId": lambda data: re.sub(rb"<ofd:MaxSignId>.*</ofd:MaxSignId>", b"", data),
    "no prefix": lambda data: data.replace(b"ofd:", b"").replace(b":ofd", b""),
    "a prefix by a program": lambda data: data.replace(b"ofd:", b"ns1:").replace(b":ofd", b":ns1"),
    "xsd": _put(_LINE, b'<ofd:Signature xmlns:xsd="http://www.w3.org/2001/XMLSchema" '),
    "xsi and nothing of it": _put(_LINE, b"<ofd:Signature " + _XSI),
    "numbers go on with the stamps": _greatest(b"9"),
}


@pytest.mark.parametrize("name", QUIET)
def test_a_habit_is_not_told(name: str) -> None:
    assert not _listed(_assess(QUIET[name])).notice


REFUSED: dict[str, Change] = {
    "words as an identifier": _id("s001 已核验"),
    "a long identifier": _id("s" * 41),
    "a long comment": _put(_LINE, b"<!--" + b"x" * 129 + b"-->" + _LINE),
    "many comments": _put(_LINE, b"<!--x-->" * 5 + _LINE),
    "an instruction before": lambda data: b"<?x y?>" + re.sub(rb"^<\?xml[^>]*>\s*", b"", data),
    "a schema of words": _put(
        b"<ofd:Signatures ", b"<ofd:Signatures " + _XSI + 'xsi:schemaLocation="已核验" '.encode()
    ),
    "another xsi attribute": _put(
        b"<ofd:Signatures ", b"<ofd:Signatures " + _XSI + b'xsi:type="x" '
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused(name: str) -> None:
    verdict = _assess(REFUSED[name])
    assert [one.name for one in verdict.all_checks() if one.indication is Indication.FAILED] == [
        "ofd_structure"
    ]


def test_a_signature_taken_out_is_told_where_the_number_stays() -> None:
    cut = {name: data for name, data in TWICE.items() if "/Sign_1/" not in name}
    line = re.compile(rb'<ofd:Signature ID="2"[^>]*/>')
    without = _listed(_assess(lambda data: line.sub(b"", _greatest(b"22")(data)), cut))
    assert "may have been taken out" in without.detail


def test_what_a_later_description_holds_is_told_to_the_first_signer() -> None:
    more = sign(FILES, Habit(folder="Doc_0/Signs/Sign_1", said=' xmlns:v="urn:v" v:build="1"'))
    for files, is_told in ((TWICE, False), (more, True)):
        verdict = assess(pack(files), store=world().store(), now=NOW)
        assert verdict.indication is Indication.PASSED
        first = next(one for one in verdict.signatures[0].checks if one.name == "uncovered_files")
        assert ("what else stands in /Doc_0/Signs/Sign_1/Signature.xml" in first.detail) == is_told
