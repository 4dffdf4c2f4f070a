"""What a file is, and what can be said of it: for `tongban seal verify` and for `tongban-verify`.

1. The kind is told by the first bytes: OFD, PDF, bundle of evidence, seal, signature over a digest,
   receipt or proof of the audit log, evidence about it, a whole copy of it (its checkpoint).
2. A file that is none of them, but that another reader may take for a document, by its name or by
   the end of a zip in it, is judged as one: so it is FAILED.
   What begins as a seal is judged as one.
3. Of any other file there is nothing to be said: it is refused, not FAILED.
4. Public material only: no key, no node, no gRPC, here or in what this imports (a test holds that).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from runtime.errors import InvalidArgument
from seal.detached import assess_detached
from seal.kinds import is_document, judge_of
from seal.model import Indication, Verdict
from seal.ofd.package import Buffer
from seal.trust import TrustStore
from seal.verify import assess
from tongban import __version__, proofs
from tongban.bundled import receipt_check
from tongban.files import map_file, read_file
from tongban.log_files import key_in, read_about_log
from tongban.log_question import NOTHING_ASKED, LogQuestion
from tongban.showing import print_verdict

GREATEST = 176 * 1024 * 1024
SUFFIXES: Final = frozenset({".ofd", ".pdf"})
_ZIP_END: Final = b"PK\x05\x06"
_GREATEST_END: Final = 22 + 0xFFFF  # octets that the end of a zip takes, its comment with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a file besides its own word.

    `digest` (SM3, 32 octets) and `about` are what a signature has to be over; `log_key` is the
    verifier key of the audit log, `log` what is asked of a file of the log; `earlier` are notes of
    checkpoints that a copy of it has to continue. `trust_inside` takes a bundle's own trust list.
    """

    digest: bytes = b""
    about: str = ""
    log_key: str = ""
    log: LogQuestion = NOTHING_ASKED
    earlier: tuple[str, ...] = ()
    trust_inside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is said of one file: a verdict; of receipts and proofs what `proofs.told` says."""

    path: Path
    verdict: Verdict | None = None
    answer: dict[str, Any] | None = None

    @property
    def indication(self) -> Indication:
        """PASSED, INDETERMINATE or FAILED."""
        return self.verdict.indication if self.verdict else Indication(self._said["indication"])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return self.verdict.to_dict() if self.verdict else self._said

    def show(self, *, details: bool = False) -> None:
        """Print it for people; `details` of every check."""
        if self.verdict:
            print_verdict(self.verdict, details=details)
        else:
            proofs.print_told(self._said)

    @property
    def _said(self) -> dict[str, Any]:
        return self.answer or {}


def judge_file(
    path: Path,
    question: Question,
    *,
    store: Callable[[], TrustStore],
    now: datetime,
    data: Buffer | None = None,
) -> Finding:
    """What is to be said of a file of up to 176 MiB; `store` is asked only where it is needed.

    `data` is what the file holds, where it was read before.

    Raises InvalidArgument: `DOCUMENT_FORMAT_UNKNOWN`, `SIGNATURE_FORMAT_UNKNOWN`,
    `DIGEST_MISSING`, `LOG_KEY_MISSING`, and what `map_file` and `store` raise.
    """
    data = map_file(path, greatest=GREATEST) if data is None else data
    if data[:1] == b"{" and not _passes_for_document(path, data):
        return Finding(path=path, answer=_receipt(path, question))
    if _is_copy_of_log(path, data):
        return Finding(path=path, answer=_copy(path, question))
    judge = _judge_of(path, data, question)
    return Finding(path=path, verdict=judge(data, store=store(), now=now))


def _judge_of(path: Path, data: Buffer, question: Question) -> Callable[..., Verdict]:
    """Who judges such a file. Raises InvalidArgument for what is none of ours."""
    if question.digest:
        if is_document(data) or data[:1] != b"\x30":
            raise InvalidArgument(
                f"{path} is no signature over a digest; an OFD or PDF is verified without --digest",
                reason="SIGNATURE_FORMAT_UNKNOWN",
                message_zh=f"{path} 不是对摘要的签章；验证 OFD 或 PDF 时不用 --digest",
            )
        return partial(_detached, question=question)
    judge_receipt = partial(
        receipt_check, own_key=question.log_key, trust_inside=question.trust_inside
    )
    judge = judge_of(
        data,
        judge_receipt=judge_receipt,
        trust_inside=question.trust_inside,
        maker=f"tongban {__version__}",
    )
    if judge is not None:
        return judge
    if _passes_for_document(path, data):
        return assess
    raise _unknown(path)


def _unknown(path: Path) -> InvalidArgument:
    return InvalidArgument(
        f"{path} is neither an OFD nor a PDF nor an SD-JWT; a signature over a digest needs "
        "--digest",
        reason="DOCUMENT_FORMAT_UNKNOWN",
        message_zh=f"{path} 不是 OFD、PDF 或 SD-JWT 文件；对摘要的签章须用 --digest 给出摘要",
    )


def _passes_for_document(path: Path, data: Buffer) -> bool:
    """Rule 2."""
    named = path.suffix.lower() in SUFFIXES
    return named or _ZIP_END in bytes(data[max(0, len(data) - _GREATEST_END) :])


def _detached(data: Buffer, *, question: Question, store: TrustStore, now: datetime) -> Verdict:
    return assess_detached(bytes(data), question.digest, store=store, now=now, about=question.about)


def _receipt(path: Path, question: Question) -> dict[str, Any]:
    if not question.log_key:
        try:
            read_about_log(path)
        except InvalidArgument:  # some other file of JSON
            raise _unknown(path) from None
        raise _no_log_key(path)
    return proofs.verify_file(path, question.log_key, question.log)


def place_of(place: Path) -> Path:
    """Where to begin: of the folder of a copy of the log its checkpoint, else the place itself."""
    checkpoint = place / "checkpoint"
    return checkpoint if checkpoint.is_file() and (place / "tile").is_dir() else place


def _is_copy_of_log(path: Path, data: Buffer) -> bool:
    """Whether it is the checkpoint of a copy of the log, with its tiles beside it."""
    named = path.name == "checkpoint" and (path.parent / "tile").is_dir()
    return named and bytes(data[:1]).isalnum()


def _copy(path: Path, question: Question) -> dict[str, Any]:
    if not question.log_key:
        raise _no_log_key(path)
    return proofs.verify_copy(
        path.parent, question.log_key, earlier=question.earlier, quorum=question.log.quorum
    )


def _no_log_key(path: Path) -> InvalidArgument:
    return InvalidArgument(
        f"{path} is of the log: give its verifier key with --log-key",
        reason="LOG_KEY_MISSING",
        message_zh=f"{path} 属于审计日志：请用 --log-key 提供日志的验证密钥",
    )


def digest_value(text: str) -> bytes:
    """The SM3 value in hex digits. Raises InvalidArgument (BAD_DIGEST)."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 32:
        raise InvalidArgument(
            "--digest is an SM3 value: 64 hex digits",
            reason="BAD_DIGEST",
            message_zh="--digest 应为 SM3 值：64 位十六进制数",
        )
    return value


def question_of(
    files: Sequence[Path],
    *,
    digest: str = "",
    about: str = "",
    log_key: Path | None = None,
    log: LogQuestion = NOTHING_ASKED,
    earlier: Sequence[Path] | None = None,
    trust_inside: bool = False,
) -> Question:
    """What a command line asks. Raises InvalidArgument where it contradicts itself.

    Reasons: `ABOUT_WITHOUT_DIGEST`, `DIGEST_OF_ONE`, `BAD_DIGEST`.
    """
    if about and not digest:
        raise InvalidArgument(
            "--about says what a --digest is of: give both, or neither",
            reason="ABOUT_WITHOUT_DIGEST",
            message_zh="--about 说明 --digest 的来源：请同时提供，或都不提供",
        )
    if digest and len(files) > 1:
        raise InvalidArgument(
            "--digest is of one signature: name that file alone",
            reason="DIGEST_OF_ONE",
            message_zh="--digest 只对应一个签章文件：请只指定该文件",
        )
    return Question(
        digest=digest_value(digest) if digest else b"",
        about=about,
        log_key=key_in(log_key) if log_key else "",
        log=log,
        trust_inside=trust_inside,
        earlier=tuple(read_file(one).decode(errors="replace") for one in earlier or ()),
    )
