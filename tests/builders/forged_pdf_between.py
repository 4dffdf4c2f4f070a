"""Forged PDFs whose forgery a later signature or time-stamp covers, which is good by itself."""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp, SignatureObject

from seal.pdf.signing import Level
from seal.pdf.update import TOKEN_ROOM, SealWriter
from tests.builders.forging_pdf import (
    SEALED,
    PdfBench,
    Stamper,
    dictionary,
    forgery,
    name,
    numbers,
    page_of,
    plain,
)

_LATER = SEALED + timedelta(hours=1)
_PAGE = (0, 0, 595, 842)
Writer = Any


def quietly(document: bytes, change: Callable[[Writer], None]) -> bytes:
    """An update that brings the change alone: no dates, no metadata."""
    writer, out = SealWriter(BytesIO(document)), BytesIO()
    change(writer)
    writer.write(out)
    return out.getvalue()


def stamped(bench: PdfBench, document: bytes, *, spec: SigFieldSpec | None = None) -> bytes:
    """The document with a good time-stamp over all of it, as any authority gives to anybody."""
    writer, out = SealWriter(BytesIO(document)), BytesIO()
    spec = spec or SigFieldSpec("Timestamp9")
    embedding = PdfCMSEmbedder(spec).write_cms(spec.sig_field_name, writer)
    field = next(embedding).get_object()
    if spec.box:
        field[name("AP")] = dictionary(N=writer.add_object(_painted()))
    embedding.send(SigObjSetup(sig_placeholder=DocumentTimestamp(bytes_reserved=2 * TOKEN_ROOM)))
    prepared, _ = embedding.send(SigIOSetup(md_algorithm="sha256", output=out))
    by = Stamper(holder=bench.stamper.holder, at=_LATER + timedelta(minutes=5))
    embedding.send(by.stamp_digest(prepared.document_digest))
    return out.getvalue()


def with_bytes(document: bytes) -> bytes:
    """The document with a comment after it, and its end once more, as readers want it."""
    end = document[document.rindex(b"startxref") :]
    return document + b"%" + b"HIDDEN" * 200 + b"\n" + end


def sealed_again(bench: PdfBench, document: bytes) -> bytes:
    """The document with a good seal of another signer."""
    return bench.sealed(document, by=bench.second, at=_LATER, x_mm=20)


def by_library(bench: PdfBench) -> bytes:
    """Fields prepared by its author, signed one after another; the metadata is dated each time."""

    def prepare(writer: Writer) -> None:
        append_signature_field(writer, SigFieldSpec("One", on_page=0, box=(40, 40, 160, 160)))
        append_signature_field(writer, SigFieldSpec("Two", on_page=0, box=(240, 40, 360, 160)))

    document = bench.updated(prepare, plain())
    for number, field in enumerate(("One", "Two")):
        writer, out = IncrementalPdfFileWriter(BytesIO(document)), BytesIO()
        embedding = PdfCMSEmbedder(SigFieldSpec(field)).write_cms(field, writer)
        next(embedding)
        at = SEALED + timedelta(hours=number)
        embedding.send(SigObjSetup(SignatureObject(bytes_reserved=8192, timestamp=at)))
        prepared, _ = embedding.send(SigIOSetup(md_algorithm="sha256", output=out))
        embedding.send(bench.cms(prepared.document_digest))
        document = out.getvalue()
    return document


def _painted() -> generic.StreamObject:
    return generic.StreamObject(
        dict_data={
            name("Type"): name("XObject"),
            name("Subtype"): name("Form"),
            name("BBox"): numbers(*_PAGE),
        },
        stream_data=b"1 1 1 rg 0 650 595 150 re f",
    )


def _repaint(writer: Writer) -> None:
    append_signature_field(writer, SigFieldSpec("Z", on_page=0, box=_PAGE))
    field = page_of(writer)["/Annots"][-1].get_object()
    field[name("AP")] = dictionary(N=writer.add_object(_painted()))
    field[name("F")] = generic.NumberObject(4)


def _title(writer: Writer) -> None:
    writer.set_info(dictionary(Title=generic.pdf_string("VOID")))


def _metadata(writer: Writer) -> None:
    said = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        b' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>VOID</dc:title>'
        b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    held = generic.StreamObject(
        dict_data={name("Type"): name("Metadata"), name("Subtype"): name("XML")}, stream_data=said
    )
    writer.root[name("Metadata")] = writer.add_object(held)
    writer.update_root()


def _form(**entries: Any) -> Callable[[Writer], None]:
    def change(writer: Writer) -> None:
        form = writer.root["/AcroForm"]
        form.update(dictionary(**entries))
        writer.update_container(form)

    return change


def _extensions(writer: Writer) -> None:
    script = generic.pdf_string("app.alert(1)")
    writer.root[name("Extensions")] = dictionary(S=name("JavaScript"), JS=script)
    writer.update_root()


def _version(writer: Writer) -> None:
    writer.root[name("Version")] = name("hidden")
    writer.update_root()


def _junk(writer: Writer) -> None:
    writer.add_object(generic.StreamObject(stream_data=b"HIDDEN" * 200))


def _action(writer: Writer) -> None:
    append_signature_field(writer, SigFieldSpec("Z", on_page=0, box=(40, 40, 60, 60)))
    field = page_of(writer)["/Annots"][-1].get_object()
    script = dictionary(S=name("JavaScript"), JS=generic.pdf_string("app.alert(1)"))
    field[name("AA")] = dictionary(PV=script)


_CHANGES = (
    ("overlay", _repaint, "repainted", "a page is painted over by an empty signature field",
     "空签名域的外观覆盖页面"),
    ("title", _title, "between", "the title was changed", "标题被修改"),
    ("metadata", _metadata, "between", "the metadata was changed", "元数据被修改"),
    ("appearances", _form(NeedAppearances=generic.BooleanObject(True)), "between",
     "readers are told to draw the form anew", "要求阅读器重新绘制表单"),
    ("form_fonts", _form(DR=dictionary(Font=dictionary())), "between",
     "the fonts of the form were changed", "表单字体被修改"),
    ("extensions", _extensions, "between",
     "the list of extensions holds a script", "扩展列表含有脚本"),
    ("version", _version, "between", "the version is none", "版本号不合法"),
    ("junk", _junk, "between", "an object came that nothing leads to", "添加了未被引用的对象"),
    ("action", _action, "between", "a field came that runs a script", "添加了会执行脚本的域"),
)  # fmt: skip


def _register() -> None:
    for called, change, item, en, zh in _CHANGES:
        for suffix, later, words, words_zh in (
            ("time_stamped", stamped, "time-stamped", "再加时间戳"),
            ("sealed_again", sealed_again, "sealed by another", "再由他人签章"),
        ):
            forgery(
                item, "covers_document", f"{en}, then it was {words}", f"{zh}，{words_zh}",
                name=f"{called}_{suffix}", reason="CHANGED_SINCE",
            )(_made(change, later))  # fmt: skip


def _made(
    change: Callable[[Writer], None], later: Callable[[PdfBench, bytes], bytes]
) -> Callable[[PdfBench], bytes]:
    return lambda bench: later(bench, quietly(bench.sound, change))


_register()


@forgery(
    "repainted", "covers_document",
    "the time-stamp is seen: it paints over the page", "时间戳带有覆盖页面的外观",
    reason="CHANGED_SINCE",
)  # fmt: skip
def time_stamp_seen(bench: PdfBench) -> bytes:
    return stamped(
        bench, bench.sound, spec=SigFieldSpec("Timestamp9", on_page=0, box=(40, 600, 240, 700))
    )


@forgery(
    "repainted", "covers_document",
    "another's good seal is as large as the page", "他人的有效印章大到覆盖整页",
    reason="CHANGED_SINCE",
)  # fmt: skip
def seal_over_the_page(bench: PdfBench) -> bytes:
    return sealed_in(bench, _PAGE)


@forgery(
    "between", "covers_document",
    "another's good seal runs a script when its page is seen", "他人的有效印章会执行脚本",
    reason="CHANGED_SINCE",
)  # fmt: skip
def seal_with_a_script(bench: PdfBench) -> bytes:
    script = dictionary(S=name("JavaScript"), JS=generic.pdf_string("app.alert(1)"))
    return sealed_in(bench, (40, 40, 160, 160), AA=dictionary(PV=script))


@forgery(
    "between", "covers_document",
    "another's good seal puts the page's annotations in another order",
    "他人的有效印章改变了页面批注的次序",
    reason="CHANGED_SINCE",
)  # fmt: skip
def annotations_in_another_order(bench: PdfBench) -> bytes:
    return sealed_in(bench, (40, 40, 160, 160), is_below=True)


def sealed_in(
    bench: PdfBench, box: tuple[int, int, int, int], *, is_below: bool = False, **entries: Any
) -> bytes:
    """A good seal of another signer in that box, made as our own sealing doesn't."""
    writer, out = SealWriter(BytesIO(bench.sound_form)), BytesIO()
    embedding = PdfCMSEmbedder(SigFieldSpec("Z", on_page=0, box=box)).write_cms("Z", writer)
    field = next(embedding).get_object()
    field[name("AP")] = dictionary(N=writer.add_object(_painted()))
    field.update(dictionary(**entries))
    if is_below:
        listed = page_of(writer)["/Annots"]
        first, second, *rest = (listed.raw_get(number) for number in range(len(listed)))
        listed[:] = [second, first, *rest]
    embedding.send(SigObjSetup(SignatureObject(bytes_reserved=8192, timestamp=_LATER)))
    prepared, _ = embedding.send(SigIOSetup(md_algorithm="sha256", output=out))
    embedding.send(bench.cms(prepared.document_digest, bench.second))
    return out.getvalue()


@forgery(
    "between", "covers_document",
    "bytes that are no object stand between two seals", "两个签章之间夹带不属于任何对象的字节",
    reason="CHANGED_SINCE",
)  # fmt: skip
def bytes_between_seals(bench: PdfBench) -> bytes:
    return sealed_again(bench, with_bytes(bench.sound))


def _as_if_archived(bench: PdfBench) -> bytes:
    return bench.sealed(stamper=bench.stamper, level=Level.B_LT)


@forgery(
    "repainted", "covers_document",
    "a page of a document with long-term proof is painted over, then it was time-stamped",
    "带长期验证资料的文件被覆盖页面后再加时间戳",
    reason="CHANGED_SINCE",
)  # fmt: skip
def overlay_archived(bench: PdfBench) -> bytes:
    return stamped(bench, quietly(_as_if_archived(bench), _repaint))
