"""The form of a page: what its bytes show is what a scan of it says, and clips are no sizes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from seal.ofd.markup import scan_xml
from seal.ofd.package import read_package
from seal.ofd.page_form import PageLook, PageScan, is_plain
from tests.builders.ofd import pack

NS = b"http://www.ofdspec.org/2016"
CLIP = b"<ofd:Clips><ofd:Clip><ofd:Area><ofd:Path/></ofd:Area></ofd:Clip></ofd:Clips>"
REGION = b"<ofd:Region><ofd:Area Start='0 0'/></ofd:Region>"
SIZE = b"<ofd:Area><ofd:PhysicalBox>0 0 9 9</ofd:PhysicalBox></ofd:Area>"
PIECES = (
    b"<ofd:Content>", b"</ofd:Content>", b"<ofd:Content/>", b"<Content>", b"</Content>",
    b"<Content/>", b"<ofd:Area>", b"</ofd:Area>", b"<ofd:Area/>", b"<Area>", b"</Area>", b"<Area/>",
    b"<x:Area/>", b"<x:Content/>", b"<ofd:Clip>", b"</ofd:Clip>", b"<ofd:Clip/>", b"<Clip>",
    b"</Clip>", b"<ofd:Layer>", b"</ofd:Layer>", b"<ofd:Page>", b"</ofd:Page>",
    b"<ofd:PageRes>r</ofd:PageRes>", b'<ofd:Template TemplateID="7"/>', CLIP, SIZE, REGION,
    b"<!-- <ofd:Clip><ofd:Area> -->", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x <ofd:Area?>",
    b" ", b"Area", b"Content", b'<ofd:a xmlns:ofd="urn:x"/>', b"<ofd:CellContent/>",
    b'<d:Layer xmlns:d="http://www.ofdspec.org"/>',
)  # fmt: skip
ROOTS = (
    b'<ofd:Page xmlns:ofd="%b">' % NS,
    b'<ofd:Page xmlns:ofd="%b" xmlns:x="urn:x">' % NS,
    b'<ofd:Page xmlns:ofd="%b" xmlns="urn:x">' % NS,
    b'<ofd:Page xmlns:ofd="%b" xmlns="%b">' % (NS, NS),
    b'<ofd:Page xmlns:ofd="%b" xmlns:x="http://www.ofd&#115;pec.org">' % NS,
    b'<?xml version="1.0"?><!-- a --><ofd:Page xmlns:ofd="%b">' % NS,
)


def _scan(data: bytes) -> PageScan:
    scan = PageScan()
    scan_xml(read_package(pack({"a.xml": data})), "a.xml", scan)
    return scan


def _is_xml(data: bytes) -> bool:
    try:
        etree.fromstring(data)
    except etree.XMLSyntaxError:
        return False
    return True


def _looked(data: bytes, size: int) -> bool:
    look = PageLook()
    for begin in range(0, len(data), size):
        look.take(data[begin : begin + size])
    return look.is_plain


def _agrees(data: bytes, *, is_found: bool) -> None:
    if is_found and _is_xml(data):
        scan = _scan(data)
        assert (scan.is_alike, scan.is_mixed, scan.resources) == (True, False, [])


@st.composite
def _pages(draw: st.DrawFn) -> bytes:
    """Pages of which many are XML: what is put into them, and where, is anybody's guess."""
    words = st.sampled_from(PIECES)
    held = b"".join(draw(st.lists(words, max_size=6)))
    before, after, inside = (b"".join(draw(st.lists(words, max_size=3))) for _ in range(3))
    form = draw(st.sampled_from([b"%b<ofd:Content>%b</ofd:Content>%b", b"%b%b%b"]))
    root = draw(st.sampled_from(ROOTS))
    return root + form % (before, inside, after) + held + b"</ofd:Page>"


@settings(max_examples=600, deadline=None)
@given(data=_pages(), size=st.integers(1, 400))
def test_what_the_bytes_show_is_what_a_scan_says(data: bytes, size: int) -> None:
    is_found = is_plain(data)
    _agrees(data, is_found=is_found)
    is_looked = _looked(data, size)
    _agrees(data, is_found=is_looked)
    assert is_found or not is_looked
    assert _looked(data, len(data)) == is_found


ALIKE = {
    "one clip": CLIP,
    "two clips": CLIP + CLIP,
    "clips apart": CLIP.replace(b"><", b">\n  <") * 3,
    "a clip of two areas": CLIP.replace(b"<ofd:Area>", b"<ofd:Area/><ofd:Area>"),
    "a region": REGION,
}


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize("head", [b"", SIZE, b'<ofd:Template TemplateID="7"/>' + SIZE])
def test_clips_and_regions_are_no_sizes(kind: str, head: bytes) -> None:
    data = ROOTS[0] + head + b"<ofd:Content>" + ALIKE[kind] + b"</ofd:Content></ofd:Page>"
    assert _scan(data).is_alike
    if kind in ("one clip", "two clips", "clips apart"):  # nearly all: no scan is needed
        assert is_plain(data)


DIFFERENT = {
    "area of nobody's": b"<Area/><ofd:Content/>",
    "two areas": SIZE + b"<ofd:Area/><ofd:Content/>",
    "clip that is none": b"<ofd:Clip/><ofd:Area/><ofd:Area/><ofd:Content/>",
    "content further down": b"<ofd:Layer><ofd:Content/></ofd:Layer>",
    "content twice": b"<ofd:Content/><Content/>",
    "content of nobody's": b"<Content/>",
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_what_readers_differ_on_is_not_plain(kind: str) -> None:
    data = ROOTS[0] + DIFFERENT[kind] + b"</ofd:Page>"
    assert not is_plain(data)
    assert not _looked(data, len(data))
    assert not _scan(data).is_alike
