"""What a bundle of evidence consists of: an ASiC-E container (ETSI EN 319 162-1 §4.4) of our kind.

1. `mimetype` comes first and is not compressed, so that the first bytes tell what the file is.
2. Every other name is one of those below; a name that is none of them makes the bundle FAILED.
3. The list, `META-INF/ASiCManifest.xml`, names every file but itself, `mimetype` and the time-stamp
   over the list.
4. Sizes, counts and ratio are bounded before anything is inflated (`seal.ofd.package`). The
   document lies there as it is, so it is judged where it lies.

| name | holds |
| --- | --- |
| `document.ofd`, `document.pdf` or `signature.der` | what is verified |
| `evidence.json` | when the bundle was made, and what a detached signature is over |
| `verdict.json`, `report.pdf` | what the verification said then, for programs and for people |
| `certificates/*.cer`, `revocation/*.crl`, `revocation/*.ocsp` | what it was judged by |
| `trust/list.json`, `trust/anchors/*.cer` | whom its maker trusted, for what, until when |
| `receipts/*.json`, `receipts/log-key.txt` | receipts of the audit log |
| `META-INF/ASiCManifest.xml`, `META-INF/timestamp.tst` | the list; RFC 3161 time-stamp over it |
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from runtime.errors import InvalidArgument
from seal.ofd.package import STORED, Buffer, Limits, OfdPackage

FORMAT: Final = "tongban-evidence/v1"
MIMETYPE: Final = b"application/vnd.etsi.asic-e+zip"
MANIFEST: Final = "META-INF/ASiCManifest.xml"
TIMESTAMP: Final = "META-INF/timestamp.tst"
TIMESTAMP_TYPE: Final = "application/vnd.etsi.timestamp-token"
UNLISTED: Final = frozenset({"mimetype", MANIFEST, TIMESTAMP})
ABOUT: Final = "evidence.json"
VERDICT: Final = "verdict.json"
REPORT: Final = "report.pdf"
TRUST_LIST: Final = "trust/list.json"
LOG_KEY: Final = "receipts/log-key.txt"
OFD, PDF, SIGNATURE = "document.ofd", "document.pdf", "signature.der"
KINDS: Final = {OFD: "OFD", PDF: "PDF", SIGNATURE: "SIGNATURE"}
TYPES: Final = {
    OFD: "application/ofd", PDF: "application/pdf", SIGNATURE: "application/octet-stream",
    ".json": "application/json", ".pdf": "application/pdf", ".cer": "application/pkix-cert",
    ".crl": "application/pkix-crl", ".ocsp": "application/ocsp-response", ".txt": "text/plain",
}  # fmt: skip

_MIB: Final = 1024 * 1024
LIMITS: Final = Limits(
    package_bytes=176 * _MIB,
    entries=1024,
    entry_bytes=128 * _MIB,
    total_bytes=176 * _MIB,
)
GREATEST_MATERIAL: Final = 4 * _MIB
"""Bytes of any one file that is not the document, the report or a revocation list."""
GREATEST_LIST: Final = 32 * _MIB
_YEARS: Final = range(1900, 9000)
_NAMES: Final = re.compile(
    r"mimetype|document\.(?:ofd|pdf)|signature\.der|evidence\.json|verdict\.json|report\.pdf"
    r"|certificates/[0-9]{3}\.cer|revocation/[0-9]{3}\.(?:crl|ocsp)"
    r"|trust/list\.json|trust/anchors/[0-9]{3}\.cer|receipts/(?:[0-9]{3}\.json|log-key\.txt)"
    r"|META-INF/(?:ASiCManifest\.xml|timestamp\.tst)"
)
# A local header of a stored entry named `mimetype`, then our type: what a bundle begins with.
_HEADER: Final = 30


def is_evidence(data: Buffer) -> bool:
    """Whether a file calls itself an ASiC-E container, by its first entry (§A.1)."""
    head = bytes(data[: _HEADER + 8 + len(MIMETYPE)])
    return head[:4] == b"PK\x03\x04" and head[_HEADER:] == b"mimetype" + MIMETYPE


def type_of(name: str) -> str:
    """The media type that the list gives for a file."""
    return TYPES.get(name) or TYPES["." + name.rpartition(".")[2]]


def layout_fault(package: OfdPackage) -> tuple[str, str]:
    """What is wrong with the names of the files, English and Chinese; empty where nothing is."""
    names = list(package)
    if not names or names[0] != "mimetype" or package.entries["mimetype"].method != STORED:
        return "the first file is not mimetype", "第一个文件不是 mimetype"
    strange = [name for name in names if not _NAMES.fullmatch(name)]
    if strange:
        told = strange[0][:60]
        return f"/{told} does not belong into a bundle", f"/{told} 不应出现在证据包中"
    missing = [one for one in (ABOUT, VERDICT, TRUST_LIST, MANIFEST) if one not in package]
    if missing:
        return f"/{missing[0]} is missing", f"缺少 /{missing[0]}"
    documents = [name for name in names if name in KINDS]
    if len(documents) != 1 or package.entries[documents[0]].method != STORED:
        return "there is not one document, stored as it is", "应恰有一个未压缩的文件"
    large = [
        name for name in names
        if name not in (*KINDS, REPORT) and package.size(name) > _greatest(name)
    ]  # fmt: skip
    if large:
        return f"/{large[0]} is too large", f"/{large[0]} 过大"
    return "", ""


def _greatest(name: str) -> int:
    return GREATEST_LIST if name.startswith("revocation/") else GREATEST_MATERIAL


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """`evidence.json`: when the bundle was made, of what; `maker` names the software.

    `digest` (SM3) and `about` say what a detached signature is over; empty for documents.
    """

    made_at: datetime
    document: str
    maker: str
    digest: bytes = b""
    about: str = ""

    def to_json(self) -> bytes:
        """The file's bytes; there is one form of them only."""
        return canonical(
            {
                "format": FORMAT,
                "made_at": instant(self.made_at),
                "document": self.document,
                "maker": self.maker,
                "digest": self.digest.hex(),
                "about": self.about,
            }
        )


def read_about(data: bytes) -> About:
    """Raises InvalidArgument (`EVIDENCE_MALFORMED`) unless it is in its one form."""
    try:
        body = json.loads(data)
        about = About(
            made_at=read_instant(body["made_at"]),
            document=str(body["document"]),
            maker=str(body["maker"]),
            digest=bytes.fromhex(body["digest"]),
            about=str(body["about"]),
        )
        if about.document in KINDS and about.to_json() == data:
            return about
    except MISREAD:
        pass
    raise malformed(f"/{ABOUT} cannot be read", f"无法读取 /{ABOUT}")


MISREAD: Final = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
)  # fmt: skip
"""What reading JSON of any kind may raise."""


def canonical(value: Any) -> bytes:
    """JSON in one form: sorted keys, indented for people."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return text.encode() + b"\n"


def instant(at: datetime) -> str:
    """An instant in UTC to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def read_instant(text: str) -> datetime:
    """An instant of this and the next centuries. Raises one of MISREAD."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    if not _YEARS.start <= at.year < _YEARS.stop:
        raise ValueError("no such year is meant")
    return at


def malformed(message: str, message_zh: str) -> InvalidArgument:
    """Something inside does not read."""
    return InvalidArgument(message, reason="EVIDENCE_MALFORMED", message_zh=message_zh)
