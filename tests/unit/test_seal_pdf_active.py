"""What a signed PDF does by itself is told; what merely leads around in it is not."""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from seal.judging.check_names import CHECKS
from seal.model import Check, Indication
from seal.pdf.active import _MAX_OBJECTS, check_active
from seal.trust import TrustStore
from seal.verify import assess
from tests.builders.forged_pdf_between import quietly
from tests.builders.forging_pdf import JUDGED, PdfBench, dictionary, name, numbers, page_of, plain

_CHANGES: dict[str, Callable[[Any], None]] = {}
_TOLD: dict[str, str] = {}


def _tells(words: str) -> Callable[[Callable[[Any], None]], None]:
    def register(change: Callable[[Any], None]) -> None:
        _CHANGES[change.__name__] = change
        _TOLD[change.__name__] = words

    return register


def _script() -> Any:
    return dictionary(S=name("JavaScript"), JS=generic.pdf_string("app.alert(1)"))


def _in_catalog(writer: Any, key: str, value: Any) -> None:
    writer.root[name(key)] = value
    writer.update_root()


@_tells("OpenAction")
def opening(writer: Any) -> None:
    _in_catalog(writer, "OpenAction", _script())


@_tells("JavaScript")
def named_script(writer: Any) -> None:
    scripts = generic.ArrayObject([generic.pdf_string("a"), writer.add_object(_script())])
    _in_catalog(writer, "Names", dictionary(JavaScript=dictionary(Names=scripts)))


@_tells("Launch")
def bookmark_that_launches(writer: Any) -> None:
    launch = dictionary(S=name("Launch"), F=generic.pdf_string("cmd.exe"))
    item = writer.add_object(dictionary(Title=generic.pdf_string("1"), A=launch))
    _in_catalog(writer, "Outlines", writer.add_object(dictionary(First=item, Last=item)))


@_tells("AA")
def page_action(writer: Any) -> None:
    page = page_of(writer)
    page[name("AA")] = dictionary(O=dictionary(S=name("Named"), N=name("Print")))
    writer.update_container(page)


@_tells("JavaScript")
def mouse_action(writer: Any) -> None:
    note = dictionary(Subtype=name("Widget"), Rect=numbers(0, 0, 9, 9), AA=dictionary(D=_script()))
    page = page_of(writer)
    page[name("Annots")] = generic.ArrayObject([writer.add_object(note)])
    writer.update_container(page)


@_tells("XFA")
def dynamic_form(writer: Any) -> None:
    held = writer.add_object(generic.StreamObject(stream_data=b"<xdp/>"))
    _in_catalog(writer, "AcroForm", dictionary(Fields=generic.ArrayObject(), XFA=held))


@_tells("OCProperties")
def layers(writer: Any) -> None:
    layer = writer.add_object(dictionary(Type=name("OCG"), Name=generic.pdf_string("L")))
    listed = generic.ArrayObject([layer])
    _in_catalog(writer, "OCProperties", dictionary(OCGs=listed, D=dictionary(OFF=listed)))


@_tells("Ref")
def picture_from_elsewhere(writer: Any) -> None:
    elsewhere = dictionary(F=generic.pdf_string("other.pdf"), Page=generic.NumberObject(0))
    entries = dictionary(Subtype=name("Form"), BBox=numbers(0, 0, 9, 9), Ref=elsewhere)
    inner = writer.add_object(generic.StreamObject(entries, stream_data=b""))
    page = page_of(writer)
    page["/Resources"][name("XObject")] = dictionary(R=inner)
    writer.update_container(page["/Resources"])


@_tells("3D")
def film(writer: Any) -> None:
    note = dictionary(Subtype=name("RichMedia"), Rect=numbers(0, 0, 9, 9))
    page = page_of(writer)
    page[name("Annots")] = generic.ArrayObject([writer.add_object(note)])
    writer.update_container(page)


# --- what shows otherwise -------------------------------------------------------------------------


def _stream(**entries: Any) -> Any:
    return generic.StreamObject(dictionary(**entries), stream_data=b"")


def _picture(**entries: Any) -> Any:
    sizes = {one: generic.NumberObject(1) for one in ("Width", "Height", "BitsPerComponent")}
    return _stream(Subtype=name("Image"), ColorSpace=name("DeviceGray"), **sizes, **entries)


def _painted(writer: Any, held: Any, kind: str = "XObject") -> None:
    page = page_of(writer)
    page["/Resources"][name(kind)] = dictionary(R=writer.add_object(held))
    writer.update_container(page["/Resources"])


def _annotated(writer: Any, *, looks: tuple[str, ...] = ("N",), **entries: Any) -> None:
    drawn = {one: writer.add_object(_stream(Subtype=name("Form"))) for one in looks}
    note = dictionary(Rect=numbers(0, 0, 99, 99), AP=dictionary(**drawn))
    note.update(dictionary(**{"Subtype": name("Stamp"), **entries}))
    page = page_of(writer)
    page[name("Annots")] = generic.ArrayObject([writer.add_object(note)])
    writer.update_container(page)


def _flags(value: int) -> Any:
    return generic.NumberObject(value)


@_tells("another file (F)")
def page_from_elsewhere(writer: Any) -> None:
    page = page_of(writer)
    there = _stream(F=generic.pdf_string("https://example.test/page"))
    page[name("Contents")] = writer.add_object(there)
    writer.update_container(page)


@_tells("another file (F)")
def picture_of_an_address(writer: Any) -> None:
    there = dictionary(FS=name("URL"), F=generic.pdf_string("https://example.test/picture"))
    _painted(writer, _picture(F=there))


@_tells("Alternates")
def picture_for_printing(writer: Any) -> None:
    other = dictionary(Image=writer.add_object(_picture()))
    _painted(writer, _picture(Alternates=generic.ArrayObject([other])))


@_tells("OPI")
def picture_exchanged(writer: Any) -> None:
    there = dictionary(Type=name("OPI"), F=generic.pdf_string("picture.tif"))
    _painted(writer, _picture(OPI=dictionary(**{"2.0": there})))


@_tells("Ref")
def letter_from_elsewhere(writer: Any) -> None:
    inner = _stream(Subtype=name("Form"), Ref=dictionary(F=generic.pdf_string("other.pdf")))
    held = dictionary(XObject=dictionary(R=writer.add_object(inner)))
    _painted(writer, dictionary(Type=name("Font"), Subtype=name("Type3"), Resources=held), "Font")


@_tells("OCProperties")
def layer_that_no_list_has(writer: Any) -> None:
    _painted(writer, _stream(Subtype=name("Form"), OC=dictionary(Type=name("OCG"))))


@_tells("not printed")
def on_screen(writer: Any) -> None:
    _annotated(writer, F=_flags(0))


@_tells("printed only")
def on_paper(writer: Any) -> None:
    _annotated(writer, F=_flags(4 + 32))


@_tells("ToggleNoView")
def now_and_then(writer: Any) -> None:
    _annotated(writer, F=_flags(4 + 256))


@_tells("under the mouse")
def button(writer: Any) -> None:
    _annotated(writer, looks=("N", "R"), Subtype=name("Widget"), F=_flags(4))


@_tells("under the mouse")
def button_pressed(writer: Any) -> None:
    _annotated(writer, looks=("N", "D"), Subtype=name("Widget"), F=_flags(4))


@_tells("AA")
def popup_alone(writer: Any) -> None:
    acts = dictionary(Subtype=name("Popup"), Rect=numbers(0, 0, 9, 9), AA=dictionary(PO=_script()))
    _annotated(writer, Popup=writer.add_object(acts), F=_flags(4))


@_tells("AA")
def parent_alone(writer: Any) -> None:
    acts = writer.add_object(dictionary(FT=name("Tx"), AA=dictionary(K=_script())))
    _annotated(writer, Subtype=name("Widget"), Parent=acts, F=_flags(4))


@_tells("OpenAction")
def printing(writer: Any) -> None:
    _in_catalog(writer, "OpenAction", dictionary(S=name("Named"), N=name("Print")))


# --- what is hidden by a name, or kept elsewhere ------------------------------------------------

_ELSEWHERE = generic.pdf_string("https://example.test/data")


def _of_name(chosen: str) -> Callable[[Any], None]:
    def change(writer: Any) -> None:
        other = dictionary(Image=writer.add_object(_picture()))
        held = writer.add_object(_picture(Alternates=generic.ArrayObject([other])))
        page = page_of(writer)
        page["/Resources"][name("XObject")] = dictionary(**{chosen: held})
        writer.update_container(page["/Resources"])

    return change


for _chosen in ("V", "P", "B", "D", "MK", "Info", "Contents", "Metadata", "Prev", "EF", "Thumb"):
    _CHANGES[f"picture_named_{_chosen}"] = _of_name(_chosen)
    _TOLD[f"picture_named_{_chosen}"] = "Alternates"


@_tells("Alternates")
def look_of_a_name(writer: Any) -> None:
    other = dictionary(Image=writer.add_object(_picture()))
    picture = writer.add_object(_picture(Alternates=generic.ArrayObject([other])))
    inner = dictionary(XObject=dictionary(R=picture))
    look = writer.add_object(_stream(Subtype=name("Form"), Resources=inner))
    note = dictionary(Rect=numbers(0, 0, 99, 99), AP=dictionary(N=dictionary(V=look)))
    note.update(dictionary(Subtype=name("Widget"), F=_flags(4), AS=name("V")))
    page = page_of(writer)
    page[name("Annots")] = generic.ArrayObject([writer.add_object(note)])
    writer.update_container(page)


@_tells("another file (F)")
def letter_kept_elsewhere(writer: Any) -> None:
    letters = dictionary(P=writer.add_object(_stream(F=_ELSEWHERE)))
    font = dictionary(Type=name("Font"), Subtype=name("Type3"), CharProcs=letters)
    _painted(writer, font, "Font")


@_tells("another file (F)")
def font_kept_elsewhere(writer: Any) -> None:
    program = writer.add_object(_stream(F=_ELSEWHERE))
    about = dictionary(Type=name("FontDescriptor"), FontFile2=program)
    within = dictionary(Type=name("Font"), Subtype=name("CIDFontType2"), FontDescriptor=about)
    fonts = generic.ArrayObject([writer.add_object(within)])
    font = dictionary(Type=name("Font"), Subtype=name("Type0"), DescendantFonts=fonts)
    _painted(writer, font, "Font")


@_tells("another file (F)")
def profile_kept_elsewhere(writer: Any) -> None:
    profile = writer.add_object(_stream(N=_flags(3), F=_ELSEWHERE))
    picture = _picture()
    picture[name("ColorSpace")] = generic.ArrayObject([name("ICCBased"), profile])
    _painted(writer, picture)


@_tells("another file (F)")
def palette_kept_elsewhere(writer: Any) -> None:
    palette = writer.add_object(_stream(F=_ELSEWHERE))
    colours = [name("Indexed"), name("DeviceRGB"), _flags(255), palette]
    _painted(writer, generic.ArrayObject(colours), "ColorSpace")


@_tells("PostScript")
def program_for_printers(writer: Any) -> None:
    _painted(writer, _stream(Type=name("XObject"), Subtype=name("PS")))


@_tells("PostScript")
def drawing_with_a_program(writer: Any) -> None:
    program = writer.add_object(_stream())
    _painted(writer, _stream(Subtype=name("Form"), Subtype2=name("PS"), PS=program))


@_tells("turn by themselves")
def page_that_turns(writer: Any) -> None:
    page = page_of(writer)
    page[name("Dur")] = _flags(1)
    writer.update_container(page)


def _look(data: bytes) -> Check | None:
    return check_active(PdfFileReader(BytesIO(data)))


@pytest.mark.parametrize("change", _CHANGES)
def test_what_acts_by_itself_is_told(change: str) -> None:
    bench = PdfBench()
    data = bench.sealed(quietly(plain(), _CHANGES[change]))
    (check,) = [
        one
        for one in assess(data, store=TrustStore(), now=JUDGED).all_checks()
        if one.name == "active_content"
    ]
    assert check.indication is Indication.PASSED
    assert check.notice
    assert _TOLD[change] in check.detail
    assert not check.detail_zh.isascii()
    assert check.name in CHECKS


def test_a_form_that_readers_draw_is_told() -> None:
    """Our own signing takes the word out."""

    def change(writer: Any) -> None:
        fields = dictionary(Fields=generic.ArrayObject())
        fields[name("NeedAppearances")] = generic.BooleanObject(True)
        _in_catalog(writer, "AcroForm", fields)

    check = _look(quietly(plain(), change))
    assert check is not None
    assert "NeedAppearances" in check.detail


def test_what_leads_around_is_not_told() -> None:
    def change(writer: Any) -> None:
        there = generic.ArrayObject([writer.root["/Pages"].raw_get("/Kids")[0], name("Fit")])
        _in_catalog(writer, "OpenAction", dictionary(S=name("GoTo"), D=there))
        link = dictionary(S=name("URI"), URI=generic.pdf_string("https://example.test/"))
        note = dictionary(Subtype=name("Link"), Rect=numbers(0, 0, 9, 9), A=link)
        page = page_of(writer)
        page[name("Annots")] = generic.ArrayObject([writer.add_object(note)])
        writer.update_container(page)

    def turning(writer: Any) -> None:
        _in_catalog(writer, "OpenAction", dictionary(S=name("Named"), N=name("LastPage")))
        _annotated(writer, F=_flags(4))

    def as_it_is(writer: Any) -> None:
        fields = dictionary(Fields=generic.ArrayObject())
        fields[name("NeedAppearances")] = generic.BooleanObject(False)
        _in_catalog(writer, "AcroForm", fields)
        _annotated(writer, Subtype=name("Link"), F=_flags(0))

    for one in (change, turning, as_it_is):
        assert _look(PdfBench().sealed(quietly(plain(), one))) is None
    assert _look(plain(field=True)) is None


def test_what_is_too_large_to_be_walked_is_told() -> None:
    def change(writer: Any) -> None:
        many = generic.ArrayObject(generic.NumberObject(1) for _ in range(200_001))
        _in_catalog(writer, "PieceInfo", many)

    check = _look(quietly(plain(), change))
    assert check is not None
    assert "more than was looked through" in check.detail
    assert _MAX_OBJECTS < 200_001


def test_what_leads_to_itself_ends() -> None:
    def change(writer: Any) -> None:
        one, two = dictionary(), dictionary()
        first = writer.add_object(one)
        one[name("Next")] = writer.add_object(two)
        two[name("Next")] = first
        _in_catalog(writer, "PieceInfo", first)

    assert _look(quietly(plain(), change)) is None
