"""What a document leads to is a part of it; what is only attached is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seal.model import Indication, Verdict
from seal.ofd.linked import Linked
from seal.ofd.package import PackageError, read_package
from seal.ofd.seen import look
from seal.ofd.structure import doc_bodies
from seal.verify import assess
from tests.builders.makers import LIST, NAMESPACE, Habit, sign
from tests.builders.ofd import NOW, pack, plain_ofd, seal_ofd, unpack, world

PAGE = "Doc_0/Pages/Page_0/Content.xml"
DOCUMENT = "Doc_0/Document.xml"
ATTACHMENTS = "Doc_0/Attachs/Attachments.xml"
NS = f'xmlns:ofd="{NAMESPACE}"'
NAME = "xml_well_formed"
EBCDIC = "<?xml version='1.0' encoding='cp037'?><!DOCTYPE p><p/>".encode("cp037")
DOCTYPE = b"<!DOCTYPE a SYSTEM 'a.dtd'><a/>"

Files = dict[str, bytes]
Change = Callable[[Files], None]


def _judged(*changes: Change) -> Verdict:
    """What is said of a document that was so when another maker sealed it."""
    files = unpack(plain_ofd())
    for change in changes:
        change(files)
    files["OFD.xml"] = files["OFD.xml"].replace(
        b"</ofd:DocBody>", f"<ofd:Signatures>/{LIST}</ofd:Signatures></ofd:DocBody>".encode()
    )
    files[LIST] = f"<ofd:Signatures {NS}></ofd:Signatures>".encode()
    return assess(pack(sign(files, Habit())), store=world().store(), now=NOW)


def _wrong(verdict: Verdict) -> set[str]:
    return {one.name for one in verdict.all_checks() if one.indication is not Indication.PASSED}


def _linked(*elements: str) -> Change:
    def change(files: Files) -> None:
        more = "".join(elements).encode() + b"</ofd:Document>"
        files[DOCUMENT] = files[DOCUMENT].replace(b"</ofd:Document>", more)

    return change


def _holding(name: str, data: bytes) -> Change:
    return lambda files: files.update({name: data})


def _attached(location: str) -> Change:
    """A list of attachments with one line."""

    def change(files: Files) -> None:
        _linked("<ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments>")(files)
        files[ATTACHMENTS] = (
            f'<ofd:Attachments {NS}><ofd:Attachment ID="7" Name="a"><ofd:FileLoc>{location}'
            "</ofd:FileLoc></ofd:Attachment></ofd:Attachments>"
        ).encode()

    return change


def _with_attachment(name: str, data: bytes) -> list[Change]:
    return [_attached(name), _holding(f"Doc_0/Attachs/{name}", data)]


ATTACHED = {
    "page.html": b"<!DOCTYPE html>\n<html><body>x</body></html>",
    "drawing.svg": b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x"><svg/>',
    "a.xml": DOCTYPE,
    "b.xml": "<?xml version='1.0' encoding='UTF-16'?><a/>".encode("utf-16"),
    "c.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "large.html": b"<!DOCTYPE html>\n<p>" + b"x" * 400_000,
    "late.xml": b"<a>" + b"x" * 400_000 + b"<!DOCTYPE a><a/>",
}


@pytest.mark.parametrize("name", ATTACHED)
def test_attachment_that_no_part_may_be_is_told(name: str) -> None:
    verdict = _judged(*_with_attachment(name, ATTACHED[name]))
    assert verdict.indication is Indication.PASSED
    (told,) = (one for one in verdict.all_checks() if one.name == NAME)
    assert told.notice
    assert name in told.detail
    assert name in told.detail_zh


@pytest.mark.parametrize("name", ATTACHED)
def test_it_is_sealed(name: str) -> None:
    files = unpack(plain_ofd())
    for change in _with_attachment(name, ATTACHED[name]):
        change(files)
    sealed = seal_ofd(pack(files))
    assert assess(sealed, store=world().store(), now=NOW).indication is Indication.PASSED


@pytest.mark.parametrize("name", ATTACHED)
def test_the_same_unlisted_is_refused(name: str) -> None:
    verdict = _judged(_holding(f"Doc_0/Attachs/{name}", ATTACHED[name]))
    assert _wrong(verdict) <= {NAME, "xml_no_dtd"}
    assert verdict.indication is Indication.FAILED


PARTS: dict[str, tuple[Change, str]] = {
    "public resources": (_linked("<ofd:PublicRes>Res.dat</ofd:PublicRes>"), "Doc_0/Res.dat"),
    "a template": (_linked('<ofd:TemplatePage BaseLoc="T/t.dat"/>'), "Doc_0/T/t.dat"),
    "tags": (_linked("<ofd:CustomTags>tags.dat</ofd:CustomTags>"), "Doc_0/tags.dat"),
    "extensions": (_linked("<ofd:Extensions>/ext.dat</ofd:Extensions>"), "ext.dat"),
    "another namespace": (
        _linked('<x:PublicRes xmlns:x="urn:x">Res.dat</x:PublicRes>'),
        "Doc_0/Res.dat",
    ),
    "percent signs": (_linked("<ofd:DocumentRes>%52es.dat</ofd:DocumentRes>"), "Doc_0/Res.dat"),
    "a backslash": (_linked("<ofd:DocumentRes>R\\r.dat</ofd:DocumentRes>"), "Doc_0/R/r.dat"),
    "another case": (_linked("<ofd:DocumentRes>RES.dat</ofd:DocumentRes>"), "Doc_0/res.dat"),
    "from the root": (_linked("<ofd:DocumentRes>D/r.dat</ofd:DocumentRes>"), "D/r.dat"),
}


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("is_listed", [False, True])
def test_every_part_is_xml_whatever_its_name(kind: str, is_listed: bool) -> None:
    link, name = PARTS[kind]
    listed = [_attached("/" + name)] if is_listed else []
    assert _wrong(_judged(link, _holding(name, EBCDIC), *listed)) == {NAME}
    sound = f"<ofd:Page {NS}/>".encode() if kind == "a template" else b"<a/>"
    assert _wrong(_judged(link, _holding(name, sound), *listed)) == set()
    assert _wrong(_judged(link, _holding(name, DOCTYPE), *listed)) == {"xml_no_dtd"}


def test_page_of_annotations() -> None:
    listed = (
        f'<ofd:Annotations {NS}><ofd:Page PageID="1"><ofd:FileLoc>a.dat</ofd:FileLoc></ofd:Page>'
        "</ofd:Annotations>"
    ).encode()
    verdict = _judged(
        _linked("<ofd:Annotations>Annots/list.dat</ofd:Annotations>"),
        _holding("Doc_0/Annots/list.dat", listed),
        _holding("Doc_0/Annots/a.dat", EBCDIC),
    )
    assert _wrong(verdict) == {NAME}


NAMED: dict[str, tuple[bytes, bytes]] = {
    "before": (b"<ofd:PageRes>res.dat</ofd:PageRes>", b""),
    "at the edge of a piece": (b" " * 65_500 + b"<ofd:PageRes>res.dat</ofd:PageRes>", b""),
    "far from the head": (b" " * 200_000 + b"<ofd:PageRes>res.dat</ofd:PageRes>", b""),
    "behind": (b"", b"<ofd:PageRes>res.dat</ofd:PageRes>"),
    "with a comment": (b"<ofd:PageRes>res<!-- -->.dat</ofd:PageRes>", b""),
    "by characters": (b"<ofd:PageRes>res&#46;d<![CDATA[at]]></ofd:PageRes>", b""),
    "in another namespace": (b'<x:PageRes xmlns:x="urn:x">res.dat</x:PageRes>', b""),
}


@pytest.mark.parametrize("where", NAMED)
@pytest.mark.parametrize("size", [0, 400_000])
def test_resources_of_a_page(where: str, size: int) -> None:
    before, behind = NAMED[where]

    def name(files: Files) -> None:
        page = files[PAGE].replace(b"<ofd:Content>", before + b"<ofd:Content>" + b" " * size)
        files[PAGE] = page.replace(b"</ofd:Page>", behind + b"</ofd:Page>")

    verdict = _judged(name, _holding("Doc_0/Pages/Page_0/res.dat", EBCDIC))
    assert _wrong(verdict) == {NAME}


def test_picture_of_the_document_is_no_attachment() -> None:
    resources = (
        f'<ofd:Res {NS} BaseLoc="Res"><ofd:MultiMedias><ofd:MultiMedia ID="4" Type="Image">'
        "<ofd:MediaFile>i.svg</ofd:MediaFile></ofd:MultiMedia></ofd:MultiMedias></ofd:Res>"
    ).encode()
    verdict = _judged(
        _linked("<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes>"),
        _holding("Doc_0/DocumentRes.xml", resources),
        _holding("Doc_0/Res/i.svg", DOCTYPE),
        _attached("/Doc_0/Res/i.svg"),
    )
    assert _wrong(verdict) == {"xml_no_dtd"}


def test_what_leads_nowhere_is_no_part() -> None:
    files = unpack(plain_ofd())
    for where in ("", "%25%32%35%32%35" * 9, "../../../x", "http://x/y", "nowhere.xml"):
        _linked(f"<ofd:DocumentRes>{where}</ofd:DocumentRes>")(files)
    package = read_package(pack(files))
    assert Linked(package, doc_bodies(package), look(package)).parts == {
        DOCUMENT,
        PAGE,
        "Doc_0/PublicRes.xml",
    }


def test_part_that_is_no_xml_is_not_sealed() -> None:
    files = unpack(plain_ofd())
    _linked("<ofd:DocumentRes>res.dat</ofd:DocumentRes>")(files)
    files["Doc_0/res.dat"] = EBCDIC
    with pytest.raises(PackageError) as caught:
        seal_ofd(pack(files))
    assert caught.value.check == NAME
