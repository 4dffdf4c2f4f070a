"""What kind of file bytes are, by what they hold alone, and who judges such a file.

One table for all who judge: the service, the commands, the stand-alone verifier. A signature over a
digest is not here, since nothing in it says of what the digest is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

from runtime.errors import InvalidArgument
from runtime.threads import in_passing_thread
from seal.evidence.assessing import ReceiptJudge, assess_evidence
from seal.evidence.layout import is_evidence
from seal.model import Verdict
from seal.ofd.package import Buffer
from seal.ses import parse_seal
from seal.trust import TrustStore
from seal.verify import assess, assess_seal

_DOCUMENTS: Final = (b"PK\x03\x04", b"%PDF-", b"eyJ")
_HEAD: Final = 64


class Judge(Protocol):
    """Judges bytes: whatever they hold, the answer is a Verdict."""

    def __call__(self, data: Buffer, /, *, store: TrustStore, now: datetime) -> Verdict:
        """The verdict."""
        ...


def is_document(data: Buffer) -> bool:
    """Whether it begins as an OFD (or another zip), a PDF or an SD-JWT does."""
    return bytes(data[:5]).startswith(_DOCUMENTS)


def judge_of(
    data: Buffer,
    *,
    judge_receipt: ReceiptJudge | None = None,
    trust_inside: bool = False,
    maker: str = "",
) -> Judge | None:
    """Who judges such a file; None for what is neither document, bundle nor seal.

    The options are `assess_evidence`'s.
    """
    if is_evidence(data):

        def of_bundle(data: Buffer, *, store: TrustStore, now: datetime) -> Verdict:
            return assess_evidence(
                data,
                store=store,
                now=now,
                judge_receipt=judge_receipt,
                trust_inside=trust_inside,
                maker=maker,
            )

        return of_bundle
    if is_document(data):
        return assess
    if data[:1] == b"\x30" and _is_seal(bytes(data)):
        return _seal
    return None


def judged(data: Buffer, *, store: TrustStore, now: datetime) -> Verdict:
    """What is found of a file, as of a document where it is no kind of ours; a worker may do it."""
    judge = judge_of(data) or assess
    return in_passing_thread(lambda: judge(data, store=store, now=now))


def _seal(data: Buffer, *, store: TrustStore, now: datetime) -> Verdict:
    return assess_seal(bytes(data), store=store, now=now)


def _is_seal(data: bytes) -> bool:
    """Whether it reads as a seal, or begins as one: then it is a seal that does not read."""
    if _begins_as_seal(data[:_HEAD]):
        return True
    try:
        parse_seal(data)
    except InvalidArgument:
        return False
    return True


def _begins_as_seal(head: bytes) -> bool:
    """The first octets of any SESeal (GB/T 38540 §6): its info, the head of that, "ES"."""
    at = 0
    for _ in range(3):
        if head[at : at + 1] != b"\x30":
            return False
        length = head[at + 1 : at + 2]
        at += 2 + (length[0] & 0x7F if length >= b"\x80" else 0)
    return head[at : at + 4] == b"\x16\x02ES"
