"""Bytes that no signature covers: in the signature list and between the lines of the zip."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from functools import partial

from tests.builders.forging import LIST, PAGE, Bench, Files, forgery
from tests.builders.ofd import pack, sized

_WORDS = b"smuggled " * 50
_END = b"</ofd:Signatures>"


# --- Signatures.xml ----------------------------------------------------------------------------

_IN_LIST = {
    "number": (b"</ofd:MaxSignId>", b"smuggled</ofd:MaxSignId>", "a word", "文字"),
    "number_element": (
        b"</ofd:MaxSignId>",
        b"<ofd:Signature ID='s9' BaseLoc='/x'/></ofd:MaxSignId>",
        "a signature inside the number",
        "嵌在编号中的签名",
    ),
    "number_twice": (_END, b"<ofd:MaxSignId>1</ofd:MaxSignId>" + _END, "two numbers", "两个编号"),
    "long_comment": (_END, b"<!-- " + _WORDS + b" -->" + _END, "a long comment", "过长的注释"),
    "comment_in_number": (
        b"</ofd:MaxSignId>",
        b"<!-- x --></ofd:MaxSignId>",
        "a comment inside the number",
        "编号中的注释",
    ),
    "id_of_words": (b'"s001"', '"s001 · 已核验"'.encode(), "words as an identifier", "文字标识"),
    "instruction": (_END, b"<?smuggled data?>" + _END, "an instruction", "处理指令"),
    "text": (_END, b"smuggled" + _END, "text between lines", "行间文字"),
    "spaces": (_END, b" \t" * 2000 + _END, "thousands of spaces", "大量空白字符"),
    "attribute": (b'Type="Seal"', b'Type="Seal" Note="x"', "another attribute", "其他属性"),
    "base": (b"<ofd:Signatures ", b'<ofd:Signatures xml:base="/x/" ', "an xml:base", "xml:base"),
    "namespace": (
        b"<ofd:Signatures ",
        b'<ofd:Signatures xmlns:x="urn:' + b"smuggled." * 50 + b'" ',
        "a namespace of many words",
        "冗长的命名空间",
    ),
}


_TOLD_IN_LIST = {
    "comment": (_END, b"<!-- smuggled -->" + _END, "a comment", "注释"),
    "comment_after": (_END, _END + b"<!-- smuggled -->", "a comment behind it", "末尾注释"),
    "own_namespace": (
        b"<ofd:Signatures ",
        b'<ofd:Signatures xmlns:VOID="urn:VOID/PAY-9000" ',
        "a namespace that nothing uses",
        "未使用的命名空间",
    ),
    "schema": (
        b"<ofd:Signatures ",
        b'<ofd:Signatures xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        b'xsi:schemaLocation="http://www.ofdspec.org/2016 ofd.xsd" ',
        "where its schema lies",
        "模式位置",
    ),
    "id_of_nobody": (b'"s001"', b'"VOID-PAY-9000-TO-MALLORY"', "an odd identifier", "异常标识"),
    "no_number": (b"s0001</ofd", b"</ofd", "no number in MaxSignId", "没有编号的 MaxSignId"),
    "later_number": (b"s0001</ofd", b"s0009</ofd", "a number beyond its lines", "过大的编号"),
}
"""What a maker may have written, too: told."""


def _in_list(bench: Bench, *, old: bytes, new: bytes) -> bytes:
    return bench.changed(LIST, old, new)


for _key, (_old, _new, _en, _zh) in _IN_LIST.items():
    forgery(
        "smuggled_list",
        "ofd_structure",
        f"The signature list, which nobody signs, holds {_en}.",
        f"无人签署的签名列表中含有{_zh}。",
        name=f"list_with_{_key}",
    )(partial(_in_list, old=_old, new=_new))

for _key, (_old, _new, _en, _zh) in _TOLD_IN_LIST.items():
    forgery(
        "smuggled_list",
        "unlisted_signature",
        f"The signature list, which nobody signs, holds {_en}: told.",
        f"无人签署的签名列表中含有{_zh}：提示。",
        name=f"list_with_{_key}",
        indication="PASSED",
    )(partial(_in_list, old=_old, new=_new))


@forgery(
    "hidden_signature",
    "unlisted_signature",
    "The last of two signatures is taken out with its line: MaxSignId tells.",
    "两个签章中的后一个连同列表中的行被移除：MaxSignId 有提示。",
    indication="PASSED",
)
def last_signature_taken_out(bench: Bench) -> bytes:
    files = bench.files(bench.twice)
    left = {name: data for name, data in files.items() if "/Sign_1/" not in name}
    left[LIST] = re.sub(rb'<ofd:Signature ID="s002"[^>]*/>', b"", files[LIST])
    return pack(left)


# --- the zip -----------------------------------------------------------------------------------


def _zipped(files: Files, name: str, info: zipfile.ZipInfo, data: bytes) -> bytes:
    """The package with one entry written as told."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in files.items():
            if each != name:
                archive.writestr(zipfile.ZipInfo(each), content)
        info.compress_type = zipfile.ZIP_STORED
        archive.writestr(info, data)
    return buffer.getvalue()


def _page(bench: Bench, *, extra: bytes = b"", attributes: int = 0) -> bytes:
    files, info = bench.files(), zipfile.ZipInfo(PAGE)
    info.extra, info.external_attr = extra, attributes
    return _zipped(files, PAGE, info, files[PAGE])


_EXTRAS = {
    "unknown": (struct.pack("<HH", 0xBEEF, len(_WORDS)) + _WORDS, "of nobody's", "未知的"),
    "long": (struct.pack("<HH", 0x5455, len(_WORDS)) + _WORDS, "of dates, much too long", "过长的"),
    "twice": (struct.pack("<HHB4s", 0x5455, 5, 1, b"word") * 2, "told twice", "重复的"),
}
for _key, (_extra, _en, _zh) in _EXTRAS.items():
    forgery(
        "smuggled_zip",
        "package_zip",
        f"The page's entry has an extra field {_en}.",
        f"页面条目带有{_zh}扩展字段。",
        name=f"extra_field_{_key}",
    )(partial(_page, extra=_extra))

_KINDS = {
    "folder": (0o040755 << 16, "a folder", "文件夹"),
    "device": (0o060644 << 16, "a device", "设备"),
    "folder_of_dos": (0x10, "a folder of DOS", "DOS 文件夹"),
}
for _key, (_attributes, _en, _zh) in _KINDS.items():
    forgery(
        "smuggled_zip",
        "package_zip",
        f"The page's entry says it is {_en}.",
        f"页面条目声称是{_zh}。",
        name=f"page_as_{_key}",
    )(partial(_page, attributes=_attributes))


@forgery(
    "smuggled_zip",
    "package_format",
    "Folders without a file carry a message in their names.",
    "没有文件的文件夹以名称携带信息。",
    indication="PASSED",
)
def empty_folders(bench: Bench) -> bytes:
    return pack({**bench.files(), "Doc_0/meet/at/noon/": b""})


def _deflated_anew(package: bytes, name: str, packed: bytes) -> bytes:
    """The entry with other packed bytes of the same content."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        info = archive.getinfo(name)
        old = package[info.header_offset :][30 + len(name.encode()) :][: info.compress_size]
    return sized(package.replace(old, packed, 1), name, len(packed) - len(old))


@forgery(
    "smuggled_zip",
    "package_zip",
    "The page's packed bytes have thousands of blocks without content.",
    "页面的压缩数据含有数千个空块。",
)
def empty_blocks(bench: Bench) -> bytes:
    page = bench.files()[PAGE]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(page) + packer.flush(zlib.Z_SYNC_FLUSH)
    last = packer.flush()
    return _deflated_anew(bench.sound, PAGE, packed + b"\0\0\0\xff\xff" * 2000 + last)


@forgery(
    "smuggled_zip",
    "package_zip",
    "A folder's entry has packed bytes that inflate to nothing.",
    "文件夹条目含有解压后为空的压缩数据。",
)
def folder_with_packed_bytes(bench: Bench) -> bytes:
    package = pack({**bench.files(), "Doc_0/": b""})
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        info = archive.getinfo("Doc_0/")
    begin = info.header_offset + 30 + len(info.filename) + 0
    end = begin + info.compress_size
    return sized(package[:begin] + _WORDS + package[end:], "Doc_0/", len(_WORDS) - (end - begin))
