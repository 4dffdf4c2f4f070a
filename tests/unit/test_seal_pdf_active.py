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


def test_what_leads_around_is_not_told() -> None:
    def change(writer: Any) -> None:
        there = generic.ArrayObject([writer.root["/Pages"].raw_get("/Kids")[0], name("Fit")])
        _in_catalog(writer, "OpenAction", dictionary(S=name("GoTo"), D=there))
        link = dictionary(S=name("URI"), URI=generic.pdf_string("https://example.test/"))
        note = dictionary(Subtype=name("Link"), Rect=numbers(0, 0, 9, 9), A=link)
        page = page_of(writer)
        page[name("Annots")] = generic.ArrayObject([writer.add_object(note)])
        writer.update_container(page)

    assert _look(PdfBench().sealed(quietly(plain(), change))) is None
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
