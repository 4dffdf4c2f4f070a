"""What stands after a signature's revision: another one, white space, or what should not be there.

White space shows nothing, and mail and disks append it: it is told. Readers look for the end of a
PDF in its last 1024 octets, as Acrobat did; so that all find it, it may be half as many.
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from io import SEEK_END
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from seal.model import Check, passed
from seal.pdf.entries import Key, entry, key_of

_WHITE: Final = b"\x00\t\n\f\r "
_MOST: Final = 512  # octets of it: a block of a disk or an archive
_TAIL: Final = _MOST + 64
_END: Final = re.compile(rb"startxref[\r\n]+\d+[\r\n]+%%EOF[\x00\t\n\f\r ]{0,512}\Z")
_LISTS: Final = ("/Certs", "/CRLs", "/OCSPs")


def check_white(name: str, embedded: EmbeddedPdfSignature) -> Check | None:
    """The check of that name, passed with a notice where white space alone follows the end."""
    if embedded.coverage != SignatureCoverageLevel.ENTIRE_REVISION or _is_followed(embedded):
        return None
    stream: Any = embedded.reader.stream
    stream.seek(int(embedded.byte_range[2]) + int(embedded.byte_range[3]))
    rest = stream.read(_MOST + 1)
    if len(rest) > _MOST or rest.strip(_WHITE):
        return None
    return passed(
        name,
        f"the whole file is covered but for {len(rest)} octets of white space after its end, which "
        "show nothing",
        f"除文件结束标记之后的 {len(rest)} 个空白字节（不显示任何内容）外，签名覆盖整个文件",
        notice=True,
    )


def ends_with_an_update(embedded: EmbeddedPdfSignature) -> bool:
    """Whether what follows a signature's revision is another one, and nothing after the last."""
    stream: Any = embedded.reader.stream
    stream.seek(0, SEEK_END)
    stream.seek(-min(_TAIL, stream.tell()), SEEK_END)
    return _is_followed(embedded) and bool(_END.search(stream.read(_TAIL)))


def _is_followed(embedded: EmbeddedPdfSignature) -> bool:
    return bool(embedded.signed_revision + 1 < embedded.reader.xrefs.total_revisions)


def told_of_update(embedded: EmbeddedPdfSignature) -> tuple[str, str]:
    """What came after the last signature and may, in words."""
    only, only_zh = "only evidence was added since", "此后仅添加了验证资料"
    reader: Any = embedded.reader
    later = range(embedded.signed_revision + 1, reader.xrefs.total_revisions)
    fresh = {key_of(ref) for one in later for ref in reader.xrefs.explicit_refs_in_revision(one)}
    if not _brings_evidence(reader.root, fresh):
        only = "an update was added since: it brings no evidence, and changes nothing shown"
        only_zh = "此后有一次增量更新，未添加验证资料，也未改变显示内容"
    places = ((reader.trailer_view, "/Info"), (reader.root, "/Metadata"))
    if any(_key(held.raw_get(name)) in fresh for held, name in places if name in held):
        only += ", and the metadata dated anew"
        only_zh += "，并更新了元数据日期"
    return only, only_zh


def _brings_evidence(root: Any, fresh: set[Key]) -> bool:
    """Whether any evidence is among the objects that came."""
    store = entry(root, "/DSS")
    if store is None or not fresh:
        return False
    held = [entry(store, name, ()) for name in _LISTS]
    for raw in entry(store, "/VRI", {}).values():
        about = raw.get_object()
        if isinstance(about, generic.DictionaryObject):
            held.append([about.raw_get("/TS")] if "/TS" in about else ())
    return any(_key(one) in fresh for listed in held for one in listed)


def _key(raw: Any) -> Key | None:
    return key_of(raw) if isinstance(raw, generic.IndirectObject) else None
