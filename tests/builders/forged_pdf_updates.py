"""Forged PDFs by an incremental update after the signature, as any editor makes one."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigFieldSpec
from pyhanko.sign.signers.cms_embedder import (
    PdfCMSEmbedder,
    SigIOSetup,
    SigMDPSetup,
    SigObjSetup,
)
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from tests.builders.forging_pdf import (
    SEALED,
    PdfBench,
    dictionary,
    forgery,
    name,
    numbers,
    page_of,
    plain,
    signature_of,
)

_LATER = SEALED + timedelta(hours=1)
Writer = Any


def _updated(
    item: str, en: str, zh: str, *, called: str = ""
) -> Callable[[Callable[[Writer], None]], Callable[[Writer], None]]:
    """Register an update of the sound document with a form in it."""

    def register(change: Callable[[Writer], None]) -> Callable[[Writer], None]:
        forgery(
            item, "covers_document", en, zh,
            name=called or change.__name__, reason="CHANGED_SINCE",
        )(lambda bench: bench.updated(change, bench.sound_form))  # fmt: skip
        return change

    return register


def _text(words: str) -> generic.StreamObject:
    return generic.StreamObject(stream_data=f"BT /F1 12 Tf 100 700 Td ({words}) Tj ET".encode())


@_updated("update", "the content of the page was replaced", "页面内容被替换")
def page_replaced(writer: Writer) -> None:
    page = page_of(writer)
    page[name("Contents")] = writer.add_object(_text("FORGED"))
    writer.update_container(page)


@_updated("update", "content was added to the page", "页面添加了内容")
def page_added_to(writer: Writer) -> None:
    page = page_of(writer)
    more = writer.add_object(_text("AND MORE"))
    page[name("Contents")] = generic.ArrayObject([page.raw_get("/Contents"), more])
    writer.update_container(page)


@_updated("update", "a page was added", "添加了页面")
def page_added(writer: Writer) -> None:
    pages = writer.root["/Pages"]
    page = dictionary(
        Type=name("Page"),
        Parent=writer.root.raw_get("/Pages"),
        MediaBox=numbers(0, 0, 595, 842),
        Contents=writer.add_object(_text("A PAGE MORE")),
        Resources=dictionary(),
    )
    pages["/Kids"].append(writer.add_object(page))
    pages[name("Count")] = generic.NumberObject(2)
    writer.update_container(pages["/Kids"])
    writer.update_container(pages)


@_updated("update", "an annotation was laid over the page", "页面上添加了批注")
def annotation(writer: Writer) -> None:
    page, _ = writer.find_page_for_modification(0)
    square = dictionary(Type=name("Annot"), Subtype=name("Square"), Rect=numbers(90, 690, 300, 720))
    writer.register_annotation(page, writer.add_object(square))


@_updated("update", "a text was laid over the page", "页面上添加了文本批注")
def free_text(writer: Writer) -> None:
    page, _ = writer.find_page_for_modification(0)
    note = dictionary(
        Type=name("Annot"), Subtype=name("FreeText"), Rect=numbers(90, 690, 300, 720),
        Contents=generic.pdf_string("FORGED"), DA=generic.pdf_string("/Helv 12 Tf"),
    )  # fmt: skip
    writer.register_annotation(page, writer.add_object(note))


def _fields(writer: Writer) -> dict[str, Any]:
    listed = writer.root["/AcroForm"]["/Fields"]
    return {str(one.get_object()["/T"]): one.get_object() for one in listed}


@_updated("update", "a form field was filled in", "表单域被填写")
def field_filled(writer: Writer) -> None:
    field = _fields(writer)["amount"]
    field[name("V")] = generic.pdf_string("100000")
    writer.update_container(field)


@_updated("update", "the title was changed", "标题被修改")
def title_changed(writer: Writer) -> None:
    writer.set_info(dictionary(Title=generic.pdf_string("FORGED")))


@_updated("update", "the metadata was changed", "元数据被修改")
def metadata_changed(writer: Writer) -> None:
    held = generic.StreamObject(
        dict_data={name("Type"): name("Metadata"), name("Subtype"): name("XML")},
        stream_data=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    )
    writer.root[name("Metadata")] = writer.add_object(held)
    writer.update_root()


@_updated("update", "a file was attached", "添加了附件")
def file_attached(writer: Writer) -> None:
    held = generic.StreamObject(stream_data=b"smuggled")
    attached = dictionary(
        Type=name("Filespec"), F=generic.pdf_string("a.txt"),
        EF=dictionary(F=writer.add_object(held)),
    )  # fmt: skip
    names = generic.ArrayObject([generic.pdf_string("a.txt"), writer.add_object(attached)])
    writer.root[name("Names")] = dictionary(EmbeddedFiles=dictionary(Names=names))
    writer.update_root()


@_updated("update", "the document does something when opened", "添加了打开动作")
def open_action(writer: Writer) -> None:
    script = generic.pdf_string("this.print()")
    writer.root[name("OpenAction")] = dictionary(S=name("JavaScript"), JS=script)
    writer.update_root()


@_updated("update", "the seal was moved by an update", "印章通过增量更新被移动")
def stamp_moved(writer: Writer) -> None:
    field = _fields(writer)["Seal1"]
    field[name("Rect")] = numbers(50, 50, 170, 170)
    writer.update_container(field)


@_updated("update", "the picture of the seal was replaced", "印章图像被替换")
def stamp_replaced(writer: Writer) -> None:
    field = _fields(writer)["Seal1"]
    drawn = generic.StreamObject(
        dict_data={
            name("Type"): name("XObject"),
            name("Subtype"): name("Form"),
            name("BBox"): numbers(0, 0, 100, 100),
        },
        stream_data=b"1 0 0 rg 0 0 100 100 re f",
    )
    field[name("AP")] = dictionary(N=writer.add_object(drawn))
    writer.update_container(field)


@_updated("shadow", "the font of the page was replaced, so that it reads otherwise", "字体被替换")
def font_replaced(writer: Writer) -> None:
    font = page_of(writer)["/Resources"]["/Font"]["/F1"].get_object()
    font[name("Encoding")] = dictionary(
        Type=name("Encoding"),
        Differences=generic.ArrayObject([generic.NumberObject(72), name("J")]),
    )
    writer.update_container(font)


@forgery(
    "shadow", "covers_document",
    "what was hidden under a picture is shown by taking that out", "移除遮盖的图像以显示隐藏内容",
    reason="CHANGED_SINCE",
)  # fmt: skip
def overlay_removed(bench: PdfBench) -> bytes:
    def show(writer: Writer) -> None:
        page = page_of(writer)
        page[name("Contents")] = generic.NullObject()
        writer.update_container(page)

    return bench.updated(show)


@forgery(
    "shadow", "covers_document",
    "the update is a table alone: it points to a twin of the page's content, which is signed too",
    "仅替换对象表，指向已签名的同号对象",
    reason="CHANGED_SINCE",
)  # fmt: skip
def table_alone(bench: PdfBench) -> bytes:
    first = plain()
    found = re.search(rb"/Contents (\d+) 0 R", first)
    assert found
    number = int(found[1])
    words = b"BT /F1 12 Tf 100 700 Td (FORGED) Tj ET"
    twin = b"%d 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (
        number, len(words), words,
    )  # fmt: skip
    data = bench.sealed_unseen(_with_table(first + twin, first, 0, 0))
    return _with_table(data, data, number, len(first))


def _with_table(data: bytes, before: bytes, number: int, offset: int) -> bytes:
    """The data with one more table, which has one object's place (0: none)."""
    previous = int(before[before.rindex(b"startxref") + 9 :].split()[0])
    root = re.findall(rb"/Root (\d+ \d+ R)", before)[-1]
    size = max(map(int, re.findall(rb"/Size (\d+)", before)))
    entry = b"%010d 00000 n" % offset if number else b"0000000000 65535 f"
    return data + b"xref\n%d 1\n%s \ntrailer\n<< /Size %d /Root %s /Prev %d >>\n" % (
        number, entry, size, root, previous,
    ) + b"startxref\n%d\n%%%%EOF\n" % len(data)  # fmt: skip


# --- signatures -----------------------------------------------------------------------------------


@forgery(
    "wrapping", "covers_document",
    "the signature is an object of the update now, and covers what it covered", "签名被重新包装",
    reason="BYTES_ADDED",
)  # fmt: skip
def signature_wrapped(bench: PdfBench) -> bytes:
    def wrap(writer: Writer) -> None:
        page = page_of(writer)
        page[name("Contents")] = writer.add_object(_text("FORGED"))
        writer.update_container(page)
        number, generation = signature_of(bench.sound)
        held = writer.get_object(generic.Reference(number, generation, pdf=writer.prev))
        writer.mark_update(generic.Reference(number, generation, pdf=writer.prev))
        del held

    return bench.updated(wrap)


@forgery(
    "removed_signature", "unlisted_signature",
    "a signature was taken out of the form, then another signed", "签名被移出表单后由他人另签",
    reason="SIGNATURE_REMOVED",
)  # fmt: skip
def signature_removed(bench: PdfBench) -> bytes:
    def remove(writer: Writer) -> None:
        form = writer.root["/AcroForm"]
        form[name("Fields")] = generic.ArrayObject()
        writer.update_container(form)
        page = page_of(writer)
        page[name("Annots")] = generic.ArrayObject()
        writer.update_container(page)

    return bench.sealed(bench.updated(remove), by=bench.second, at=_LATER)


def _field_with(writer: Writer, value: generic.DictionaryObject) -> None:
    """One more signature field, filled with that."""
    field = dictionary(
        FT=name("Sig"), T=generic.pdf_string("Seal9"), V=writer.add_object(value),
        Type=name("Annot"), Subtype=name("Widget"), Rect=numbers(0, 0, 0, 0),
        F=generic.NumberObject(132), P=writer.root["/Pages"].raw_get("/Kids")[0]
        if not hasattr(writer.root["/Pages"]["/Kids"], "raw_get")
        else writer.root["/Pages"]["/Kids"].raw_get(0),
    )  # fmt: skip
    form = writer.root["/AcroForm"]
    form["/Fields"].append(writer.add_object(field))
    writer.update_container(form["/Fields"])
    writer.update_container(form)


@forgery(
    "unknown_kind", "signature_format",
    "beside the good signature there is one that nobody here can verify", "另有一个无法验证的签名",
    indication="INDETERMINATE", reason="SIGNATURE_KIND_UNKNOWN",
)  # fmt: skip
def signature_of_unknown_kind(bench: PdfBench) -> bytes:
    return bench.updated(lambda writer: _field_with(writer, _foreign("acme.private")))


@forgery(
    "weak_digest", "signature_format",
    "beside the good signature there is one of a kind that rests on SHA-1",
    "另有一个基于 SHA-1 的签名",
    reason="DIGEST_WEAK",
)  # fmt: skip
def signature_of_weak_kind(bench: PdfBench) -> bytes:
    return bench.updated(lambda writer: _field_with(writer, _foreign("adbe.x509.rsa_sha1")))


def _foreign(kind: str) -> generic.DictionaryObject:
    return dictionary(
        Type=name("Sig"), Filter=name("Acme"), SubFilter=name(kind),
        ByteRange=numbers(0, 10, 20, 10), Contents=generic.ByteStringObject(b"0\x03\x02\x01\x01"),
    )  # fmt: skip


@forgery(
    "removed_signature", "unlisted_signature",
    "the field of the signature was emptied in place", "签名域被直接清空",
    reason="SIGNATURE_REMOVED",
)  # fmt: skip
def field_emptied(bench: PdfBench) -> bytes:
    (value,) = re.findall(rb"/V \d+ 0 R", bench.sound)
    return bench.changed(value, b"/V null".ljust(len(value)))


@forgery(
    "removed_signature", "unlisted_signature",
    "the field was emptied by an update, then another signed", "签名域被清空后由他人另签",
    reason="SIGNATURE_REMOVED",
)  # fmt: skip
def field_emptied_then_signed(bench: PdfBench) -> bytes:
    return bench.sealed(bench.updated(_emptied), by=bench.second, at=_LATER)


def _emptied(writer: Writer) -> None:
    field = _fields(writer)["Seal1"]
    del field["/V"]
    writer.update_container(field)


# --- certification --------------------------------------------------------------------------------


def _signed_by_library(
    bench: PdfBench, document: bytes, field: str, *, certify: bool = False
) -> bytes:
    """Signed where our own sealing refuses to."""
    writer, out = IncrementalPdfFileWriter(BytesIO(document)), BytesIO()
    embedding = PdfCMSEmbedder(SigFieldSpec(field)).write_cms(field, writer)
    next(embedding)
    forbid = SigMDPSetup(md_algorithm="sha256", certify=True, docmdp_perms=MDPPerm.NO_CHANGES)
    about = SignatureObject(bytes_reserved=8192, timestamp=_LATER if not certify else SEALED)
    embedding.send(SigObjSetup(about, mdp_setup=forbid if certify else None))
    prepared, _ = embedding.send(SigIOSetup(md_algorithm="sha256", output=out))
    embedding.send(bench.cms(prepared.document_digest, bench.second))
    return out.getvalue()


@forgery(
    "certification", "covers_document",
    "a document certified against every change was signed again", "认证文件被再次签名",
    reason="CERTIFICATION_BROKEN",
)  # fmt: skip
def certified_signed_again(bench: PdfBench) -> bytes:
    return _signed_by_library(bench, _signed_by_library(bench, plain(), "First", certify=True), "2")


@forgery(
    "certification", "covers_document",
    "a certified document was changed", "认证文件被修改", reason="CHANGED_SINCE",
)  # fmt: skip
def certified_changed(bench: PdfBench) -> bytes:
    return bench.updated(annotation, bench.sealed(close=True))


@forgery(
    "update", "covers_document",
    "the page was replaced, then another sealed it: the first seal is not of that",
    "页面被替换后由他人另行签章",
    reason="CHANGED_SINCE",
)  # fmt: skip
def changed_between_seals(bench: PdfBench) -> bytes:
    return bench.sealed(bench.updated(page_replaced), by=bench.second, at=_LATER, x_mm=20)
