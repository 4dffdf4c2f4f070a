"""What finds no room continues on a sheet, or is refused by its key; pictures are bounded."""

from __future__ import annotations

import re
import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image as Pillow

from licenses.metadata import paper_mark
from licenses.pages.filling import fill
from licenses.pages.layout import Style, fit
from licenses.pages.model import Document, Image, Line, Rect, Text
from licenses.pages.ofd import write_ofd
from licenses.pages.ofd_reader import read_ofd
from licenses.pages.pictures import FIELD_BYTES
from licenses.pages.samples import sample_values
from licenses.pages.sheets import Value
from licenses.pages.template import lay_out, load, parse, shipped_text
from licenses.texts import NAME_LIMIT
from licenses.types.model import FieldKind
from licenses.types.pages import shipped
from licenses.types.reading import parse as parse_type
from runtime.errors import InvalidArgument
from tests.builders.license_pages import TYPES
from tests.builders.pages import CREATED

SCOPE = "食用农产品初加工；农副产品销售；道路货物运输（不含危险货物）；"


def laid_out(name: str, /, **changes: Value) -> Document:
    template = load(name)
    return lay_out(template, {**sample_values(template), **changes}, created=CREATED)


def words(document: Document, page: int) -> str:
    return "".join(item.text for item in document.pages[page].items if isinstance(item, Text))


def test_a_long_text_is_shrunk_then_wrapped_then_continued() -> None:
    sizes = []
    for times in (2, 12, 60):
        document = laid_out("business-license", scope=SCOPE * times)
        text = "".join(words(document, page) for page in range(len(document.pages)))
        broken = len(document.pages) - 1  # where a sheet ends, a word may be parted
        assert times - broken <= text.count("；道路货物") <= times
        assert text.count("食用农产品") >= times - broken
        sizes.append(len(document.pages))
        if len(document.pages) > 1:
            assert "（接续页）" in words(document, 0)
            assert words(document, 0).count(SCOPE) > 10, "the first sheet holds what it can"
            assert "经营范围（接上页）" in words(document, 1)
            assert "营业执照（续页）" in words(document, 1)
            assert f"第 2 页 / 共 {len(document.pages)} 页" in words(document, 1)
            assert "（接续页）" in words(document, 1)
            assert "经营范围（接上页）" in words(document, 2)
            assert "（接续页）" not in words(document, 2)
    assert sizes == [1, 1, 3]


def test_a_page_of_continuation_is_the_same_in_an_ofd() -> None:
    document = laid_out("business-license", scope=SCOPE * 60)
    read = read_ofd(write_ofd(document))
    assert [words(read, page) for page in range(3)] == [words(document, page) for page in range(3)]


def test_a_table_beside_a_photo_goes_on_as_wide_as_the_sheet() -> None:
    rows = tuple(("经营性道路旅客运输驾驶员", *["2026年6月1日"] * 3) for _ in range(12))
    document = laid_out("road-transport-practitioner", categories=rows)
    more = load("road-transport-practitioner").continuation
    assert more is not None
    x, _, width, _ = more.area
    own, whole = (
        max(i.width for i in page.items if isinstance(i, Rect) and i.stroke and i.line_width > 0.3)
        for page in document.pages[:2]
    )
    assert (round(own, 6), round(whole, 6)) == (117.5, width)
    ends = [i.x2 for i in document.pages[1].items if isinstance(i, Line) and i.y1 == i.y2]
    assert max(ends) <= x + width + 1e-6


def test_twenty_holders_go_on_on_a_second_page_with_their_header() -> None:
    holders = tuple(
        (f"甲乙丙丁戊己庚辛壬癸{number:02}", "公民身份号码", "9" * 18) for number in range(20)
    )
    document = laid_out("real-estate-certificate", holders=holders)
    first, second = words(document, 0), words(document, 1)
    assert len(document.pages) == 2
    assert "（续见后页）" in first
    assert "权利人（续）" in second
    assert "姓名或名称" in second
    for name, _, _ in holders:
        assert (name in first) != (name in second)


def test_what_no_sheet_has_room_for_is_refused_by_its_key() -> None:
    cases: list[tuple[str, str, Value]] = [
        ("business-license", "credit_code", "公司" * 200),
        ("temporary-identity-card", "name", "公司" * 80),
        ("business-license", "scope", SCOPE * 1200),
        ("temporary-identity-card", "address", "示范路" * 200),
        ("driving-licence", "class_list", (("C1", "车" * 60, "2026年1月1日", "多"),)),
        ("construction-permit", "participants", (("单位", "甲" * 4000, "", ""),)),
    ]
    for name, key, value in cases:
        with pytest.raises(InvalidArgument) as caught:
            laid_out(name, **{key: value})
        assert caught.value.reason == "TEXT_TOO_LONG", (name, key)
        assert caught.value.metadata["field"] == key
        assert "公司公司" not in caught.value.message


def test_a_table_without_continuation_says_how_many_rows_it_has_room_for() -> None:
    text = shipped_text("road-transport-practitioner")
    start, end = text.index("[continuation]"), text.index("# What a preview shows")
    kept = text[:start] + text[end:]
    blocks = kept.split("\n\n")
    template = parse("\n\n".join(one for one in blocks if 'page = "continuation"' not in one))
    values = sample_values(template)
    rows = (("类别", "2026年1月1日", "2026年1月1日", "2032年1月1日"),) * 9
    with pytest.raises(InvalidArgument, match=r"categories .*room for 2 of 9 rows"):
        lay_out(template, {**values, "categories": rows}, created=CREATED)


@pytest.mark.parametrize("name", TYPES)
def test_long_names_stay_inside_their_places(name: str) -> None:
    template = load(name)
    keys = {slot.key for slot in template.slots} & {"name", "holder_name", "name_1", "owner"}
    document = laid_out(name, **dict.fromkeys(keys, "阿卜杜热合曼·阿卜杜外力·买买提明"))
    page = document.pages[0]
    for item in page.items:
        if isinstance(item, Text):
            assert 0 < item.x < page.width
            assert item.size > 1


def test_a_picture_is_fitted_and_cut_at_its_box() -> None:
    document = laid_out("driving-licence", photo=jpeg(600, 300))
    (image,) = [item for item in document.pages[0].items if isinstance(item, Image)]
    assert image.clip is not None
    x, _, width, height = image.clip
    assert abs(image.width / image.height - 2) < 1e-6
    assert image.height == pytest.approx(height)
    assert image.x < x
    assert image.x + image.width > x + width


def jpeg(width: int, height: int) -> bytes:
    target = BytesIO()
    Pillow.new("RGB", (width, height), (200, 210, 220)).save(target, "JPEG")
    return target.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bomb(3000, 3000), "IMAGE_TOO_LARGE"),
        (bomb(60_000, 60_000), "IMAGE_TOO_LARGE"),
        (jpeg(100, 100) + bytes(FIELD_BYTES), "IMAGE_TOO_LARGE"),
        (bomb(200, 200), "IMAGE_UNREADABLE"),
        (jpeg(400, 400)[:600], "IMAGE_UNREADABLE"),
        (b"GIF89a" + bytes(40), "IMAGE_UNKNOWN"),
    ],
    ids=["pixels", "bomb", "bytes", "short", "cut", "gif"],
)
def test_bad_pictures_are_refused_by_their_field(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        laid_out("driving-licence", photo=data)
    assert caught.value.reason == reason
    assert caught.value.metadata["field"] == "photo"


def test_a_value_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidArgument) as caught:
        laid_out("driving-licence", photo="portrait", name=(("甲",),), class_list="C1")
    assert {one.field: one.description for one in caught.value.violations} == {
        "photo": "this field must be a picture",
        "name": "this field must be a text",
        "class_list": "this field must be rows",
    }


def test_mark_and_code_have_their_places() -> None:
    template = load("business-license")
    values = sample_values(template)
    document = lay_out(template, values, created=CREATED, qr="示例", mark="依纸质证照电子化")
    assert "依纸质证照电子化" in words(document, 0)
    with pytest.raises(InvalidArgument) as caught:
        lay_out(template, values, created=CREATED, qr="长" * 3000)
    assert caught.value.reason == "QR_TOO_LONG"


def test_a_text_without_characters_of_its_own_uses_the_shared_file() -> None:
    shared = {"serif": frozenset("示范县")}
    style = Style(size=4, font="serif")
    assert [item.font for item in fit("示范", (0, 0, 50, 6), style, shared=shared)] == ["serif"]
    assert [item.font for item in fit("示意", (0, 0, 50, 6), style, shared=shared)] == ["serif+"]


def test_the_header_of_a_table_is_filled() -> None:
    document = laid_out("construction-permit")
    assert any(isinstance(item, Rect) and item.fill for item in document.pages[0].items)


NAME = "阿卜杜热合曼·"


@pytest.mark.parametrize("name", TYPES)
def test_no_value_that_a_shipped_type_takes_is_too_long_for_its_page(name: str) -> None:
    text, page = next(one for one in shipped() if parse_type(one[0]).id == name)
    kind, template = parse_type(text), parse(page)
    for slot, key in kind.slots.items():
        field = kind.field(key)
        if key.partition(".")[0] in ("CZZT", "ZZBFJG"):
            longest = NAME_LIMIT
        elif field is not None and field.kind is FieldKind.TEXT:
            longest = field.length
        else:
            continue
        value = (NAME * longest)[:longest]
        values = {**sample_values(template), slot: value}
        pages = fill(template, values)
        if len(pages) > len(template.sheets):
            continue
        shown = "".join(i.text for p in pages for i in p.items if isinstance(i, Text))
        assert value in shown, slot


@pytest.mark.parametrize("name", [one for one in TYPES if load(one).continuation])
def test_every_sheet_says_of_which_license_it_is(name: str) -> None:
    template = load(name)
    sample = sample_values(template)
    long = next(key for key in ("scope", "other", "record", "remarks", "address") if key in sample)
    values: dict[str, Value] = {**sample, long: SCOPE * 40}
    values |= {key: (NAME * 15)[:NAME_LIMIT] for key in ("name", "owner") if key in sample}
    document = lay_out(template, values, created=CREATED)
    assert len(document.pages) > len(template.sheets)
    for page in range(len(document.pages)):
        assert str(sample["license_identifier"]) in words(document, page), page


def test_a_refusal_says_how_much_there_is_room_for() -> None:
    with pytest.raises(InvalidArgument) as caught:
        laid_out("temporary-identity-card", name="公" * 200)
    found = re.search(r"room for (\d+) characters", caught.value.message)
    assert found
    assert laid_out("temporary-identity-card", name="公" * int(found[1]))
    with pytest.raises(InvalidArgument):
        laid_out("temporary-identity-card", name="公" * (int(found[1]) + 1))


def test_the_mark_of_a_paper_license_is_told_and_large_enough_to_read() -> None:
    metadata = {
        "KZ_SJLY": "历史数据电子化",
        "KZ_YZZBH": "示字第2020-18号",
        "KZ_YZZRQ": "2020-01-02",
    }
    mark = paper_mark(metadata)
    assert mark == "依纸质证照电子化　原证号：示字第2020-18号　原发证日期：2020年1月2日"
    assert paper_mark({}) == ""
    for name in TYPES:
        template = load(name)
        code = "1.2.156" if template.qr else None
        values = sample_values(template)
        document = lay_out(template, values, created=CREATED, qr=code, mark=mark)
        drawn = [i for i in document.pages[0].items if isinstance(i, Text) and i.text in mark]
        assert all(any(part in one.text for one in drawn) for part in mark.split("　")), name
        assert max(one.size for one in drawn) > 1.8
        lay_out(
            template, values, created=CREATED, mark=paper_mark({**metadata, "KZ_YZZBH": "9" * 60})
        )
