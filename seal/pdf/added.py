"""What else an update of a signed PDF may bring: evidence that reads as such, and bookkeeping.

1. What was there stays, but for what signing changes, the catalog, the evidence's lists, and the
   dates of the metadata (`seal.pdf.metadata`).
2. Evidence (ISO 32000-2 §12.8.4.3) is streams that are a certificate, a revocation list, an OCSP
   response or a time-stamp, to the last octet; what is none of those is not evidence.
3. The catalog's version and extensions are names and numbers (ISO 32000-2 §7.12): nothing that a
   reader runs, nor room for anything.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from pyhanko.pdf_utils import generic

from runtime.errors import InvalidArgument
from seal.pdf.entries import Key, entry, key_of
from seal.pdf.metadata import check_information, check_metadata, is_short
from seal.pdf.refused import UpdateRefused
from seal.pdf.signing_steps import Step
from seal.pdf.streams import STREAM_KEYS, inflated
from seal.pki.certificates import parse_certificate
from seal.pki.crls import parse_crl
from seal.pki.ocsp import parse_ocsp
from seal.pki.timestamp_token import read_token

_READS: Final[dict[str, Callable[[bytes], object]]] = {
    "/Certs": parse_certificate, "/Cert": parse_certificate,
    "/CRLs": parse_crl, "/CRL": parse_crl,
    "/OCSPs": parse_ocsp, "/OCSP": parse_ocsp,
    "/TS": read_token,
}  # fmt: skip
_VRI: Final = re.compile(r"/[A-Z0-9]{40}")
_VERSIONS: Final = frozenset({*(f"/1.{minor}" for minor in range(8)), "/2.0"})
_PREFIX: Final = re.compile(r"/[A-Za-z0-9_]{1,8}")
_EXTENSION: Final = frozenset(
    ["/Type", "/BaseVersion", "/ExtensionLevel", "/ExtensionRevision", "/URL"]
)
_MAX_EXTENSIONS: Final = 32
_TRAILER: Final = frozenset(["/Root", "/Info", "/ID", "/Size", "/Prev"])
_LONGEST: Final = 200


def check_added(old: Any, new: Any, step: Step) -> None:
    """Hold an update against the rules above. Raises UpdateRefused."""
    _check_trailer(old, new)
    _check_object_streams(new)
    _check_catalog(old.root, new.root)
    fresh = {key_of(ref) for ref in new.explicit_refs_in_revision()}
    allowed = {key_of(new.root_ref), *step.changes, *_lists(old), *_held(old)}
    for ref in new.explicit_refs_in_revision():
        if key_of(ref) not in allowed and _was_there(old, ref) and not _is_same(old(ref), new(ref)):
            raise _changed("an object that was there", "原有对象")
    check_information(old, new)
    check_metadata(old, new)
    _check_evidence(new, fresh)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two objects are the same, stream and all."""
    held = [getattr(each, "encoded_data", None) for each in (one, other)]
    return type(one) is type(other) and bool(one == other) and held[0] == held[1]


def _changed(what: str, what_zh: str) -> UpdateRefused:
    return UpdateRefused(f"{what} was changed", f"{what_zh}被修改")


def _was_there(old: Any, ref: Any) -> bool:
    """Whether a revision has an object of that number, or leads to one that it hasn't."""
    there = old.reader.xrefs.get_historical_ref(ref, old.revision)
    return there is not None or bool(old._get_usages_of_ref(ref))  # noqa: SLF001


def _lists(old: Any) -> Iterator[Key]:
    """The objects that list evidence."""
    for held, names in (
        (old.root, ("/DSS",)),
        (entry(old.root, "/DSS"), ("/Certs", "/CRLs", "/OCSPs", "/VRI")),
    ):
        for name in names:
            if held is not None and name in held:
                yield from _key(held.raw_get(name))


def _held(old: Any) -> Iterator[Key]:
    """The metadata's two objects, and the extensions'."""
    for held, name in (
        (old.trailer_view, "/Info"), (old.root, "/Metadata"), (old.root, "/Extensions"),
    ):  # fmt: skip
        if name in held:
            yield from _key(held.raw_get(name))


def _key(raw: Any) -> Iterator[Key]:
    if isinstance(raw, generic.IndirectObject):
        yield key_of(raw)


# --- trailer and catalog ----------------------------------------------------------------------


def _check_trailer(old: Any, new: Any) -> None:
    before, after = old.trailer_view, new.trailer_view
    rest = [{k: str(v) for k, v in one.items() if k not in _TRAILER} for one in (before, after)]
    if rest[0] != rest[1] or key_of(old.root_ref) != key_of(new.root_ref):
        raise _changed("the trailer", "文件尾")
    parts = [bytes(one.original_bytes) for one in entry(after, "/ID", ())]
    if len(parts) not in (0, 2) or any(len(one) > _LONGEST for one in parts):
        raise _changed("the file's identifier", "文件标识")


def _check_object_streams(new: Any) -> None:
    """A stream of objects holds those that the table names, no other."""
    listed = new.reader.xrefs.get_xref_data(new.revision).xrefs_in_objstm.values()
    for ref in new.object_streams_used():
        count = sum(one.obj_stream_id == ref.idnum for one in listed)
        if int(new(ref)["/N"]) != count or "/Extends" in new(ref):
            raise UpdateRefused("an object was added that nothing names", "添加了未列出的对象")


def _check_catalog(old: Any, new: Any) -> None:
    version = entry(new, "/Version")
    if version != entry(old, "/Version") and str(version) not in _VERSIONS:
        raise _changed("the version", "版本号")
    extensions = entry(new, "/Extensions")
    if extensions is None or extensions == entry(old, "/Extensions"):
        return
    if not _are_extensions(extensions):
        raise _changed("the list of extensions", "扩展列表")


def _are_extensions(held: Any) -> bool:
    if not isinstance(held, generic.DictionaryObject) or len(held) > _MAX_EXTENSIONS:
        return False
    for name, raw in held.items():
        value = raw.get_object()
        if name == "/Type":
            if value != "/Extensions":
                return False
            continue
        each = list(value) if isinstance(value, generic.ArrayObject) else [value]
        if not _PREFIX.fullmatch(str(name)) or len(each) > _MAX_EXTENSIONS:
            return False
        if not all(_is_extension(one.get_object()) for one in each):
            return False
    return True


def _is_extension(held: Any) -> bool:
    return (
        isinstance(held, generic.DictionaryObject)
        and not isinstance(held, generic.StreamObject)
        and {"/BaseVersion", "/ExtensionLevel"} <= set(held.keys()) <= _EXTENSION
        and entry(held, "/Type", "/DeveloperExtensions") == "/DeveloperExtensions"
        and str(held["/BaseVersion"]) in _VERSIONS
        and isinstance(held["/ExtensionLevel"], generic.NumberObject)
        and all(is_short(held[one]) for one in ("/ExtensionRevision", "/URL") if one in held)
    )


# --- evidence -----------------------------------------------------------------------------------


def _check_evidence(new: Any, fresh: set[Key]) -> None:
    """The library saw to the names in the store; here, to what stands under them."""
    store = entry(new.root, "/DSS")
    if store is None:
        return
    _check_streams(store, fresh)
    for name, held in entry(store, "/VRI", {}).items():
        if name == "/Type":
            continue
        if not _VRI.fullmatch(str(name)):
            raise _not_evidence()
        about = held.get_object()
        _check_streams(about, fresh)
        if "/TU" in about and not is_short(about["/TU"]):
            raise _not_evidence()


def _check_streams(held: Any, fresh: set[Key]) -> None:
    for name, read in _READS.items():
        if name not in held:
            continue
        listed = [held.raw_get(name)] if name == "/TS" else held[name]
        for one in listed:
            if not isinstance(one, generic.IndirectObject):
                raise _not_evidence()
            if key_of(one) in fresh:
                _check_stream(one.get_object(), read)


def _check_stream(stream: Any, read: Callable[[bytes], object]) -> None:
    """Rule 2."""
    if not isinstance(stream, generic.StreamObject) or not set(stream.keys()) <= STREAM_KEYS:
        raise _not_evidence()
    try:
        read(inflated(stream))
    except InvalidArgument:
        raise _not_evidence() from None


def _not_evidence() -> UpdateRefused:
    return UpdateRefused(
        "what was added as evidence is no certificate, revocation list or answer",
        "作为验证资料添加的内容不是证书、吊销列表或状态应答",
    )
