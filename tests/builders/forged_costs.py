"""Forged files that cost too much, or that XML readers read in two ways."""

from __future__ import annotations

from functools import partial

from tests.builders.forging import PAGE, Bench, forgery
from tests.builders.ofd import lying_size, pack


def _declared(bench: Bench, *, file: str) -> bytes:
    return bench.changed(file, b"?>\n", b"?>\n" + _DTD)


_DTD = b'<!DOCTYPE a [<!ENTITY b "c">]>'
for _key, _file, _en, _zh in (
    ("page", PAGE, "The page", "页面"),
    ("ofd_xml", "OFD.xml", "OFD.xml", "OFD.xml"),
    ("signature_list", "Doc_0/Signs/Signatures.xml", "The signature list", "签名列表"),
):
    forgery(
        "dtd",
        "xml_no_dtd",
        f"{_en} declares a document type with an entity.",
        f"{_zh}声明了含实体的文档类型。",
        name=f"dtd_in_{_key}",
    )(partial(_declared, file=_file))


@forgery(
    "dtd",
    "xml_no_dtd",
    "An entity fetches a file of this machine.",
    "实体引用本机文件。",
)
def dtd_external(bench: Bench) -> bytes:
    fetch = b'<!DOCTYPE a SYSTEM "file:///etc/hostname">'
    return bench.changed("OFD.xml", b"?>\n", b"?>\n" + fetch)


@forgery("dtd", "xml_well_formed", "The page is UTF-16.", "页面为 UTF-16 编码。")
def xml_utf16(bench: Bench) -> bytes:
    files = bench.files()
    files[PAGE] = files[PAGE].decode().encode("utf-16")
    return pack(files)


def _with(bench: Bench, name: str, data: bytes) -> bytes:
    return pack({**bench.files(), name: data})


@forgery(
    "zip_bomb",
    "package_limits",
    "A file of zeros inflates a thousandfold.",
    "全零文件解压后膨胀上千倍。",
    indication="INDETERMINATE",
    reason="TOO_LARGE_TO_JUDGE",
)
def bomb_by_ratio(bench: Bench) -> bytes:
    return _with(bench, "Doc_0/zeros.bin", bytes(17 << 20))


@forgery(
    "zip_bomb",
    "package_zip",
    "A file says it is larger than its packed bytes can be.",
    "文件声明的大小超出其压缩数据所能达到的大小。",
)
def bomb_by_size(bench: Bench) -> bytes:
    return lying_size(_with(bench, "Doc_0/large.bin", bytes(1000)), "Doc_0/large.bin", 65 << 20)


@forgery(
    "zip_bomb",
    "package_zip",
    "A file inflates to more than it says.",
    "文件解压后大于其声明的大小。",
)
def bomb_that_lies(bench: Bench) -> bytes:
    return lying_size(_with(bench, "Doc_0/zeros.bin", bytes(1 << 19)), "Doc_0/zeros.bin", 100)


@forgery(
    "zip_bomb",
    "package_zip",
    "Entries overlap, so that one packed file counts many times.",
    "条目相互重叠，使同一压缩数据被多次计算。",
)
def bomb_overlapping(bench: Bench) -> bytes:
    raw = bytearray(bench.sound)
    rows = [at for at in range(len(raw)) if raw[at : at + 4] == b"PK\x01\x02"]
    first, second = rows[:2]
    raw[second + 42 : second + 46] = raw[first + 42 : first + 46]
    return bytes(raw)
