"""The check of a receipt, or of a proof of the log, that lies in a bundle of evidence."""

from __future__ import annotations

from exchange.audit.evidence import Evidence
from exchange.audit.note import NoteError
from exchange.audit.proved import LogProof
from exchange.audit.told import ToldAccesses
from exchange.audit.verify import SavedReceipt, verify_leaves, verify_receipt
from seal.judging.telling import plain
from seal.model import Check, failed, passed, undetermined
from tongban.log_files import parsed
from tongban.proofs import MORE, OTHER_DOCUMENT, TOLD, act_of, acts, documents_in


def receipt_check(
    data: bytes, key_inside: str, document: str, *, own_key: str, trust_inside: bool
) -> Check:
    """A receipt or a proof in a bundle of evidence as one check, by the verifier's own key.

    A key that the bundle brings along proves that receipt and key fit together, and no more. A
    record that names documents has to name this one, and every record of a proof has to;
    `document` is its SHA-256, hexadecimal.
    """
    name = "evidence_receipt"
    against = (
        ("the log key given", "所给的日志密钥") if own_key else
        ("the log key inside the bundle", "证据包内的日志密钥")
    )  # fmt: skip
    try:
        saved = parsed(data)
        if isinstance(saved, Evidence | ToldAccesses):
            raise NoteError("it is about the log or a person, and of no document")
    except (NoteError, UnicodeDecodeError):
        return failed(name, "it is not a receipt", "不是有效的回执", against=against)
    key = own_key or key_inside
    named = documents_in(saved)
    answer = (
        verify_leaves(saved, key) if isinstance(saved, LogProof) else verify_receipt(saved, key)
    )
    wrong = answer.failed()
    if wrong and not all(one.startswith("document:") for one in wrong):
        what = plain(", ".join(wrong[:TOLD]))
        return failed(name, f"these checks failed: {what}", f"未通过：{what}", against=against)
    if wrong or (named and document not in named):
        detail = "the record is of another document"
        return failed(
            name, detail, "日志记录的是另一份文件", against=against, reason=OTHER_DOCUMENT
        )
    if not own_key and not trust_inside:
        return undetermined(
            name,
            "it holds by the log key inside; get the log's key from its operator and give it with "
            "--log-key",
            "以证据包内的日志密钥验证成立；请向日志运营者取得密钥并用 --log-key 提供",
            reason="LOG_KEY_NOT_TRUSTED",
            against=against,
        )
    told_en, told_zh, logged = _holds(saved, names_it=bool(named))
    sure = bool(own_key and named and logged)
    return passed(name, told_en, told_zh, notice=not sure, against=against)


def _holds(saved: SavedReceipt | LogProof, *, names_it: bool) -> tuple[str, str, bool]:
    """What is told of one that holds, English and Chinese; and whether it is in the log."""
    if isinstance(saved, LogProof):
        count, told = len(saved.leaves), acts(saved)
        what = "1 record" if count == 1 else f"{count} records"
        return (
            f"in the log: {what} of this document: {told}{MORE[0]}",
            f"日志中有本文件的 {count} 条记录：{told}{MORE[1]}",
            True,
        )
    state, state_zh = (
        ("in the log", "已在日志中") if saved.proof else ("promised to the log", "节点已承诺入日志")
    )  # fmt: skip
    of, of_zh = (
        ("of this document", "本文件的") if names_it else ("that names no document", "未指明文件的")
    )  # fmt: skip
    act = act_of(saved.receipt.leaf)
    return f"the record {of} is {state}: {act}", f"{of_zh}记录{state_zh}：{act}", bool(saved.proof)
