"""Files of the audit log, read: receipts, proofs, evidence, keys of the log and of its witnesses.

What a file is, it says itself; nothing here is verified (`tongban.proofs` does that).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from exchange.audit.answering import Quorum
from exchange.audit.evidence import Evidence, evidence_from_json, is_evidence
from exchange.audit.note import NoteError, WitnessVerifier
from exchange.audit.proved import LogProof, is_proof, proof_from_json
from exchange.audit.saved import SavedReceipt, receipt_from_json
from exchange.audit.signed import fingerprint_of
from exchange.audit.told import ToldAccesses, accesses_from_json, is_accesses
from runtime.errors import InvalidArgument
from tongban.files import map_file, read_file

GREATEST_RECEIPT: Final = 1024 * 1024
_PEM: Final = b"-----BEGIN CERTIFICATE-----"


def read_receipt(path: Path) -> SavedReceipt:
    """A saved receipt. Raises InvalidArgument, BAD_RECEIPT."""
    try:
        return receipt_from_json(read_file(path, greatest=GREATEST_RECEIPT).decode())
    except (NoteError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"{path} is not a receipt that was saved with --receipt: {error}",
            reason="BAD_RECEIPT",
            message_zh=f"{path} 不是用 --receipt 保存的回执",
        ) from error


def read_saved(path: Path) -> SavedReceipt | LogProof:
    """A receipt or a proof, by its own word. Raises InvalidArgument, BAD_RECEIPT."""
    saved = read_about_log(path)
    if isinstance(saved, Evidence | ToldAccesses):
        raise InvalidArgument(
            f"{path} is about the log or a person, and neither a receipt nor a proof",
            reason="BAD_RECEIPT",
            message_zh=f"{path} 是关于日志或个人查询记录的文件，不是回执或证明",
        )
    return saved


def read_about_log(path: Path) -> SavedReceipt | LogProof | Evidence | ToldAccesses:
    """What a file of the log's is, by its own word. Raises InvalidArgument, BAD_RECEIPT."""
    try:
        return parsed(read_file(path, greatest=GREATEST_RECEIPT))
    except (NoteError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"{path} is neither a receipt that was saved with --receipt nor a proof of `tongban "
            f"audit prove`: {error}. What --json prints is not verified: write a file that is, of "
            "looks with `tongban license looks --proof`, of questions with `tongban audit "
            "who-asked --proof`",
            reason="BAD_RECEIPT",
            message_zh=f"{path} 既不是用 --receipt 保存的回执，也不是 `tongban audit prove` 的证明"
            "。--json 的输出不能核验：查看记录请用 `tongban license looks --proof`，查询记录请用 "
            "`tongban audit who-asked --proof` 保存证明",
        ) from error


def parsed(data: bytes) -> SavedReceipt | LogProof | Evidence | ToldAccesses:
    """What a file's bytes are, by their own word. Raises NoteError and UnicodeDecodeError."""
    text = data.decode()
    if is_accesses(text):
        return accesses_from_json(text)
    if is_evidence(text):
        return evidence_from_json(text)
    return proof_from_json(text) if is_proof(text) else receipt_from_json(text)


def quorum_of(witnesses: Sequence[Path] | None, required: int | None) -> Quorum:
    """How many of which witnesses are asked for; all that are named, if no number is given.

    A file holds one key, or several, one a line. Raises InvalidArgument: BAD_QUORUM, and for a
    file that is not of keys BAD_KEY.
    """
    keys = [key for path in witnesses or () for key in _keys_in(path)]
    wanted = len(keys) if required is None else required
    if not 0 <= wanted <= len(keys):
        raise InvalidArgument(
            f"--require {wanted} asks for more witnesses than are named with --witness",
            reason="BAD_QUORUM",
            message_zh=f"--require {wanted} 超过了 --witness 所列见证方的数量",
        )
    return Quorum(witnesses=tuple(keys), required=wanted)


def _keys_in(path: Path) -> list[str]:
    try:
        lines = read_file(path, greatest=64 * 1024).decode("utf-8").split("\n")
        found = [line.strip() for line in lines if line.strip()]
        for key in found:
            WitnessVerifier(key)
    except (NoteError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"{path} is not of witnesses' keys: {error}",
            reason="BAD_KEY",
            message_zh=f"{path} 不是见证方密钥文件",
        ) from None
    return found


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file of up to 128 MiB, hexadecimal. Raises InvalidArgument.

    Of a system's certificate in PEM it is that of its DER, which names it in the log.
    """
    found = map_file(path)
    if found[: len(_PEM)] == _PEM:
        with suppress(NoteError):
            return fingerprint_of(bytes(found).decode("ascii", "replace"))
    return sha256(map_file(path)).hexdigest()


def key_in(path: Path) -> str:
    """The log's verifier key that a file holds, unchecked."""
    return read_file(path).decode(errors="replace").strip()
