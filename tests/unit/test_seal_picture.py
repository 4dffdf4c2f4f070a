"""The pictures of seals: what they say they are, what they are, and how large."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from PIL import Image

from seal.judging.seal_picture import Nested, check_picture, kind_of, size_of
from seal.model import Indication
from seal.verify import assess
from tests.builders.ofd import NOW, pack, plain_ofd, png, seal_ofd, unpack, world

_NESTED = plain_ofd()
_DRAWING = b'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'


def _encoded(kind: str) -> bytes:
    out = BytesIO()
    Image.new("RGB", (37, 21), "red").save(out, format=kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_reads_the_size_of_every_kind_of_pixels(kind: str) -> None:
    data = _encoded(kind)
    assert kind_of(data) == kind
    assert size_of(kind, data) == (37, 21)
    check = check_picture(kind, data)
    assert (check.indication, check.notice) == (Indication.PASSED, False)


@pytest.mark.parametrize(
    ("written", "data"),
    [
        *[(word, _encoded("JPEG")) for word in ("JPG", "jpg", ".jpeg", " JPEG ", "image/jpeg")],
        ("bmp", _encoded("BMP")),
        ("ofd", _NESTED),
        ("OFD", _NESTED),
        ("SVG", _DRAWING),
        ("svg", _DRAWING.replace(b"/>", b'><use href="#a"/></svg>')),
        ("png", png((220, 0, 0, 255), 16)),
    ],
)
def test_takes_the_words_that_makers_write(written: str, data: bytes) -> None:
    check = check_picture(written, data)
    assert (check.indication, check.notice) == (Indication.PASSED, False)


@pytest.mark.parametrize(
    ("written", "data"),
    [
        ("JPG", _encoded("PNG")),
        ("", _encoded("PNG")),
        ("1", _encoded("GIF")),
        ("es", _NESTED),
    ],
)
def test_tells_what_every_reader_shows_alike(written: str, data: bytes) -> None:
    check = check_picture(written, data)
    assert (check.indication, check.notice) == (Indication.PASSED, True)


@pytest.mark.parametrize(
    ("written", "data", "reason"),
    [
        ("OFD", _encoded("PNG"), "SEAL_PICTURE_DIFFERS"),
        ("PNG", _NESTED, "SEAL_PICTURE_DIFFERS"),
        ("PNG", _DRAWING, "SEAL_PICTURE_DIFFERS"),
        ("SVG", _encoded("PNG"), "SEAL_PICTURE_DIFFERS"),
        ("PNG", b"", "SEAL_PICTURE_DIFFERS"),
        ("OFD", pack({"a.txt": b"a"}), "SEAL_PICTURE_DIFFERS"),
        ("", b"", "SEAL_PICTURE_UNKNOWN"),
        ("HTML", b"<html><svg/></html>", "SEAL_PICTURE_UNKNOWN"),
        ("PNG", _encoded("PNG")[:20], "SEAL_PICTURE_UNKNOWN"),
        ("PNG", b"\x89PNG\r\n\x1a\n" + bytes(40), "SEAL_PICTURE_UNKNOWN"),
        ("JPG", _encoded("JPEG")[:40], "SEAL_PICTURE_UNKNOWN"),
        ("JPG", b"\xff\xd8\xff" + b"\xff" * 2000, "SEAL_PICTURE_UNKNOWN"),
        ("GIF", b"GIF89a", "SEAL_PICTURE_UNKNOWN"),
        ("BMP", b"BM" + bytes(4), "SEAL_PICTURE_UNKNOWN"),
        ("GIF", b"GIF89a" + struct.pack("<HH", 65_000, 65_000), "SEAL_PICTURE_TOO_LARGE"),
        ("SVG", _DRAWING.replace(b"/>", b' onload="x()"/>'), "SEAL_PICTURE_ACTIVE"),
        ("SVG", _DRAWING.replace(b"UTF-8", b"UTF-7"), "SEAL_PICTURE_ACTIVE"),
        ("SVG", _DRAWING.replace(b"/>", b'><use href="a.svg#b"/></svg>'), "SEAL_PICTURE_ACTIVE"),
        ("SVG", _DRAWING.replace(b"<svg", b"<!DOCTYPE s [<!ENTITY a 'b'>]><svg"),
         "SEAL_PICTURE_ACTIVE"),
    ],
)  # fmt: skip
def test_does_not_pass_what_readers_show_otherwise(written: str, data: bytes, reason: str) -> None:
    check = check_picture(written, data)
    assert (check.indication is Indication.PASSED, check.reason) == (False, reason)
    assert check.detail.isascii()
    assert not check.detail_zh.isascii()


# --- pictures that are documents themselves -------------------------------------------------------


def _nested(**changed: tuple[str, str, str]) -> bytes:
    files = unpack(plain_ofd())
    for name, old, new in changed.values():
        assert old.encode() in files[name]
        files[name] = files[name].replace(old.encode(), new.encode(), 1)
    return pack(files)


def _with(more: dict[str, bytes]) -> bytes:
    return pack({**unpack(plain_ofd()), **more})


_ROOT, _DOC = "OFD.xml", "Doc_0/Document.xml"
_ACTION = (
    '<ofd:Actions><ofd:Action Event="DO"><ofd:URI URI="http://example.invalid/"/></ofd:Action>'
    "</ofd:Actions></ofd:Document>"
)
_RES = (
    b'<ofd:Res xmlns:ofd="http://www.ofdspec.org/2016"><ofd:MultiMedias><ofd:MultiMedia ID="4" '
    b'Type="Image"><ofd:MediaFile>http://example.invalid/a.png</ofd:MediaFile></ofd:MultiMedia>'
    b"</ofd:MultiMedias></ofd:Res>"
)
_NAMES_RES = (_DOC, "</ofd:CommonData>", "<ofd:PublicRes>R.xml</ofd:PublicRes></ofd:CommonData>")
_WIDE = png((220, 0, 0, 255), 16)[:16] + struct.pack(">LL", 30_000, 30_000)
_BODY = "<ofd:DocBody><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"
DOCUMENTS = {
    "cut short": (plain_ofd()[:-40], "UNKNOWN"),
    "two names": (plain_ofd() + plain_ofd(), "UNKNOWN"),
    "no document": (pack({"OFD.xml": b"<ofd/>"}), "UNKNOWN"),
    "nowhere": (_nested(a=(_ROOT, "Doc_0/Doc", "Doc_9/Doc")), "UNKNOWN"),
    "two documents": (_nested(a=(_ROOT, "</ofd:OFD>", _BODY)), "UNKNOWN"),
    "document type": (
        _nested(a=(_DOC, "<ofd:Document", '<!DOCTYPE a SYSTEM "file:///a"><ofd:Document')),
        "UNKNOWN",
    ),
    "two contents": (
        _nested(a=("Doc_0/Pages/Page_0/Content.xml", "</ofd:Page>", "<ofd:Content/></ofd:Page>")),
        "UNKNOWN",
    ),
    "action": (_nested(a=(_DOC, "</ofd:Document>", _ACTION)), "ACTIVE"),
    "from elsewhere": (
        pack({**unpack(_nested(a=_NAMES_RES)), "Doc_0/R.xml": _RES}),
        "ACTIVE",
    ),
    "based elsewhere": (
        pack({
            **unpack(_nested(a=_NAMES_RES)),
            "Doc_0/R.xml": _RES.replace(b"http://example.invalid/", b"").replace(
                b"<ofd:Res ", b'<ofd:Res BaseLoc="http://example.invalid/" '
            ),
        }),
        "ACTIVE",
    ),
    "bomb": (_with({"Doc_0/a": bytes(20_000_000)}), "TOO_LARGE"),
    "ratio": (_with({"Doc_0/a": bytes(2_000_000)}), "TOO_LARGE"),
    "pixels": (_with({"Doc_0/a.png": _WIDE}), "TOO_LARGE"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_looks_into_a_picture_that_is_a_document(kind: str) -> None:
    data, reason = DOCUMENTS[kind]
    for written in ("ofd", ""):
        check = check_picture(written, data)
        assert (check.indication, check.reason) == (
            Indication.INDETERMINATE,
            f"SEAL_PICTURE_{reason}",
        )
        assert not check.detail_zh.isascii()


def test_a_document_that_only_draws_passes() -> None:
    drawn = _with({"Doc_0/a.png": png((220, 0, 0, 255), 16)})
    check = check_picture("ofd", drawn)
    assert (check.indication, check.notice) == (Indication.PASSED, False)


def test_pictures_of_one_document_are_looked_into_once_and_bounded_together() -> None:
    first, *others = [_with({"Doc_0/a": bytes([number]) * 200_000}) for number in range(4)]
    nested = Nested(450_000)
    told = [check_picture("ofd", one, nested) for one in (first, first, first, *others, first)]
    large = (Indication.INDETERMINATE, "SEAL_PICTURE_TOO_LARGE")
    passes = (Indication.PASSED, "")
    assert [(one.indication, one.reason) for one in told] == [*[passes] * 4, large, large, passes]
    assert "together" in told[-2].detail


def test_a_document_bounds_the_pictures_of_all_its_seals(monkeypatch: pytest.MonkeyPatch) -> None:
    here, document = world(), plain_ofd()
    for number in range(3):
        drawn = _with({"Doc_0/a": bytes([number]) * 200_000})
        document = seal_ofd(document, seal=here.seal(picture_type="ofd", picture=drawn))
    assert assess(document, store=here.store(), now=NOW).indication is Indication.PASSED
    monkeypatch.setattr("seal.judging.seal_picture.Nested.__init__.__defaults__", (450_000,))
    verdict = assess(document, store=here.store(), now=NOW)
    assert (verdict.indication, verdict.reason) == (
        Indication.INDETERMINATE,
        "SEAL_PICTURE_TOO_LARGE",
    )
