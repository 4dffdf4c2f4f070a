"""Writing small XML: text that is safe to put between tags and into attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

from licenses.pages.model import Attachment
from runtime.errors import InvalidArgument

HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n'
# What XML 1.0 cannot hold at all, escaped or not (Char, §2.2).
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[^\W\d][\w.\-]{0,63}")

METADATA_FILE = "metadata.xml"


def text(value: str) -> str:
    """Escape for element content and double-quoted attributes; TEXT_NOT_XML where impossible."""
    found = _ILLEGAL.search(value)
    if found:
        point = f"U+{ord(found.group()):04X}"
        raise InvalidArgument(
            f"a text holds the control character {point}, which no document can carry",
            reason="TEXT_NOT_XML",
            message_zh=f"文字中含有文档无法承载的控制字符 {point}",
            code_point=point,
        )
    return escape(value, {'"': "&quot;"})


def name(value: str) -> str:
    """A metadata key, which must be usable as an XML element name; METADATA_KEY_INVALID."""
    if not _NAME.fullmatch(value):
        raise InvalidArgument(
            "a metadata key must start with a letter, hold only letters, digits, '_', '-' and '.', "
            "and be at most 64 characters long",
            reason="METADATA_KEY_INVALID",
            message_zh="元数据项标识须以字母开头，只含字母、数字、“_”“-”“.”，且不超过 64 个字符",
        )
    return value


def metadata_attachment(metadata: Mapping[str, str]) -> Attachment:
    """License metadata (GB/T 36903 keys such as ZZMC) as the XML file that goes with a document.

    One element a key under `<metadata>`, in the order given; the same pairs as in CustomDatas.
    """
    rows = "".join(f"  <{name(k)}>{text(v)}</{k}>\n" for k, v in metadata.items())
    return Attachment(
        name=METADATA_FILE,
        media_type="application/xml",
        data=f"{HEADER}<metadata>\n{rows}</metadata>\n".encode(),
    )
