"""The OFD writer and reader: determinism, round trips, limits."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from io import BytesIO

import pytest

from licenses.pages.model import Document, Image, Item, Page, Path, Text
from licenses.pages.ofd import write_ofd
from licenses.pages.ofd_reader import read_ofd
from licenses.pages.pdf import write_pdf
from licenses.pages.stamps import picture as seal_picture
from runtime.errors import InvalidArgument
from tests.builders.ofd import pack, plain_ofd, seal_ofd, unpack, world
from tests.builders.pages import CREATED, everything, picture, registration


def refused(data: bytes) -> str:
    with pytest.raises(InvalidArgument) as caught:
        read_ofd(data)
    return caught.value.reason


def changed(data: bytes, path: str, old: str, new: str) -> bytes:
    files = unpack(data)
    assert old.encode() in files[path]
    files[path] = files[path].replace(old.encode(), new.encode())
    return pack(files)


def texts(document: Document) -> list[Text]:
    return [item for page in document.pages for item in page.items if isinstance(item, Text)]


def test_same_document_same_bytes() -> None:
    assert write_ofd(everything()) == write_ofd(everything())
    assert write_ofd(registration()) == write_ofd(registration())


def test_other_content_other_document_id() -> None:
    one, other = (
        unpack(write_ofd(registration(holder_name=name)))["OFD.xml"] for name in ("甲", "乙")
    )
    assert one.split(b"DocID>")[1] != other.split(b"DocID>")[1]


def test_zip_is_sound_and_starts_with_ofd_xml() -> None:
    with zipfile.ZipFile(BytesIO(write_ofd(everything()))) as package:
        assert package.testzip() is None
        assert package.namelist()[0] == "OFD.xml"
        assert {entry.date_time for entry in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert all(name.isascii() for name in package.namelist())


def test_round_trip_keeps_texts_and_places() -> None:
    document = everything()
    back = read_ofd(write_ofd(document))
    for before, after in zip(texts(document), texts(back), strict=True):
        assert (after.text, after.size, after.color) == (before.text, before.size, before.color)
        assert (after.x, after.y) == pytest.approx((before.x, before.y), abs=0.001)
        assert after.transform == before.transform
        if before.advances:
            assert list(after.advances) == pytest.approx(before.advances, abs=0.001)
    assert (back.title, back.author) == (document.title, document.author)
    assert dict(back.metadata) == dict(document.metadata)
    assert back.attachments == document.attachments
    # Midnight of the 21st in China.
    assert back.created.isoformat() == "2026-11-20T16:00:00+00:00"
    assert [(page.width, page.height) for page in back.pages] == [(100, 80), (50, 40)]


def test_round_trip_keeps_pictures_and_shapes() -> None:
    items = read_ofd(write_ofd(everything())).pages[0].items
    clipped, turned = (item for item in items if isinstance(item, Image))
    assert clipped == everything().pages[0].items[3]
    assert turned.data == picture("RGB", "JPEG")
    assert turned.transform == pytest.approx((0, 20, -10, 0, 60, 10))
    shapes = [item for item in items if isinstance(item, Path)]
    assert len(shapes) == 5
    assert [shape.dash for shape in shapes if shape.dash] == [(1, 0.5)]
    assert [shape.even_odd for shape in shapes].count(True) == 1
    assert shapes[-1].stroke is None


def test_second_writing_uses_the_fonts_of_the_first() -> None:
    back = read_ofd(write_ofd(registration()))
    again = read_ofd(write_ofd(back))
    assert [text.text for text in texts(again)] == [text.text for text in texts(back)]
    assert sorted(again.fonts.values()) == sorted(back.fonts.values())


def test_rounded_advances_do_not_add_up() -> None:
    long = Text(x=10, y=10, text="一" * 300, size=1.0004, advances=(0.5004,) * 299)
    page = Page(width=200, height=20, items=(long,))
    (back,) = texts(
        read_ofd(write_ofd(Document(pages=(page,), title="", author="", created=CREATED)))
    )
    assert sum(back.advances) == pytest.approx(299 * 0.5004, abs=0.001)


def test_missing_glyph_is_refused_and_never_dropped() -> None:
    page = Page(width=10, height=10, items=(Text(x=1, y=5, text="甲\ue123", size=2),))
    with pytest.raises(InvalidArgument, match=r"U\+E123"):
        write_ofd(Document(pages=(page,), title="", author="", created=CREATED))


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [({"ZZMC": "a\x00b"}, "TEXT_NOT_XML"), ({"1 <x>": "a"}, "METADATA_KEY_INVALID")],
)
def test_unwritable_metadata_is_refused(metadata: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        write_ofd(replace(everything(), metadata=metadata))
    assert caught.value.reason == reason


def test_other_pictures_are_refused() -> None:
    page = Page(width=9, height=9, items=(Image(x=0, y=0, width=1, height=1, data=b"GIF89a"),))
    with pytest.raises(InvalidArgument) as caught:
        write_ofd(Document(pages=(page,), title="", author="", created=CREATED))
    assert caught.value.reason == "IMAGE_UNKNOWN"


def test_seal_is_read_where_it_stands() -> None:
    items: tuple[Item, ...] = read_ofd(seal_ofd(plain_ofd())).pages[0].items
    seal = items[-1]
    assert isinstance(seal, Image)
    assert (seal.x, seal.y, seal.width, seal.height) == (140, 220, 42, 42)
    assert seal.data == seal_picture(world().seal()).data


def test_swapped_seal_file_does_not_change_the_picture() -> None:
    files = unpack(seal_ofd(plain_ofd()))
    (path,) = [name for name in files if name.endswith("Seal.esl")]
    honest = read_ofd(pack(files)).pages[0].items[-1]
    files[path] = b"\x30\x00"
    assert read_ofd(pack(files)).pages[0].items[-1] == honest


@pytest.mark.parametrize("data", [b"", b"\x30\x80", b"\x30\x03\x30\x01\x02", b"\x30\x84\xff", b"x"])
def test_malformed_seal_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument) as caught:
        seal_picture(data)
    assert caught.value.reason == "OFD_UNREADABLE"


PAGE = "Doc_0/Pages/Page_0/Content.xml"


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        (PAGE, "<ofd:Page ", '<!DOCTYPE x [<!ENTITY a "b">]><ofd:Page ', "OFD_UNREADABLE"),
        (PAGE, "<ofd:Layer", "<ofd:Layer><", "OFD_UNREADABLE"),
        (PAGE, 'Boundary="20 20', 'Boundary="nan 20', "OFD_UNREADABLE"),
        (PAGE, 'Font="3"', 'Font="4"', "OFD_UNREADABLE"),
        (PAGE, "ofd:TextObject", "ofd:CompositeObject", "OFD_FEATURE_UNSUPPORTED"),
        (PAGE, 'Size="5"', 'Size="5" ReadDirection="90"', "OFD_FEATURE_UNSUPPORTED"),
        ("OFD.xml", "Doc_0/Document.xml", "../../etc/passwd", "OFD_UNREADABLE"),
        ("OFD.xml", "<ofd:DocBody>", "<ofd:DocBody/><ofd:DocBody>", "OFD_FEATURE_UNSUPPORTED"),
        ("Doc_0/Document.xml", "Pages/Page_0", "Pages/Page_9", "OFD_UNREADABLE"),
    ],
)
def test_reader_refuses(path: str, old: str, new: str, reason: str) -> None:
    assert refused(changed(plain_ofd(), path, old, new)) == reason


def test_reader_refuses_what_is_no_package() -> None:
    assert refused(b"%PDF-1.7") == "OFD_UNREADABLE"
    assert refused(b"") == "OFD_UNREADABLE"


def test_reader_refuses_two_entries_of_one_name() -> None:
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as package:
        for name, data in unpack(plain_ofd()).items():
            package.writestr(name, data)
        package.writestr("/OFD.xml", b"<a/>")
    assert refused(target.getvalue()) == "OFD_UNREADABLE"


def test_reader_refuses_a_bomb() -> None:
    files = unpack(plain_ofd())
    files[PAGE] = files[PAGE] + b" " * (17 << 20)
    assert refused(pack(files)) == "OFD_UNREADABLE"


def with_glyphs(numbers: str) -> bytes:
    """Our OFD with the glyph numbers of its first line said outright."""
    page = Page(width=50, height=20, items=(Text(x=5, y=10, text="甲乙", size=3),))
    data = write_ofd(Document(pages=(page,), title="", author="", created=CREATED))
    said = (
        '<ofd:CGTransform CodePosition="0" CodeCount="2" GlyphCount="2">'
        f"<ofd:Glyphs>{numbers}</ofd:Glyphs></ofd:CGTransform><ofd:TextCode"
    )
    return changed(data, PAGE, "<ofd:TextCode", said)


def test_glyph_numbers_are_read_drawn_and_written() -> None:
    document = read_ofd(with_glyphs("2 1"))
    assert texts(document)[0].glyphs == (2, 1)
    assert texts(read_ofd(write_ofd(document)))[0].glyphs == (2, 1)
    assert write_pdf(document).startswith(b"%PDF")


def test_glyph_numbers_beyond_the_font_are_refused() -> None:
    document = read_ofd(with_glyphs("2 9"))
    for write in (write_ofd, write_pdf):
        with pytest.raises(InvalidArgument) as caught:
            write(document)
        assert caught.value.reason == "GLYPH_MISSING"


def test_hostile_font_is_refused() -> None:
    files = unpack(write_ofd(registration()))
    files["Doc_0/Res/font_2.ttf"] = files["Doc_0/Res/font_2.ttf"][:400]
    with pytest.raises(InvalidArgument) as caught:
        write_pdf(read_ofd(pack(files)))
    assert caught.value.reason == "FONT_UNREADABLE"
