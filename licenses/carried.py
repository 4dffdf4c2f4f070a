"""The metadata that each form of a license carries inside, read back from its bytes.

What is read here is what a stranger reads: the OFD's CustomDatas, the XML file attached to the PDF,
the disclosures of the SD-JWT. Whether the bytes are sealed is asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pypdfium2
from lxml import etree

from licenses.credentials import read_credential
from licenses.metadata import metadata_digest
from licenses.model import LicenseFormat
from licenses.pages.markup import METADATA_FILE
from licenses.pages.ofd_reader import read_metadata
from runtime.errors import InvalidArgument
from runtime.pdfium import PDFIUM

_open_pdf: Any = pypdfium2.PdfDocument  # only partly typed
_MOST_ATTACHMENTS = 100
_MOST_BYTES = 1 << 20


def carried_metadata(data: bytes, form: LicenseFormat) -> Mapping[str, str]:
    """The metadata inside a form; empty where it cannot be read."""
    try:
        return _READERS[form](data)
    except InvalidArgument:
        return {}


def carried_digest(data: bytes, form: LicenseFormat) -> str:
    """Digest of the metadata inside a form, hex; "" where it cannot be read."""
    try:
        return metadata_digest(_READERS[form](data))
    except InvalidArgument:
        return ""


def attached(data: bytes, name: str) -> bytes:
    """The one file of a name that a PDF carries. Raises InvalidArgument, PDF_UNREADABLE."""
    with PDFIUM:
        try:
            pdf = _open_pdf(data)
        except pypdfium2.PdfiumError as error:
            raise _unreadable() from error
        try:
            found = [
                bytes(attachment.get_data())
                for attachment in _attachments(pdf)
                if attachment.get_name() == name
            ]
        except pypdfium2.PdfiumError as error:
            raise _unreadable() from error
        finally:
            pdf.close()
    if len(found) != 1 or len(found[0]) > _MOST_BYTES:
        raise _unreadable()
    return found[0]


def _of_pdf(data: bytes) -> Mapping[str, str]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(attached(data, METADATA_FILE), parser)
    except etree.XMLSyntaxError as error:
        raise _unreadable() from error
    info: Any = root.getroottree().docinfo
    if info.doctype or len({child.tag for child in root}) != len(root):
        raise _unreadable()
    return {str(child.tag): child.text or "" for child in root}


def _attachments(pdf: Any) -> list[Any]:
    count = min(pdf.count_attachments(), _MOST_ATTACHMENTS)
    return [pdf.get_attachment(number) for number in range(count)]


def _unreadable() -> InvalidArgument:
    return InvalidArgument(
        "the PDF carries no metadata that can be read",
        reason="PDF_UNREADABLE",
        message_zh="PDF 文件中没有可读取的元数据",
    )


_READERS: Mapping[LicenseFormat, Callable[[bytes], Mapping[str, str]]] = {
    LicenseFormat.OFD: read_metadata,
    LicenseFormat.PDF: _of_pdf,
    LicenseFormat.JWT: lambda data: read_credential(data).metadata,
}
