"""Forged containers: zips and names that two readers read in two ways, or that cost too much."""

from __future__ import annotations

import struct
import unicodedata
from functools import partial

from seal.ofd.package import CENTRAL, END, LOCAL, UTF8_FLAG
from tests.builders.forging import ATTACHMENT, PAGE, Bench, forgery
from tests.builders.ofd import pack, plain_ofd, renamed
from tests.builders.pdf import plain_pdf

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


# --- names -------------------------------------------------------------------------------------


def _added(bench: Bench, *names: str) -> bytes:
    """The sound document and one more file of each of these names."""
    return pack({**bench.files(), **dict.fromkeys(names, b"smuggled")})


def _name(item: str, check: str, name: str, en: str, zh: str, *names: str) -> None:
    def make(bench: Bench) -> bytes:
        return _added(bench, *names)

    forgery(item, check, en, zh, name=name)(make)


_ESCAPES = {
    "escape_dots": ("../evil.xml", "a file named ../evil.xml", "名为 ../evil.xml 的文件"),
    "escape_absolute": ("/etc/evil.xml", "a file with an absolute path", "绝对路径的文件"),
    "escape_inside": ("Doc_0/../../evil.xml", "a path that climbs out", "路径中途越出文件包"),
    "escape_drive": ("C:/evil.xml", "a file on a drive", "带盘符的文件"),
    "escape_percent": ("%2e%2e/evil.xml", "dots that are percent-encoded", "百分号编码的上级路径"),
    "escape_percent_twice": (
        "%252e%252e/evil.xml",
        "dots that are percent-encoded twice",
        "两次百分号编码的上级路径",
    ),
    "escape_full_width": ("．．／evil.xml", "dots and slash in full width", "全角字符的上级路径"),
    "escape_backslash": ("..\\evil.xml", "a path with a backslash", "使用反斜杠的路径"),
    "escape_nul": ("Doc_0/a.xml\x1f.exe", "a control character in a name", "名称中含控制字符"),
    "escape_direction": (
        "Doc_0/\u202etxt.exe",
        "a name that shows in another direction",
        "含有反向显示字符的名称",
    ),
}
for _key, (_path, _en, _zh) in _ESCAPES.items():
    _name("escaping_path", "package_paths", _key, f"Adds {_en}.", f"加入{_zh}。", _path)


@forgery(
    "escaping_path",
    "package_paths",
    "OFD.xml names a document outside the package.",
    "OFD.xml 指向文件包之外的文档。",
)
def escape_in_ofd_xml(bench: Bench) -> bytes:
    return bench.changed("OFD.xml", b"Doc_0/Document.xml</", b"../../Document.xml</")


_name(
    "case_collision",
    "package_duplicate_names",
    "case_collision",
    "Adds a page whose path differs from the signed one in case only.",
    "加入与所签页面仅大小写不同的路径。",
    PAGE.replace("Content", "content"),
)
_name(
    "case_collision",
    "package_duplicate_names",
    "case_collision_of_ofd_xml",
    "Adds a second root, ofd.XML.",
    "加入第二个根文件 ofd.XML。",
    "ofd.XML",
)
_SAME = {
    "percent": (PAGE.replace("Content.xml", "Content%2Exml"), "percent-encoded", "经百分号编码"),
    "composition": (
        ATTACHMENT.replace("行", "\ufa08"),
        "in another Unicode composition",
        "采用另一种 Unicode 组合形式",
    ),
    "full_width": (
        PAGE.replace("Content", "Ｃｏｎｔｅｎｔ"),
        "in full-width letters",
        "采用全角字母",
    ),
    "half_width_brackets": (
        ATTACHMENT.replace("（", "(").replace("）", ")"),
        "with ASCII brackets",
        "采用半角括号",
    ),
}
for _key, (_path, _en, _zh) in _SAME.items():
    _name(
        "encoding_collision",
        "package_duplicate_names",
        f"encoding_collision_{_key}",
        f"Adds a file under the name of a signed one, {_en}.",
        f"加入与所签文件同名、但{_zh}的文件。",
        _path,
    )


@forgery(
    "encoding_collision",
    "package_duplicate_names",
    "Adds a file in two Unicode spellings, composed and decomposed.",
    "加入同名的两个文件，一个为组合形式，一个为分解形式。",
)
def encoding_collision_nfc_nfd(bench: Bench) -> bytes:
    names = [unicodedata.normalize(form, "Doc_0/Attachs/ガイド.txt") for form in ("NFC", "NFD")]
    return _added(bench, *names)


@forgery(
    "encoding_collision",
    "package_paths",
    "Adds the attachment's name once more, in GBK.",
    "以 GBK 编码再加入一个同名附件。",
)
def encoding_collision_gbk(bench: Bench) -> bytes:
    name = ATTACHMENT.encode("gbk")
    stand_in = "x" * len(name)
    return _without_utf8(_added(bench, stand_in), stand_in.encode(), name)


@forgery(
    "encoding_collision",
    "package_duplicate_names",
    "Two names: one not marked as UTF-8, which readers of GBK take for the other.",
    "两个名称：其一未标明 UTF-8，按 GBK 读取时与另一个同名。",
)
def encoding_collision_flag(bench: Bench) -> bytes:
    plain = "Doc_0/Attachs/说明.txt"
    as_gbk = plain.encode().decode("gbk")
    return _without_utf8(_added(bench, plain, as_gbk), plain.encode(), plain.encode())


def _without_utf8(package: bytes, old: bytes, new: bytes) -> bytes:
    """The entry under another name, not marked as UTF-8; the directory as well."""
    raw = bytearray(package)
    for at in (raw.find(old) - LOCAL.size + 6, raw.rfind(old) - CENTRAL.size + 8):
        flags = int.from_bytes(raw[at : at + 2], "little") & ~UTF8_FLAG
        raw[at : at + 2] = flags.to_bytes(2, "little")
    return bytes(raw).replace(old, new)


@forgery(
    "escaping_path",
    "package_paths",
    "A name ends in a dot, which some systems drop.",
    "名称以句点结尾，部分系统会将其去掉。",
)
def trailing_dot(bench: Bench) -> bytes:
    return _added(bench, PAGE + ".")


@forgery(
    "case_collision",
    "package_duplicate_names",
    "A name is both a file and a folder.",
    "同一名称既是文件又是文件夹。",
)
def file_as_folder(bench: Bench) -> bytes:
    return _added(bench, "OFD.xml/evil.xml")


# --- the zip -----------------------------------------------------------------------------------


@forgery(
    "two_entries_one_name",
    "package_duplicate_names",
    "A second entry has the page's name and other content.",
    "第二个条目与页面同名而内容不同。",
)
def two_entries_one_name(bench: Bench) -> bytes:
    stand_in = PAGE.replace("Content", "Contenu")
    return renamed(_added(bench, stand_in), stand_in, PAGE)


def _at_first(package: bytes, magic: bytes, name: str, offset: int, value: bytes) -> bytes:
    """A header of an entry with some of its octets changed."""
    raw = bytearray(package)
    head = LOCAL.size if magic == _LOCAL else CENTRAL.size
    found = raw.find(name.encode()) if magic == _LOCAL else raw.rfind(name.encode())
    at = found - head
    assert raw[at : at + 4] == magic
    raw[at + offset : at + offset + len(value)] = value
    return bytes(raw)


def _disagreeing(bench: Bench, *, offset: int, value: bytes) -> bytes:
    return _at_first(bench.sound, _LOCAL, PAGE, offset, value)


_HEADERS = {
    "name": ("another name", "名称", LOCAL.size, b"Doc_9"),
    "method": ("another compression", "压缩方法", 8, b"\0\0"),
    "checksum": ("another checksum", "校验和", 14, b"\1\2\3\4"),
    "size": ("another size", "大小", 22, b"\1\0\0\0"),
}
for _key, (_en, _zh, _offset, _value) in _HEADERS.items():
    forgery(
        "directory_disagrees",
        "package_zip",
        f"The page's local header says {_en} than the directory.",
        f"页面的本地头与目录的{_zh}不一致。",
        name=f"directory_disagrees_{_key}",
    )(partial(_disagreeing, offset=_offset, value=_value))


@forgery(
    "trailing_data", "package_zip", "Bytes follow the end of the zip.", "压缩包末尾之后附有数据。"
)
def trailing_data(bench: Bench) -> bytes:
    return bench.sound + b"\n<html>another document</html>"


@forgery(
    "trailing_data",
    "package_zip",
    "A second zip follows the first: readers start at either end.",
    "其后附有第二个压缩包：有的软件从头读，有的从尾读。",
)
def trailing_zip(bench: Bench) -> bytes:
    return bench.sound + plain_ofd()


@forgery(
    "prepended_data",
    "document_format",
    "A web page stands before the zip.",
    "压缩包之前有网页内容。",
)
def prepended_html(bench: Bench) -> bytes:
    return b"<html>another document</html>\n" + bench.sound


@forgery(
    "prepended_data",
    "pdf_format",
    "A PDF stands before the zip.",
    "压缩包之前有一份 PDF。",
    reason="PDF_DAMAGED",
)
def prepended_pdf(bench: Bench) -> bytes:
    return plain_pdf() + bench.sound


@forgery(
    "prepended_data",
    "package_zip",
    "An entry that the directory does not know stands before the others.",
    "在其他条目之前有目录中没有的条目。",
)
def prepended_entry(bench: Bench) -> bytes:
    hidden = plain_ofd()
    first = hidden[: hidden.index(_LOCAL, 4)]
    at = bench.sound.rindex(_END)
    end = bytearray(bench.sound[at:])
    start = int.from_bytes(end[16:20], "little") + len(first)
    end[16:20] = start.to_bytes(4, "little")
    return first + _moved(bench.sound[:at], len(first)) + bytes(end)


def _moved(package: bytes, by: int) -> bytes:
    """The directory's offsets moved."""
    raw = bytearray(package)
    at = raw.find(_CENTRAL)
    while at >= 0:
        offset = int.from_bytes(raw[at + 42 : at + 46], "little") + by
        raw[at + 42 : at + 46] = offset.to_bytes(4, "little")
        at = raw.find(_CENTRAL, at + 4)
    return bytes(raw)


@forgery(
    "comment", "package_zip", "The zip has a comment with a page in it.", "压缩包注释中藏有页面。"
)
def comment(bench: Bench) -> bytes:
    text = b"<page>a page that no signature covers</page>"
    return bench.sound[:-2] + len(text).to_bytes(2, "little") + text


@forgery(
    "comment",
    "package_zip",
    "An entry has a comment in the directory.",
    "目录中的条目带有注释。",
)
def comment_of_an_entry(bench: Bench) -> bytes:
    text = b"hidden"
    raw = _at_first(bench.sound, _CENTRAL, PAGE, 32, len(text).to_bytes(2, "little"))
    at = raw.rindex(PAGE.encode()) + len(PAGE)
    raw = raw[:at] + text + raw[at:]
    end = bytearray(raw[-END.size :])
    size = int.from_bytes(end[12:16], "little") + len(text)
    end[12:16] = size.to_bytes(4, "little")
    return raw[: -END.size] + bytes(end)


@forgery(
    "zip64",
    "package_zip",
    "A zip64 field gives an entry another size than its header.",
    "zip64 字段给出与条目头不同的大小。",
)
def zip64_field(bench: Bench) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, 7, 7)
    raw = _at_first(bench.sound, _CENTRAL, PAGE, 30, len(extra).to_bytes(2, "little"))
    at = raw.rindex(PAGE.encode()) + len(PAGE)
    raw = raw[:at] + extra + raw[at:]
    end = bytearray(raw[-END.size :])
    size = int.from_bytes(end[12:16], "little") + len(extra)
    end[12:16] = size.to_bytes(4, "little")
    return raw[: -END.size] + bytes(end)


@forgery(
    "zip64",
    "package_zip",
    "A zip64 end record points to another directory than the end record.",
    "zip64 结束记录与结束记录指向不同的目录。",
)
def zip64_end(bench: Bench) -> bytes:
    end = bench.sound[-END.size :]
    start = int.from_bytes(end[16:20], "little")
    size = int.from_bytes(end[12:16], "little")
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size - 1, start + 1)
    where = len(bench.sound) - END.size
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, where, 1)
    return bench.sound[:where] + wide + locator + end


@forgery(
    "zip64",
    "package_zip",
    "The zip says it is the second disk of two.",
    "压缩包声称是两个分卷中的第二个。",
)
def split_zip(bench: Bench) -> bytes:
    return bench.sound[: -END.size + 4] + b"\1\0" + bench.sound[-END.size + 6 :]
