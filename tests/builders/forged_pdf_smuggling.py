"""Forged PDFs in which a later signer, good by itself, brings more than a signature and a picture.

Nothing of it is seen, and each reader makes of it what it will: a text in the dates of the
metadata, a stream among the resources of the seal's picture, another picture under the mouse.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.sign.fields import SigFieldSpec
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from seal.pdf.update import SealWriter
from tests.builders.forged_pdf_between import quietly
from tests.builders.forging_pdf import (
    SEALED,
    PdfBench,
    dictionary,
    forgery,
    name,
    numbers,
    plain,
)

Writer = Any
Change = Callable[[Writer, Any], None]
_LATER = SEALED + timedelta(hours=1)
_XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
    "<xmp:ModifyDate>2026-06-01T00:00:00Z</xmp:ModifyDate>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def with_metadata(bench: PdfBench) -> bytes:
    """A sealed document that has XMP."""
    return bench.sealed(quietly(plain(), lambda writer: _describe(writer, _XMP)))


def described_again(bench: PdfBench, xmp: str) -> bytes:
    """The same, sealed once more by who writes other XMP."""
    return signed_with(bench, lambda writer, _: _describe(writer, xmp), with_metadata(bench))


def redated(bench: PdfBench) -> bytes:
    """The same, with another date: so it may be."""
    return described_again(bench, _XMP.replace("2026-06-01", "2026-06-02"))


def _describe(writer: Writer, xmp: str) -> None:
    entries = dictionary(Type=name("Metadata"), Subtype=name("XML"))
    held = writer.add_object(generic.StreamObject(entries, stream_data=xmp.encode()))
    writer.root[name("Metadata")] = held
    writer.update_root()


def signed_with(bench: PdfBench, change: Change, document: bytes | None = None) -> bytes:
    """A good seal of another signer, with a change in the same update."""
    writer, out = SealWriter(BytesIO(document or bench.sound)), BytesIO()
    spec = SigFieldSpec("Z", on_page=0, box=(40, 40, 160, 160))
    embedding = PdfCMSEmbedder(spec).write_cms("Z", writer)
    field = next(embedding).get_object()
    field[name("AP")] = dictionary(N=writer.add_object(_form()))
    change(writer, field)
    embedding.send(SigObjSetup(SignatureObject(bytes_reserved=8192, timestamp=_LATER)))
    prepared, _ = embedding.send(SigIOSetup(md_algorithm="sha256", output=out))
    embedding.send(bench.cms(prepared.document_digest, bench.second))
    return out.getvalue()


def _form(**entries: Any) -> generic.StreamObject:
    entries = {"BBox": numbers(0, 0, 120, 120), "Resources": dictionary(), **entries}
    held = dictionary(Type=name("XObject"), Subtype=name("Form"), **entries)
    return generic.StreamObject(held, stream_data=b"1 0 0 rg 0 0 120 120 re f")


def _smuggled(en: str, zh: str) -> Callable[[Change], Change]:
    """Register a change that comes with a good later seal."""

    def register(change: Change) -> Change:
        forgery("between", "covers_document", en, zh, name=change.__name__, reason="CHANGED_SINCE")(
            lambda bench: signed_with(bench, change)
        )
        return change

    return register


@_smuggled(
    "another's good seal shows another picture under the mouse",
    "他人的有效印章在鼠标经过时显示不同图案",
)
def seal_under_the_mouse(writer: Writer, field: Any) -> None:
    field["/AP"][name("R")] = writer.add_object(_form())


@_smuggled("the resources of another's good seal hide a stream", "他人有效印章的资源中隐藏数据流")
def stream_in_resources(writer: Writer, field: Any) -> None:
    hidden = writer.add_object(generic.StreamObject(stream_data=b"VOID" * 1000))
    drawn = field["/AP"]["/N"]
    drawn["/Resources"][name("Properties")] = dictionary(X=hidden)


@_smuggled(
    "another's good seal holds private data beside its picture", "他人有效印章的外观中夹带私有数据"
)
def private_data_in_seal(writer: Writer, field: Any) -> None:
    private = dictionary(X=dictionary(Private=generic.pdf_string("VOID" * 100)))
    field["/AP"]["/N"][name("PieceInfo")] = private


@_smuggled("another's good seal is shown by a layer", "他人的有效印章由图层控制显示")
def seal_in_a_layer(writer: Writer, field: Any) -> None:
    layer = writer.add_object(dictionary(Type=name("OCG"), Name=generic.pdf_string("layer")))
    field["/AP"]["/N"][name("OC")] = layer


@_smuggled(
    "the picture of another's good seal is taken from another file",
    "他人有效印章的图案引用外部文件",
)
def seal_of_another_file(writer: Writer, field: Any) -> None:
    elsewhere = dictionary(F=generic.pdf_string("other.pdf"), Page=generic.NumberObject(0))
    inner = writer.add_object(_form(Ref=elsewhere))
    field["/AP"]["/N"]["/Resources"][name("XObject")] = dictionary(R=inner)


def _described(called: str, en: str, zh: str, old: str, new: str) -> None:
    """Register metadata that say more than their dates."""
    assert old in _XMP
    forgery("between", "covers_document", en, zh, name=called, reason="CHANGED_SINCE")(
        lambda bench: described_again(bench, _XMP.replace(old, new, 1))
    )


_DATE = "<xmp:ModifyDate>2026-06-01T00:00:00Z</xmp:ModifyDate>"
_described(
    "text_beside_a_date", "a date of the metadata has an attribute that says something",
    "元数据日期带有夹带文字的属性",
    "<xmp:ModifyDate>",
    '<xmp:ModifyDate xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="VOID">',
)  # fmt: skip
_described(
    "text_as_a_date", "a date of the metadata is a text", "元数据日期被写成文字",
    _DATE, "<xmp:ModifyDate>VOID THIS</xmp:ModifyDate>",
)  # fmt: skip
_described(
    "dates_over_and_over", "the metadata tell their date many times", "元数据中重复写入日期",
    _DATE, _DATE * 50,
)  # fmt: skip
_described(
    "comment_before_metadata", "a comment stands before the metadata", "元数据之前夹带注释",
    "<x:xmpmeta", "<!-- VOID --><x:xmpmeta",
)  # fmt: skip
_described(
    "text_as_a_namespace", "a namespace of the metadata is a text", "元数据以命名空间夹带文字",
    "<x:xmpmeta", '<x:xmpmeta xmlns:z="urn:VOID-THIS-DOCUMENT"',
)  # fmt: skip
_described(
    "doctype_of_metadata", "the metadata begin with a doctype", "元数据以文档类型声明开头",
    "<x:xmpmeta", '<!DOCTYPE x [<!ENTITY a "VOID">]><x:xmpmeta',
)  # fmt: skip
