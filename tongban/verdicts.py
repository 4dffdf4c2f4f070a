"""What is to be judged, out of files, and how a command ends by the verdict."""

from __future__ import annotations

from mmap import mmap
from pathlib import Path

import typer

from runtime.errors import InvalidArgument
from seal.model import Indication, Verdict
from tongban.console import Exit
from tongban.files import map_file, read_file
from tongban.trust_folder import TrustFolder

__all__ = ["TrustFolder", "document_in", "signature_in", "stop_by"]


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
