"""Forged PDFs that bring something else as evidence after the last signature."""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from pyhanko.pdf_utils import generic

from tests.builders.forged_pdf_between import quietly, with_bytes
from tests.builders.forging_pdf import PdfBench, dictionary, forgery, name

Writer = Any
_PAGE = b"BT /F1 12 Tf 100 700 Td (FORGED) Tj ET"


def _after(
    en: str, zh: str
) -> Callable[[Callable[[PdfBench, Writer], None]], Callable[[PdfBench, Writer], None]]:
    """Register an update of the sealed document."""

    def register(
        change: Callable[[PdfBench, Writer], None],
    ) -> Callable[[PdfBench, Writer], None]:
        forgery(
            "evidence", "covers_document", en, zh,
            name=change.__name__, reason="CHANGED_SINCE",
        )(lambda bench: quietly(bench.sound, lambda writer: change(bench, writer)))  # fmt: skip
        return change

    return register


def _store(writer: Writer, stream: generic.StreamObject) -> None:
    held = generic.ArrayObject([writer.add_object(stream)])
    writer.root[name("DSS")] = writer.add_object(dictionary(Certs=held))
    writer.update_root()


@_after("the certificate is the content of a page", "所添加的“证书”实为页面内容")
def certificate_of_a_page(_bench: PdfBench, writer: Writer) -> None:
    _store(writer, generic.StreamObject(stream_data=_PAGE))


@_after("something stands after the certificate in its stream", "证书数据流之后夹带内容")
def certificate_with_more(bench: PdfBench, writer: Writer) -> None:
    packed = zlib.compress(bench.root.certificate) + b"HIDDEN" * 50
    held = generic.StreamObject(
        dict_data={name("Filter"): name("FlateDecode")}, encoded_data=packed
    )
    _store(writer, held)


@_after("the certificate's stream names more than it needs", "证书数据流的字典夹带内容")
def certificate_with_names(bench: PdfBench, writer: Writer) -> None:
    held = generic.StreamObject(
        dict_data={name("Hidden"): generic.pdf_string("HIDDEN" * 50)},
        stream_data=bench.root.certificate,
    )
    _store(writer, held)


@_after("objects came that nothing leads to", "添加了未被引用的对象")
def junk_after(_bench: PdfBench, writer: Writer) -> None:
    writer.add_object(generic.StreamObject(stream_data=b"HIDDEN" * 200))


@_after("the list of extensions holds a script", "扩展列表含有脚本")
def extensions_after(_bench: PdfBench, writer: Writer) -> None:
    script = generic.pdf_string("app.alert(1)")
    writer.root[name("Extensions")] = dictionary(S=name("JavaScript"), JS=script)
    writer.update_root()


@_after("the version is none", "版本号不合法")
def version_after(_bench: PdfBench, writer: Writer) -> None:
    writer.root[name("Version")] = name("hidden")
    writer.update_root()


@forgery(
    "evidence", "covers_document",
    "bytes that are no object stand before good evidence", "验证资料之前夹带不属于任何对象的字节",
    reason="CHANGED_SINCE",
)  # fmt: skip
def bytes_before_evidence(bench: PdfBench) -> bytes:
    def bring(writer: Writer) -> None:
        _store(writer, generic.StreamObject(stream_data=bench.root.certificate))

    return quietly(with_bytes(bench.sound), bring)
