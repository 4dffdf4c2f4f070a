"""Forged contents: what a signature covers, what it does not, and whose it is."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial

from seal.suites import SM2_SM3_OID, SM3_OID
from tests.builders.forging import (
    ATTACHMENT,
    LIST,
    PAGE,
    RESOURCE,
    SEALED,
    SIGN,
    XML,
    Bench,
    Files,
    forgery,
    reference,
    replaced,
)
from tests.builders.ofd import pack, png, unpack

# --- what was signed is changed ----------------------------------------------------------------


@forgery("changed_page", "references", "Changes the text of the page.", "修改页面文字。")
def changed_page(bench: Bench) -> bytes:
    return bench.changed(PAGE, b"HELLO", b"HALLO")


@forgery("changed_resource", "references", "Changes a picture of the page.", "替换页面中的图片。")
def changed_resource(bench: Bench) -> bytes:
    return pack({**bench.files(), RESOURCE: png((0, 220, 0, 255), 8)})


@forgery(
    "changed_resource",
    "references",
    "Lets the page's picture come from another file.",
    "使页面图片取自另一个文件。",
)
def changed_resource_list(bench: Bench) -> bytes:
    return bench.changed("Doc_0/PublicRes.xml", b"logo.png", b"../Signs/Sign_0/Seal.esl")


@forgery("changed_attachment", "references", "Changes the attachment.", "修改附件。")
def changed_attachment(bench: Bench) -> bytes:
    return pack({**bench.files(), ATTACHMENT: "许可范围：全部\n".encode()})


@forgery(
    "changed_metadata", "references", "Changes the title in OFD.xml.", "修改 OFD.xml 中的标题。"
)
def changed_title(bench: Bench) -> bytes:
    return bench.changed("OFD.xml", "<ofd:Title>示范".encode(), "<ofd:Title>示例".encode())


@forgery(
    "changed_metadata",
    "references",
    "Changes the licence's last day in CustomDatas.",
    "修改 CustomDatas 中的有效期截止日。",
)
def changed_custom_data(bench: Bench) -> bytes:
    return bench.changed("OFD.xml", b"2027-01-01", b"2037-01-01")


@forgery("changed_page", "references", "Takes a signed file away.", "删除一个受保护的文件。")
def removed_file(bench: Bench) -> bytes:
    files = bench.files()
    del files[RESOURCE]
    return pack(files)


@forgery(
    "changed_page",
    "references",
    "Shows the pages in another document's order.",
    "改变文档结构以显示其他页面。",
)
def changed_structure(bench: Bench) -> bytes:
    return bench.changed("Doc_0/Document.xml", b"Pages/Page_0/", b"Attachs/Page_0/")


@forgery("changed_stamp_position", "data_hash", "Moves the stamp.", "移动印章位置。")
def moved_stamp(bench: Bench) -> bytes:
    return bench.changed(XML, b'Boundary="140 220', b'Boundary="20 20')


@forgery(
    "changed_stamp_position",
    "data_hash",
    "Puts the stamp on another page.",
    "将印章移到其他页面。",
)
def moved_stamp_to_page(bench: Bench) -> bytes:
    return bench.changed(XML, b'PageRef="10"', b'PageRef="77"')


@forgery(
    "changed_stamp_position",
    "stamp_pages",
    "The signer puts the stamp on a page that does not exist.",
    "签章者将印章盖在不存在的页面上。",
)
def stamp_on_no_page(bench: Bench) -> bytes:
    files = bench.files()
    files[XML] = replaced(files[XML], b'PageRef="10"', b'PageRef="77"')
    return bench.signed(files)


# --- the list of what was signed ---------------------------------------------------------------

_LINE = re.compile(rb"<ofd:Reference [^>]*Page_0/Content.xml.*?</ofd:Reference>")


def _page_line(files: Files) -> bytes:
    return _LINE.findall(files[XML])[0]


@forgery(
    "dropped_reference",
    "data_hash",
    "Drops the page's reference, then changes the page.",
    "去掉页面的引用后修改页面。",
)
def dropped_reference(bench: Bench) -> bytes:
    files = bench.files()
    files[XML] = replaced(files[XML], _page_line(files), b"")
    files[PAGE] = replaced(files[PAGE], b"HELLO", b"HALLO")
    return pack(files)


@forgery(
    "dropped_reference",
    "uncovered_files",
    "The signer leaves the page out of the references.",
    "签章者未将页面列入引用。",
)
def dropped_reference_signed(bench: Bench) -> bytes:
    files = bench.files()
    files[XML] = replaced(files[XML], _page_line(files), b"")
    return bench.signed(files)


@forgery(
    "duplicated_reference",
    "data_hash",
    "Adds a reference to the page with the digest of another.",
    "为页面再加一条摘要不同的引用。",
)
def duplicated_reference(bench: Bench) -> bytes:
    files = bench.files()
    line = _page_line(files)
    files[PAGE] = replaced(files[PAGE], b"HELLO", b"HALLO")
    files[XML] = replaced(files[XML], line, line + reference(PAGE, files[PAGE]))
    return pack(files)


@forgery(
    "duplicated_reference",
    "references",
    "The signer refers to the page twice.",
    "签章者对同一页面引用两次。",
    reason="REFERENCES_REPEATED",
)
def duplicated_reference_signed(bench: Bench) -> bytes:
    files = bench.files()
    line = _page_line(files)
    files[XML] = replaced(files[XML], line, line * 2)
    return bench.signed(files)


@forgery(
    "duplicated_reference",
    "references",
    "The signer refers to the page twice, by two spellings of its path.",
    "签章者以两种路径写法引用同一页面。",
    reason="REFERENCES_REPEATED",
)
def duplicated_reference_respelled(bench: Bench) -> bytes:
    files = bench.files()
    line = _page_line(files)
    again = line.replace(b'"/Doc_0/', b'"/Doc_0/./Pages/../')
    files[XML] = replaced(files[XML], line, line + again)
    return bench.signed(files)


@forgery(
    "escaping_path",
    "package_paths",
    "The signer refers to a file outside the package.",
    "签章者引用文件包之外的文件。",
)
def escape_in_reference(bench: Bench) -> bytes:
    files = bench.files()
    line = _page_line(files)
    files[XML] = replaced(files[XML], line, line + reference("../../../x", b""))
    return bench.signed(files)


@forgery(
    "check_method",
    "references",
    "The signer's references are by MD5.",
    "签章者的引用采用 MD5。",
    reason="DIGEST_WEAK",
)
def check_method_md5(bench: Bench) -> bytes:
    files = bench.files()
    files[XML] = replaced(files[XML], b'CheckMethod="' + SM3_OID.encode(), b'CheckMethod="MD5')
    return bench.signed(files)


@forgery(
    "check_method",
    "data_hash",
    "The references are said to be by another algorithm.",
    "将引用的摘要算法改为其他算法。",
)
def check_method_changed(bench: Bench) -> bytes:
    return bench.changed(XML, b'CheckMethod="' + SM3_OID.encode(), b'CheckMethod="MD5')


@forgery(
    "algorithm_mismatch",
    "signature_format",
    "Signature.xml names another algorithm than the value.",
    "Signature.xml 所述算法与签章值不一致。",
)
def method_mismatch(bench: Bench) -> bytes:
    files = bench.files()
    files[XML] = replaced(files[XML], SM2_SM3_OID.encode(), b"1.2.156.10197.1.502")
    return bench.signed(files)


@forgery(
    "root_unprotected",
    "uncovered_files",
    "The signer leaves OFD.xml out; its metadata are changed since.",
    "签章者未保护 OFD.xml，其元数据已被修改。",
    reason="ROOT_NOT_COVERED",
)
def root_unprotected(bench: Bench) -> bytes:
    files = without_root(bench)
    files["OFD.xml"] = replaced(files["OFD.xml"], b"2027-01-01", b"2037-01-01")
    return pack(files)


def without_root(bench: Bench) -> Files:
    """The sound document as a signer leaves it who does not protect OFD.xml."""
    files = bench.files()
    line = re.findall(rb'<ofd:Reference FileRef="/OFD.xml".*?</ofd:Reference>', files[XML])[0]
    files[XML] = replaced(files[XML], line, b"")
    return unpack(bench.signed(files))


# --- files that nobody signed ------------------------------------------------------------------


@forgery(
    "uncovered_file",
    "uncovered_files",
    "Adds a file that no signature covers.",
    "加入不受任何签章保护的文件。",
)
def added_file(bench: Bench) -> bytes:
    return pack({**bench.files(), "Doc_0/Annots.xml": b"<a/>"})


@forgery(
    "uncovered_file",
    "uncovered_files",
    "Adds a file beside the signature's own.",
    "在签章文件夹中加入文件。",
)
def added_file_by_signature(bench: Bench) -> bytes:
    return pack({**bench.files(), SIGN + "Annotation.xml": b"<a/>"})


@forgery(
    "uncovered_file",
    "uncovered_files",
    "Adds a file and lets a second signer cover it: the first never saw it.",
    "加入文件并由第二个签章者保护：第一个签章者未见过它。",
)
def added_file_covered_later(bench: Bench) -> bytes:
    added = pack({**bench.files(), "Doc_0/Annots.xml": b"<a/>"})
    return bench.sealed(added, at=SEALED + timedelta(minutes=5))


@forgery(
    "uncovered_file",
    "ofd_structure",
    "Hides content in the signature list, which nobody signs.",
    "在无人签署的签名列表中藏入内容。",
)
def content_in_the_list(bench: Bench) -> bytes:
    return bench.changed(LIST, b"<ofd:MaxSignId>", b"<ofd:Page/><ofd:MaxSignId>")


# --- stamps ------------------------------------------------------------------------------------

_OFF = {
    "beyond": ("9000 9000 42 42", "far beyond its page", "页面之外很远处"),
    "before": ("-42 -42 42 42", "just before its page", "页面左上角之外"),
    "below": ("10 297 42 42", "just below its page", "页面下沿之外"),
    "empty": ("10 10 0 0", "without any size", "没有大小"),
    "negative": ("10 10 -42 -42", "of negative size", "大小为负"),
}


def _stamped_at(bench: Bench, *, box: str) -> bytes:
    files = bench.files()
    files[XML] = replaced(files[XML], b'"140 220 42 42"', f'"{box}"'.encode())
    return bench.signed(files)


for _key, (_box, _en, _zh) in _OFF.items():
    forgery(
        "stamp_off_page",
        "stamp_pages",
        f"The signer's own stamp lies {_en}.",
        f"签章者自己的印章{_zh}。",
        name=f"stamp_{_key}",
        reason="STAMP_OFF_PAGE",
    )(partial(_stamped_at, box=_box))
