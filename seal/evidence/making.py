"""Making a bundle of evidence: verify, gather what that took, list it, have the list stamped.

1. The verdict inside is the one that the material inside gives, nothing else being known: so it can
   be found again, by anyone, from the bundle alone.
2. A document that does not pass is evidence too.
3. The same document, store, time and receipts give the same bytes, up to the time-stamp.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from io import BytesIO
from typing import Final

from runtime.errors import InvalidArgument
from seal.evidence.assessing import assess_said
from seal.evidence.layout import (
    ABOUT,
    LOG_KEY,
    MANIFEST,
    MIMETYPE,
    OFD,
    PDF,
    REPORT,
    SIGNATURE,
    TIMESTAMP,
    VERDICT,
    About,
    canonical,
    is_evidence,
)
from seal.evidence.manifest import digests_of, write_manifest
from seal.evidence.material import material_of
from seal.model import Verdict
from seal.ofd.package import STORED, Buffer, Entry
from seal.ofd.package_writer import PackageWriter, packed_entry, stored_entry
from seal.pki.timestamp import Timestamper
from seal.trust import TrustStore, kept_chains

_MOST_RECEIPTS: Final = 64
_PIECE: Final = 1024 * 1024


def make_evidence(
    document: Buffer,
    *,
    store: TrustStore,
    now: datetime,
    maker: str,
    digest: bytes = b"",
    about: str = "",
    receipts: Sequence[bytes] = (),
    log_key: str = "",
    report: Callable[[Verdict], bytes] | None = None,
    timestamper: Timestamper | None = None,
) -> bytes:
    """A bundle of an OFD, a PDF or, with `digest` (SM3, 32 octets), a detached signature over it.

    `maker` names the software; `receipts` are files of the audit log's receipts and `log_key` the
    log's verifier key; `report` prints the verdict as PDF. Raises InvalidArgument
    (`EVIDENCE_KIND`, `EVIDENCE_RECEIPTS`, `EVIDENCE_MALFORMED`) and what the time-stamper raises.
    """
    # 1. Verify, and keep every path that was looked at.
    at = now.replace(microsecond=0)
    said = About(made_at=at, document=_name(document, digest), maker=maker,
                 digest=digest, about=about)  # fmt: skip
    with kept_chains() as chains:
        assess_said(document, said, store=store, now=at)
    material = material_of(store, chains)
    # 2. What the material alone gives is the verdict.
    verdict = assess_said(document, said, store=material.store(), now=at)
    # 3. The files, the document first.
    if len(receipts) > _MOST_RECEIPTS:
        raise InvalidArgument(
            f"a bundle holds at most {_MOST_RECEIPTS} receipts", reason="EVIDENCE_RECEIPTS",
            message_zh=f"证据包最多容纳 {_MOST_RECEIPTS} 份回执",
        )  # fmt: skip
    files: dict[str, Buffer] = {said.document: document, ABOUT: said.to_json()}
    files[VERDICT] = canonical(verdict.to_dict())
    if report is not None:
        files[REPORT] = report(verdict)
    files |= material.entries()
    files |= {f"receipts/{number:03d}.json": one for number, one in enumerate(receipts, start=1)}
    if log_key:
        files[LOG_KEY] = log_key.strip().encode() + b"\n"
    # 4. The list over them, and the time-stamp over the list.
    listed = {name: digests_of(_pieces(data)) for name, data in files.items()}
    manifest = write_manifest(listed, time_stamped=timestamper is not None)
    files[MANIFEST] = manifest
    if timestamper is not None:
        files[TIMESTAMP] = timestamper.stamp(manifest)
    return _packed(said.document, files)


def _name(document: Buffer, digest: bytes) -> str:
    head = bytes(document[:5])
    if digest:
        return SIGNATURE
    if head == b"%PDF-":
        return PDF
    if head[:4] == b"PK\x03\x04" and not is_evidence(document):
        return OFD
    raise InvalidArgument(
        "evidence is made of an OFD, a PDF or a signature over a digest", reason="EVIDENCE_KIND",
        message_zh="证据包的对象须为 OFD、PDF 或对摘要的签章",
    )  # fmt: skip


def _packed(document: str, files: dict[str, Buffer]) -> bytes:
    out = BytesIO()
    writer = PackageWriter(out.write)
    writer.add(stored_entry("mimetype", MIMETYPE))
    for name, data in files.items():
        writer.add(_as_it_is(name, data) if name == document else packed_entry(name, bytes(data)))
    writer.finish()
    return out.getvalue()


def _as_it_is(name: str, data: Buffer) -> Entry:
    """The document: neither compressed nor copied."""
    return Entry(
        name=name, method=STORED, crc=zlib.crc32(data), size=len(data), packed=memoryview(data)
    )


def _pieces(data: Buffer) -> Iterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield bytes(data[start : start + _PIECE])
