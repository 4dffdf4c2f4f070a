"""What readers of an OFD show differently, and what leads outside it: judged, or told."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from seal.model import Check, Indication, Verdict
from seal.ofd.linked import Linked
from seal.ofd.package import PackageError, read_package
from seal.ofd.page_form import PageLook, is_plain
from seal.ofd.seen import look
from seal.ofd.structure import doc_bodies
from seal.verify import assess
from tests.builders.makers import LIST, NAMESPACE, Habit, sign
from tests.builders.ofd import NOW, pack, plain_ofd, seal_ofd, unpack, world

PAGE = "Doc_0/Pages/Page_0/Content.xml"
DOCUMENT = "Doc_0/Document.xml"
RESOURCES = "Doc_0/Res.xml"
NS = f'xmlns:ofd="{NAMESPACE}"'
LARGE = b" " * 400_000

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


def _named(verdict: Verdict, name: str) -> Check | None:
    return next((one for one in verdict.all_checks() if one.name == name), None)


def _in(name: str, old: str, new: str) -> Change:
    def change(files: Files) -> None:
        assert old.encode() in files[name]
        files[name] = files[name].replace(old.encode(), new.encode(), 1)

    return change


def _padded(files: Files) -> None:
    """So large that no page is kept in memory."""
    files[PAGE] = files[PAGE].replace(b"<ofd:Content>", b"<ofd:Content>" + LARGE, 1)


def _resources(*held: str, name: str = RESOURCES, base: str = "Res") -> Change:
    def change(files: Files) -> None:
        inner = "".join(held)
        files[name] = (
            f'<ofd:Res {NS} BaseLoc="{base}"><ofd:MultiMedias>{inner}</ofd:MultiMedias></ofd:Res>'
        ).encode()
        for one in ("a.png", "b.png"):
            files[f"Doc_0/Res/{one}"] = b"\x89PNG" + one.encode()
        where = name.removeprefix("Doc_0/")
        files[DOCUMENT] = files[DOCUMENT].replace(
            b"</ofd:CommonData>",
            f"<ofd:DocumentRes>{where}</ofd:DocumentRes></ofd:CommonData>".encode(),
        )

    return change


def _picture(number: str, file: str, kind: str = "Image") -> str:
    return (
        f'<ofd:MultiMedia ID="{number}" Type="{kind}"><ofd:MediaFile>{file}</ofd:MediaFile>'
        "</ofd:MultiMedia>"
    )


def _each(*changes: Change) -> Change:
    def change(files: Files) -> None:
        for one in changes:
            one(files)

    return change


def _font(name: str) -> str:
    held = f'<ofd:Fonts><ofd:Font ID="4" FontName="{name}"/></ofd:Fonts>'
    return f"</ofd:MultiMedias>{held}<ofd:MultiMedias>"


# --- pages ------------------------------------------------------------------------------------

DIFFERENT: dict[str, Change] = {
    "two contents": _in(PAGE, "</ofd:Page>", "<ofd:Content>x</ofd:Content></ofd:Page>"),
    "one of nobody's": _in(
        PAGE, "</ofd:Page>", '<x:Content xmlns:x="urn:x"><x:a/></x:Content></ofd:Page>'
    ),
    "one without a namespace": _in(
        PAGE, "</ofd:Page>", "<Content><ofd:Layer/></Content></ofd:Page>"
    ),
    "one further down": _in(
        PAGE, "<ofd:Content>", "<ofd:Content><ofd:Content><ofd:a/></ofd:Content>"
    ),
    "two sizes": _in(
        PAGE, "<ofd:Content>", "<ofd:Area><ofd:a/></ofd:Area><ofd:Area/><ofd:Content>"
    ),
    "two standards": _in(
        PAGE, "<ofd:Content>", '<ofd:Content><d:Layer xmlns:d="http://www.ofdspec.org"/>'
    ),
    "another namespace": _in(PAGE, NAMESPACE, "urn:other"),
}


@pytest.mark.parametrize("kind", DIFFERENT)
@pytest.mark.parametrize("is_large", [False, True])
def test_page_that_readers_show_differently(kind: str, is_large: bool) -> None:
    if kind == "two sizes" and is_large:
        return  # of a large page, sizes are not counted
    verdict = _judged(*([_padded] if is_large else []), DIFFERENT[kind])
    check = _named(verdict, "ofd_structure")
    assert check is not None
    assert (check.indication, check.reason) == (Indication.FAILED, "READERS_DIFFER")
    assert PAGE in check.detail


ALIKE: dict[str, Change] = {
    "default namespace": lambda files: files.update(
        {PAGE: files[PAGE].replace(b"xmlns:ofd", b"xmlns").replace(b"ofd:", b"")}
    ),
    "single quotes": _in(PAGE, f'xmlns:ofd="{NAMESPACE}"', f"xmlns:ofd='{NAMESPACE}'"),
    "draft": _in(PAGE, NAMESPACE, "http://www.ofdspec.org"),
    "comment before": lambda files: files.update(
        {PAGE: b"<!-- <ofd:Document> --><?a b?>\n" + files[PAGE].partition(b"?>")[2].lstrip()}
    ),
    "more namespaces": _in(PAGE, "<ofd:Page ", '<ofd:Page xmlns:x="urn:x" '),
    "namespaces within": _in(PAGE, "<ofd:Layer", '<ofd:Layer xmlns:x="urn:x" x:a=""'),
    "text of that name": _in(PAGE, "</ofd:Page>", "<!-- Content Content --></ofd:Page>"),
    "own size": _in(
        PAGE,
        "<ofd:Content>",
        "<ofd:Area><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:Area><ofd:Content>",
    ),
}


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize("is_large", [False, True])
def test_page_that_every_reader_shows_alike(kind: str, is_large: bool) -> None:
    verdict = _judged(*([_padded] if is_large else []), ALIKE[kind])
    assert verdict.indication is Indication.PASSED
    assert _named(verdict, "ofd_structure") is None


@pytest.mark.parametrize("size", [1, 5, 7, 64, 4096])
def test_look_by_pieces_never_takes_for_plain_what_is_not(size: int) -> None:
    sound = unpack(plain_ofd())[PAGE]
    twice = sound.replace(b"</ofd:Page>", b"<ofd:Content>x</ofd:Content></ofd:Page>")
    naming = sound.replace(b"<ofd:Content>", b"<ofd:PageRes>r</ofd:PageRes><ofd:Content>")
    for data in (twice, naming):
        look = PageLook()
        for begin in range(0, len(data), size):
            look.take(data[begin : begin + size])
        assert not look.is_plain
        assert not is_plain(data)
    assert is_plain(sound)


def _of_kind(held: str) -> str:
    return f"</ofd:MultiMedias>{held}<ofd:MultiMedias>"


def _params(width: str) -> str:
    held = f'<ofd:DrawParam ID="7" LineWidth="{width}"/>'
    return _of_kind(f"<ofd:DrawParams>{held}</ofd:DrawParams>")


# --- identifiers --------------------------------------------------------------------------------

TWICE: dict[str, Change] = {
    "pictures": _resources(_picture("4", "a.png"), _picture("4", "b.png")),
    "with zeros": _resources(_picture("4", "a.png"), _picture("004", "b.png")),
    "by character": _resources(_picture("4", "a.png"), _picture("&#52;", "b.png")),
    "single quotes": _resources(
        _picture("4", "a.png"), _picture("4", "b.png").replace('"4"', "'4'")
    ),
    "in two files": _each(
        _resources(_picture("4", "a.png")),
        _resources(_picture("4", "b.png"), name="Doc_0/Res2.xml"),
    ),
    "in two folders": _each(
        _resources(_picture("4", "a.png")),
        _resources(_picture("4", "a.png"), name="Doc_0/Pages/Res2.xml", base="."),
    ),
    "parameters": _resources(_params("1"), _params("2")),
    "pages": _in(
        DOCUMENT, "</ofd:Pages>", '<ofd:Page ID="10" BaseLoc="/Doc_0/P.xml"/></ofd:Pages>'
    ),
}


@pytest.mark.parametrize("kind", TWICE)
def test_two_things_of_one_identifier_are_not_judged(kind: str) -> None:
    check = _named(_judged(TWICE[kind]), "ofd_structure")
    assert check is not None
    assert (check.indication, check.reason) == (Indication.INDETERMINATE, "IDENTIFIER_TWICE")


def test_one_thing_told_twice_is_one() -> None:
    same = _picture("4", "a.png")
    verdict = _judged(_resources(same, same, _font("x")), _resources(same, name="Doc_0/Res2.xml"))
    assert verdict.indication is Indication.PASSED
    assert _named(verdict, "ofd_structure") is None


ONE_THING: dict[str, Change] = {
    "other order": _resources(
        _picture("4", "a.png"),
        '<ofd:MultiMedia Type="Image" ID="4"><ofd:MediaFile>a.png</ofd:MediaFile></ofd:MultiMedia>',
    ),
    "other spaces": _resources(
        _picture("4", "a.png"),
        '<ofd:MultiMedia ID="04" Type="Image">\n<ofd:MediaFile> a.png </ofd:MediaFile>\n'
        "</ofd:MultiMedia>",
    ),
    "other prefix": _resources(
        _picture("4", "a.png"),
        f'<o:MultiMedia xmlns:o="{NAMESPACE}" ID="4" Type="Image"><o:MediaFile>a.png</o:MediaFile>'
        "</o:MultiMedia>",
    ),
    "other path": _each(
        _resources(_picture("4", "a.png")),
        _resources(_picture("4", "a.png"), name="Doc_0/Res2.xml", base="/Doc_0/Res/."),
    ),
    "parameters": _each(
        _resources(_params("1"), _params("1")), _resources(_params("1"), name="Doc_0/Res2.xml")
    ),
    "another kind": _resources(_params("1"), _picture("7", "a.png")),
    "instructions": _resources('<?x ID="4"?>', _picture("4", "a.png"), '<!-- ID="4" -->'),
    "one template": _in(
        DOCUMENT,
        "</ofd:CommonData>",
        '<ofd:TemplatePage ID="7" BaseLoc="Pages/Page_0/Content.xml"/><ofd:TemplatePage ID="7" '
        'BaseLoc="./Pages/Page_0/Content.xml"/></ofd:CommonData>',
    ),
}


@pytest.mark.parametrize("kind", ONE_THING)
def test_one_thing_in_two_forms_is_one(kind: str) -> None:
    verdict = _judged(ONE_THING[kind])
    assert verdict.indication is Indication.PASSED
    assert _named(verdict, "ofd_structure") is None


def test_a_document_that_is_not_there_is_told() -> None:
    for old, new in (("Doc_0/Document", "Doc_9/Document"), ("Doc_0/Document", "Doc_0/%44ocument")):
        check = _named(_judged(_in("OFD.xml", old, new)), "ofd_structure")
        assert check is not None
        assert check.indication is Indication.FAILED
        assert "not in the package" in check.detail


def test_many_pages_and_many_resources_take_time_of_both_together() -> None:
    """Pages times resources: what took 14 s once."""
    fonts = "".join(f'<ofd:Font ID="{one}" FontName="S"/>' for one in range(100, 40_100))
    own = f'<ofd:Res {NS}><ofd:Fonts><ofd:Font ID="5" FontName="S"/></ofd:Fonts></ofd:Res>'
    page = f"<ofd:Page {NS}><ofd:PageRes>own.xml</ofd:PageRes><ofd:Content/></ofd:Page>".encode()
    listed = "".join(f'<ofd:Page ID="{one}" BaseLoc="P/{one}.xml"/>' for one in range(200, 2200))
    files = unpack(plain_ofd())
    _resources(_of_kind(f"<ofd:Fonts>{fonts}</ofd:Fonts>"))(files)
    _in(DOCUMENT, "</ofd:Pages>", f"{listed}</ofd:Pages>")(files)
    files |= {f"Doc_0/P/{one}.xml": page for one in range(200, 2200)}
    files["Doc_0/P/own.xml"] = own.encode()
    package = read_package(pack(files))
    seen, bodies = look(package), doc_bodies(package)
    begin = time.process_time()
    linked = Linked(package, bodies, seen)
    assert time.process_time() - begin < 3.0
    assert linked.readings.count < 100_000
    assert not linked.readings.unseen


def test_locations_that_lead_nowhere_are_followed_within_a_bound() -> None:
    where = "".join(f"<ofd:PageRes>{'../' * 99}{one}</ofd:PageRes>" for one in range(12_000))
    verdict = _judged(_in(PAGE, "<ofd:Content>", f"{where}<ofd:Content>"))
    check = _named(verdict, "active_content")
    assert verdict.indication is Indication.PASSED
    assert check is not None
    assert "more than was looked through" in check.detail


def test_number_of_a_page_that_is_its_documents_too_is_told() -> None:
    own = f'<ofd:Res {NS}><ofd:Fonts><ofd:Font ID="4" FontName="y"/></ofd:Fonts></ofd:Res>'
    verdict = _judged(
        _resources(_font("x")),
        lambda files: files.update({"Doc_0/Pages/Page_0/own.xml": own.encode()}),
        _in(PAGE, "<ofd:Content>", "<ofd:PageRes>own.xml</ofd:PageRes><ofd:Content>"),
    )
    check = _named(verdict, "ofd_structure")
    assert verdict.indication is Indication.PASSED
    assert check is not None
    assert check.notice
    assert "Font 4" in check.detail


def test_what_is_not_judged_is_not_sealed() -> None:
    files = unpack(plain_ofd())
    TWICE["pictures"](files)
    with pytest.raises(PackageError) as caught:
        seal_ofd(pack(files))
    assert caught.value.check == "ofd_structure"


# --- what leads outside -------------------------------------------------------------------------


def _actions(held: str, event: str = "CLICK") -> str:
    return f'<ofd:Actions><ofd:Action Event="{event}">{held}</ofd:Action></ofd:Actions>'


URI = '<ofd:URI URI="http://example.invalid/"/>'
OUTSIDE: dict[str, tuple[list[Change], str]] = {
    "address": ([_in(DOCUMENT, "</ofd:Document>", _actions(URI) + "</ofd:Document>")], "address"),
    "of itself": (
        [_in(DOCUMENT, "</ofd:Document>", _actions(URI, "DO") + "</ofd:Document>")],
        "on opening",
    ),
    "attachment": (
        [_in(PAGE, "</ofd:Page>", _actions('<ofd:GotoA AttachID="9"/>') + "</ofd:Page>")],
        "attachment",
    ),
    "sound of a large page": (
        [_padded, _in(PAGE, "</ofd:Page>", _actions('<ofd:Sound ResourceID="9"/>')
                       + "</ofd:Page>")],
        "sound or film",
    ),
    "film": ([_resources(_picture("4", "a.png", "Video"))], "sound or film"),
    "web": ([_resources(_picture("4", "http://example.invalid/a.png"))], "example.invalid/a.png"),
    "base": ([_resources(_picture("4", "a.png"), base="http://example.invalid/")], "a.png"),
    "missing": ([_resources(_picture("4", "c.png"))], "c.png"),
    "missing template": (
        [_in(DOCUMENT, "</ofd:CommonData>", '<ofd:TemplatePage ID="7" BaseLoc="t.xml"/>'
             "</ofd:CommonData>")],
        "t.xml",
    ),
    "versions": (
        [_in("OFD.xml", "</ofd:DocRoot>", "</ofd:DocRoot><ofd:Versions/>")],
        "other versions",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OUTSIDE)
def test_what_leads_outside_is_told(kind: str) -> None:
    changes, words = OUTSIDE[kind]
    verdict = _judged(*changes)
    check = _named(verdict, "active_content")
    assert verdict.indication is Indication.PASSED
    assert check is not None
    assert check.notice
    assert words in check.detail
    assert not check.detail_zh.isascii()


INSIDE: dict[str, Change] = {
    "nothing": lambda files: None,
    "page of its own": _in(
        DOCUMENT, "</ofd:Document>", _actions('<ofd:Goto><ofd:Dest PageID="1"/></ofd:Goto>')
        + "</ofd:Document>"
    ),
    "picture of its own": _resources(_picture("4", "a.png")),
    "font of the machine": _resources('<ofd:Font ID="4" FontName="x"/>'),
    "from the root": _resources(_picture("4", "/Doc_0/Res/a.png")),
}  # fmt: skip


@pytest.mark.parametrize("kind", INSIDE)
def test_what_stays_inside_is_not(kind: str) -> None:
    verdict = _judged(INSIDE[kind])
    assert verdict.indication is Indication.PASSED
    assert _named(verdict, "active_content") is None
