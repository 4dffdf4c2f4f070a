"""Verdicts for people, and the folder of public certificates that gives them offline.

A trust folder has `anchors/`, `intermediates/`, `revocation-lists/` and, for the time alone,
`timestamp-anchors/`: DER files in each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from runtime.errors import InvalidArgument
from seal.model import Indication, Verdict
from seal.trust import (
    EVERY_PURPOSE,
    FOR_TIME,
    Purpose,
    TrustAnchor,
    TrustStore,
    parse_certificate,
)
from tongban.console import Exit
from tongban.files import map_file, read_file, write_file

if TYPE_CHECKING:  # whoever verifies offline has no gRPC
    from seal.v1 import seal_pb2 as pb

GREATEST_CERTIFICATE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TrustFolder:
    """A folder of public trust material."""

    path: Path

    def write(self, material: pb.GetTrustMaterialResponse) -> list[Path]:
        """Write what a node gave; the files' paths."""
        parts = {
            "anchors": (material.anchors, "cer"),
            "intermediates": (material.intermediates, "cer"),
            "revocation-lists": (material.revocation_lists, "crl"),
            "timestamp-anchors": (material.timestamp_anchors, "cer"),
        }
        written = []
        for folder, (entries, suffix) in parts.items():
            for number, data in enumerate(entries, start=1):
                path = self.path / folder / f"{number:02d}.{suffix}"
                write_file(path, data)
                written.append(path)
        return written

    def read(self) -> TrustStore:
        """The trust store that the folder holds. Raises InvalidArgument, NO_ANCHORS."""
        parts = [
            [read_file(p, greatest=GREATEST_CERTIFICATE) for p in sorted((self.path / f).glob("*"))]
            for f in ("anchors", "intermediates", "revocation-lists", "timestamp-anchors")
        ]
        if not parts[0]:
            raise InvalidArgument(
                f"{self.path}/anchors has no certificates: fill it with `tongban seal trust`",
                reason="NO_ANCHORS",
                message_zh=f"{self.path}/anchors 中没有证书：请用 `tongban seal trust` 生成",
            )
        return _store(*parts)

    @staticmethod
    def store_of(material: pb.GetTrustMaterialResponse) -> TrustStore:
        """The trust store of what a node gave."""
        return _store(
            material.anchors,
            material.intermediates,
            material.revocation_lists,
            material.timestamp_anchors,
        )


def _store(
    anchors: Iterable[bytes],
    intermediates: Iterable[bytes],
    crls: Iterable[bytes],
    timestamp_anchors: Iterable[bytes],
) -> TrustStore:
    return TrustStore(
        anchors=(
            *(_anchor(one, EVERY_PURPOSE) for one in anchors),
            *(_anchor(one, FOR_TIME) for one in timestamp_anchors),
        ),
        intermediates=tuple(intermediates),
        crls=tuple(crls),
    )


def _anchor(certificate: bytes, purposes: frozenset[Purpose]) -> TrustAnchor:
    """A root, for as long as its certificate says."""
    found = parse_certificate(certificate)
    return TrustAnchor(
        name=found.subject,
        certificate=certificate,
        valid_from=found.not_before,
        valid_to=found.not_after,
        purposes=purposes,
    )


def document_in(path: Path) -> bytes | mmap:
    """An OFD or PDF file. Raises InvalidArgument (DOCUMENT_FORMAT_UNKNOWN) for anything else.

    Of a file that is no document there is nothing to be said: neither that its seals are good nor
    that they are not.
    """
    data = map_file(path)
    if not data[:5].startswith((b"PK\x03\x04", b"%PDF-")):
        raise InvalidArgument(
            f"{path} is neither an OFD nor a PDF; a signature over a digest needs --digest",
            reason="DOCUMENT_FORMAT_UNKNOWN",
            message_zh=f"{path} 不是 OFD 或 PDF 文件；对摘要的签章须用 --digest 给出摘要",
        )
    return data


def signature_in(path: Path) -> bytes:
    """A detached SES_Signature. Raises InvalidArgument (SIGNATURE_FORMAT_UNKNOWN): not DER."""
    data = read_file(path)
    if data[:1] != b"\x30":
        raise InvalidArgument(
            f"{path} is no signature over a digest; an OFD or PDF is verified without --digest",
            reason="SIGNATURE_FORMAT_UNKNOWN",
            message_zh=f"{path} 不是对摘要的签章；验证 OFD 或 PDF 时不用 --digest",
        )
    return data


def stop_by(verdict: Verdict) -> None:
    """End with exit code 1 for FAILED and 6 for INDETERMINATE."""
    if verdict.indication is Indication.FAILED:
        raise typer.Exit(Exit.NO)
    if verdict.indication is Indication.INDETERMINATE:
        raise typer.Exit(Exit.UNKNOWN)
