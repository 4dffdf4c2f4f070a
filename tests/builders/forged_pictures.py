"""Forged pictures of seals: what the maker signs is not what every reader draws."""

from __future__ import annotations

import struct

from tests.builders.forging import Bench, forgery, replaced
from tests.builders.ofd import pack, png, unpack


@forgery(
    "seal_picture",
    "seal_picture",
    "The picture is said to be an OFD and is a PNG.",
    "印章图像声明为 OFD，实为 PNG。",
    reason="SEAL_PICTURE_DIFFERS",
)
def picture_of_another_kind(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(picture_type="OFD"))


@forgery(
    "seal_picture",
    "seal_picture",
    "The picture is said to be a PNG and is a whole document.",
    "印章图像声明为 PNG，实为一份完整的文件。",
    reason="SEAL_PICTURE_DIFFERS",
)
def picture_that_is_a_document(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(picture=bench.unsealed))


@forgery(
    "seal_picture",
    "seal_picture",
    "The picture is a web page.",
    "印章图像为网页。",
    indication="INDETERMINATE",
    reason="SEAL_PICTURE_UNKNOWN",
)
def picture_that_is_a_page(bench: Bench) -> bytes:
    page = b"<!doctype html><html><body>HELLO</body></html>"
    return bench.sealed(seal=bench.seal(picture_type="HTML", picture=page))


@forgery(
    "seal_picture",
    "seal_picture",
    "The picture is a drawing with a script.",
    "印章图像为带脚本的矢量图。",
    indication="INDETERMINATE",
    reason="SEAL_PICTURE_ACTIVE",
)
def picture_with_script(bench: Bench) -> bytes:
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    return bench.sealed(seal=bench.seal(picture_type="SVG", picture=drawing))


@forgery(
    "seal_picture",
    "seal_picture",
    "The picture says that it has 900 million pixels.",
    "印章图像声明有 9 亿像素。",
    indication="INDETERMINATE",
    reason="SEAL_PICTURE_TOO_LARGE",
)
def picture_too_large(bench: Bench) -> bytes:
    small = png((220, 0, 0, 255), 16)
    large = small[:16] + struct.pack(">LL", 30_000, 30_000) + small[24:]
    return bench.sealed(seal=bench.seal(picture=large))


@forgery(
    "seal_picture",
    "seal_picture",
    "The picture is said to be a JPEG and is a PNG: told, as every reader shows the same.",
    "印章图像声明为 JPEG，实为 PNG：提示，各软件显示一致。",
    indication="PASSED",
)
def picture_by_another_name(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(picture_type="JPG"))


def _drawn(bench: Bench, name: str, old: bytes, new: bytes) -> bytes:
    """Sealed with a picture that is an OFD, changed so."""
    files = unpack(bench.unsealed)
    files[name] = replaced(files[name], old, new)
    seal = bench.seal(picture_type="OFD", picture=pack(files))
    return bench.sealed(seal=seal)


@forgery(
    "seal_picture",
    "seal_picture",
    "The picture, an OFD, opens an address when it is opened.",
    "印章图像（OFD）打开时自动打开网址。",
    indication="INDETERMINATE",
    reason="SEAL_PICTURE_ACTIVE",
)
def picture_that_opens_an_address(bench: Bench) -> bytes:
    action = (
        b'<ofd:Actions><ofd:Action Event="DO"><ofd:URI URI="http://example.invalid/"/>'
        b"</ofd:Action></ofd:Actions></ofd:Document>"
    )
    return _drawn(bench, "Doc_0/Document.xml", b"</ofd:Document>", action)


@forgery(
    "seal_picture",
    "seal_picture",
    "The picture, an OFD, is two documents.",
    "印章图像（OFD）含有两个文档。",
    indication="INDETERMINATE",
    reason="SEAL_PICTURE_UNKNOWN",
)
def picture_of_two_documents(bench: Bench) -> bytes:
    more = b"<ofd:DocBody><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"
    return _drawn(bench, "OFD.xml", b"</ofd:OFD>", more)


@forgery(
    "seal_picture",
    "seal_picture",
    "The picture, an OFD, unpacks to far more than a picture takes.",
    "印章图像（OFD）解压后远超图像所需的大小。",
    indication="INDETERMINATE",
    reason="SEAL_PICTURE_TOO_LARGE",
)
def picture_that_is_a_bomb(bench: Bench) -> bytes:
    files = {**unpack(bench.unsealed), "Doc_0/Res/b.bin": bytes(2 * 1024 * 1024)}
    return bench.sealed(seal=bench.seal(picture_type="OFD", picture=pack(files)))
