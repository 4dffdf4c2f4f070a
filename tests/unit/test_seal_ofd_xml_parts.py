"""XML that nobody here parses: read once for its form, and told where it has none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seal.model import Indication, Verdict
from seal.ofd.package import PackageError
from seal.ofd.well_formed import LargeXml, is_well_formed
from seal.verify import assess
from tests.builders.makers import LIST, NAMESPACE, Habit, sign
from tests.builders.ofd import NOW, pack, plain_ofd, seal_ofd, unpack, world

PAGE = "Doc_0/Pages/Page_0/Content.xml"
DOCUMENT = "Doc_0/Document.xml"
SOUND = unpack(plain_ofd())[PAGE]
DTD = b'<!DOCTYPE a [<!ENTITY b "c">]>'
NAME = "xml_well_formed"


def _said(data: bytes, encoding: str) -> bytes:
    """The page in another encoding, which it declares."""
    return data.decode().replace("UTF-8", encoding).replace("HELLO", "示范县").encode(encoding)


MALFORMED: dict[str, bytes] = {
    "cut short": SOUND[:-8],
    "two roots": SOUND + b"<a/>",
    "empty": b"",
    "no XML": b"hello",
    "GB18030": _said(SOUND, "GB18030"),
    "GB18030 that says UTF-8": SOUND.replace(b"</", "示范县".encode("gb18030") + b"</", 1),
    "EBCDIC with a document type": (
        SOUND.decode().replace("UTF-8", "IBM037").replace("?>", "?>" + DTD.decode(), 1)
    ).encode("cp037"),
    "UTF-7 with a document type": SOUND.replace(b"UTF-8", b"UTF-7").replace(
        b"?>", b"?>+ADwAIQ-DOCTYPE x+AD4-", 1
    ),
    "UTF-7": SOUND.replace(b"UTF-8", b"UTF-7"),
    "overlong": SOUND.replace(b"</", b"\xc0\xbc</", 1),
    "a zero octet": SOUND.replace(b"</", b"\x00</", 1),
    "deep": b"<a>" * 300 + b"</a>" * 300,
}


def _sealed(change: Callable[[dict[str, bytes]], None]) -> Verdict:
    """What is said of a document that was so when another maker sealed it."""
    files = unpack(plain_ofd())
    change(files)
    files["OFD.xml"] = files["OFD.xml"].replace(
        b"</ofd:DocBody>", f"<ofd:Signatures>/{LIST}</ofd:Signatures></ofd:DocBody>".encode()
    )
    files[LIST] = f'<ofd:Signatures xmlns:ofd="{NAMESPACE}"></ofd:Signatures>'.encode()
    return assess(pack(sign(files, Habit())), store=world().store(), now=NOW)


def _wrong(verdict: Verdict) -> set[str]:
    return {one.name for one in verdict.all_checks() if one.indication is not Indication.PASSED}


def _told(verdict: Verdict) -> set[str]:
    return {one.name for one in verdict.all_checks() if one.notice} - {
        "signer_certificate",
        "seal_maker_certificate",
    }


@pytest.mark.parametrize("kind", MALFORMED)
def test_page_that_is_no_xml(kind: str) -> None:
    verdict = _sealed(lambda files: files.update({PAGE: MALFORMED[kind]}))
    assert _wrong(verdict) == {NAME}
    found = next(one for one in verdict.all_checks() if one.name == NAME)
    assert PAGE in found.detail
    assert PAGE in found.detail_zh


@pytest.mark.parametrize("kind", MALFORMED)
def test_nothing_of_the_kind_is_sealed(kind: str) -> None:
    files = {**unpack(plain_ofd()), "Doc_0/Res.xml": MALFORMED[kind]}
    with pytest.raises(PackageError) as caught:
        seal_ofd(pack(files))
    assert caught.value.check == NAME


def test_page_of_another_name() -> None:
    def rename(files: dict[str, bytes]) -> None:
        del files[PAGE]
        files["Doc_0/Pages/Page_0/Content.dat"] = MALFORMED["cut short"]
        files[DOCUMENT] = files[DOCUMENT].replace(b"Content.xml", b"Content.dat")

    assert _wrong(_sealed(rename)) == {NAME}


@pytest.mark.parametrize("name", ["Doc_0/Res.xml", "Doc_0/Annots/ANNOT.XML"])
def test_other_parts(name: str) -> None:
    assert _wrong(_sealed(lambda files: files.update({name: b"<a>"}))) == {NAME}
    assert _wrong(_sealed(lambda files: files.update({name: b"\xef\xbb\xbf<a/>"}))) == set()


@pytest.mark.parametrize("size", [1000, 300_000, 1_200_000])
@pytest.mark.parametrize("end", [b"</a>", b"", b"</b>", b"</a>\xff", b"</a><a/>"])
def test_large_part(size: int, end: bytes) -> None:
    text = b"<b>" + "示".encode() * 100 + b"</b>\n"
    data = b"<a>" + text * (size // len(text)) + end
    verdict = _sealed(lambda files: files.update({"Doc_0/large.xml": data}))
    assert _wrong(verdict) == (set() if end == b"</a>" else {NAME})


def test_attachment_is_told() -> None:
    """Somebody's file as it came: not a part of the document."""

    def attach(files: dict[str, bytes]) -> None:
        files[DOCUMENT] = files[DOCUMENT].replace(
            b"</ofd:Document>",
            b"<ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments></ofd:Document>",
        )
        files["Doc_0/Attachs/Attachments.xml"] = (
            b'<ofd:Attachments xmlns:ofd="http://www.ofdspec.org/2016"><ofd:Attachment ID="7" '
            b'Name="a"><ofd:FileLoc>a.xml</ofd:FileLoc></ofd:Attachment></ofd:Attachments>'
        )
        files["Doc_0/Attachs/a.xml"] = "<数据/>".encode("gb18030")

    verdict = _sealed(attach)
    assert verdict.indication is Indication.PASSED
    assert _told(verdict) == {NAME}


def test_page_is_no_attachment() -> None:
    def attach(files: dict[str, bytes]) -> None:
        files[PAGE] = MALFORMED["cut short"]
        files[DOCUMENT] = files[DOCUMENT].replace(
            b"</ofd:Document>",
            b"<ofd:Attachments>Attachments.xml</ofd:Attachments></ofd:Document>",
        )
        files["Doc_0/Attachments.xml"] = (
            b'<ofd:Attachments xmlns:ofd="http://www.ofdspec.org/2016"><ofd:Attachment ID="7" '
            b'Name="a"><ofd:FileLoc>Pages/Page_0/Content.xml</ofd:FileLoc></ofd:Attachment>'
            b"</ofd:Attachments>"
        )

    assert _wrong(_sealed(attach)) == {NAME}


@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("step", [100, 1 << 20])
def test_by_pieces_as_at_once(kind: str, step: int) -> None:
    for data in (MALFORMED[kind], SOUND):
        large = LargeXml()
        large.look("a", (data[at : at + step] for at in range(0, len(data), step)), len(data))
        assert large.malformed == (set() if is_well_formed(data) else {"a"})


def test_more_than_is_looked_at_is_told() -> None:
    large = LargeXml()
    large.room = 2 * len(SOUND)
    for name in "abc":
        large.look(name, iter((SOUND,)), len(SOUND))
    assert (large.malformed, large.unseen) == (set(), {"c"})
