"""Receipts, proofs and checkpoints of the audit log, read and verified without any node.

A receipt is what the asker of a query got with the answer. A proof is what anybody takes out of the
log about a document (`tongban audit prove`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from exchange.audit.answering import NO_QUORUM, Answer, Checks, Outcome, Quorum
from exchange.audit.answering import Check as LogCheck
from exchange.audit.evidence import Evidence, Kind, verify_evidence
from exchange.audit.proved import LogProof, documents_of
from exchange.audit.saved import SavedReceipt
from exchange.audit.told import ToldAccesses
from exchange.audit.verify import verify_leaves, verify_log, verify_receipt
from exchange.audit.verify_told import verify_accesses
from runtime.errors import InvalidArgument
from seal.judging.telling import plain
from tongban.console import out, print_answer, print_table, say, word
from tongban.files import read_file
from tongban.log_files import read_about_log
from tongban.log_question import NOTHING_ASKED, LogQuestion

TOLD = 5  # records that a sentence names
_SHOWS: Final = {
    Kind.CONTINUED: ("the log has only grown between the two checkpoints",
                     "两个检查点之间日志只增未改"),
    Kind.SPLIT_VIEW: ("this proves that the log showed two histories: keep the file",
                      "该文件证明日志向不同方展示了两段历史：请妥善保存"),
    Kind.REWRITTEN: ("this proves that the log's history was rewritten: keep the file",
                     "该文件证明日志的历史被改写：请妥善保存"),
    Kind.NOT_CONTINUED: ("this proves nothing by itself", "该文件本身不能证明什么"),
    Kind.PROMISE_BROKEN: ("this proves that the log broke its promise: keep the file and the copy",
                          "该文件证明日志未兑现承诺：请与日志副本一并保存"),
}  # fmt: skip
_CERTIFICATE = ("give the signer's certificate, had from its system, with --certificate",
                "请用 --certificate 给出签名方系统自有的证书")  # fmt: skip
_COPY = ("give a copy of the log, taken a minute or more later, with --log",
         "请用 --log 给出一分钟以后取得的日志副本")  # fmt: skip
_GIVE: Final = {
    "certificate": _CERTIFICATE,
    "enrolment": _CERTIFICATE,
    "entry": ("save the file again with `tongban audit who-asked --proof`",
              "请用 `tongban audit who-asked --proof` 重新保存该文件"),
    "entries": _COPY, "root": _COPY, "overdue": _COPY, "absent": _COPY,
}  # fmt: skip
# Whoever took a proof out of the log chose its records: that of a revocation may be left out.
MORE = ("; whether it holds others, later ones too, the log alone says",
         "；是否另有记录（包括之后的记录）须向日志查询")  # fmt: skip
OTHER_DOCUMENT = "RECEIPT_OF_ANOTHER_DOCUMENT"


def verify_file(
    path: Path, verifier_key: str, question: LogQuestion = NOTHING_ASKED
) -> dict[str, Any]:
    """Verify a saved receipt or proof, or evidence about the log, without any node.

    Raises InvalidArgument: BAD_RECEIPT for what is none of these.
    """
    document, quorum = question.document, question.quorum
    saved = read_about_log(path)
    if isinstance(saved, Evidence):
        answer = verify_evidence(saved, verifier_key, copy=question.copy, quorum=quorum)
        if document:
            answer = Answer(checks=(*answer.checks, _of_document(found=False)))
        return told(answer, *_SHOWS[saved.kind])
    if isinstance(saved, ToldAccesses):
        answer = verify_accesses(saved, verifier_key, quorum=quorum, openings=question.openings)
        if document:
            answer = Answer(checks=(*answer.checks, _of_document(found=False)))
        return told(answer, *_of_accesses(saved))
    if isinstance(saved, LogProof):
        answer = verify_leaves(saved, verifier_key, quorum=quorum)
        named = {saved.document}
        count = len(saved.leaves)
        good = f"{count} {'record' if count == 1 else 'records'} of this document in the log"
        words = (
            f"{good}: {acts(saved)}{MORE[0]}",
            f"日志中有该文件的 {count} 条记录：{acts(saved)}{MORE[1]}",
        )
    else:
        answer = verify_receipt(
            replace(saved, values={**saved.values, **question.openings}),
            verifier_key,
            quorum=quorum,
            certificate=question.certificate,
            enrolment=question.enrolment,
        )
        named = _named(saved.receipt.leaf)
        words = _of_receipt(saved)
    if document:
        answer = Answer(checks=(*answer.checks, _of_document(document in named)))
    found = told(answer, *words)
    if isinstance(saved, SavedReceipt) and not answer.failed():
        found["record"] = facts_of(saved.receipt.leaf)
    return found


def _of_accesses(saved: ToldAccesses) -> tuple[str, str]:
    of = len(saved.accesses)
    open_ = sum(bool(one.salt or one.entry) for one in saved.accesses)
    if open_ == of:
        return (f"all {of} records are in the log and about this number",
                f"全部 {of} 条记录均在日志中且与该号码有关")  # fmt: skip
    return (
        f"all {of} records are in the log, and {open_} of them are about this number; of the "
        "others, which are about many people, the node alone says so",
        f"全部 {of} 条记录均在日志中，其中 {open_} 条可证明与该号码有关；其余涉及多人，"
        "仅由节点说明",
    )


def _of_receipt(saved: SavedReceipt) -> tuple[str, str]:
    """What a receipt shows that holds: of the answer only where the file has it."""
    if "answer" in saved.values:
        if saved.proof:
            return ("the answer is the one that was logged, and it is in the log",
                    "应答与日志记载一致，且已在日志中")  # fmt: skip
        return ("the answer is the one that the node promised to log",
                "应答与节点承诺入日志的一致")  # fmt: skip
    if saved.proof:
        return ("the record is in the log; nothing else was compared with it",
                "该记录已在日志中；未与其他内容比对")  # fmt: skip
    return ("the node promised to log the record; nothing else was compared with it",
            "节点已承诺将该记录记入日志；未与其他内容比对")  # fmt: skip


def facts_of(leaf: bytes) -> dict[str, Any]:
    """Who did what and when, under which grant, as a verified leaf says."""
    record = json.loads(leaf)
    told_of = ("actor", "kind", "time", "grant", "resource", "items", "operation", "reason")
    return {name: record[name] for name in told_of if name in record}


def verify_copy(
    folder: Path, verifier_key: str, *, earlier: Sequence[str] = (), quorum: Quorum = NO_QUORUM
) -> dict[str, Any]:
    """Verify a whole copy of the log without any node.

    Witnesses, if any are asked for, are looked for on the newest checkpoint, and on the earlier
    ones, the newest first.
    """
    newest = read_file(folder / "checkpoint").decode(errors="replace")
    notes = sorted([newest, *earlier], key=size_of, reverse=True)
    witnessed = next((note for note in notes if _reaches(note, verifier_key, quorum)), "")
    answer = verify_log(
        folder, newest, verifier_key, earlier=earlier, quorum=quorum, witnessed=witnessed
    )
    size = size_of(newest)
    return told(answer, f"all {size} records are as signed", f"全部 {size} 条记录与签名一致")


def _reaches(note: str, verifier_key: str, quorum: Quorum) -> bool:
    checks = Checks(quorum)
    checks.cosignatures("cosignatures", note, checks.key(verifier_key))
    return checks.answer().passed


def _of_document(found: bool) -> LogCheck:
    """The check of the document that the verifier has."""
    return LogCheck(
        name="document",
        outcome=Outcome.PASSED if found else Outcome.FAILED,
        detail="it is of the file given" if found else "it is not of the file given",
        detail_zh="属于所给的文件" if found else "不属于所给的文件",
    )


def _named(leaf: bytes) -> set[str]:
    """The documents that a leaf names; none where it does not read."""
    try:
        record = json.loads(leaf)
    except (ValueError, RecursionError):
        return set()
    return documents_of(record) if isinstance(record, dict) else set()


def documents_in(saved: SavedReceipt | LogProof) -> set[str]:
    """The documents that a receipt or proof names, by their SHA-256; unverified, perhaps none."""
    return {saved.document} if isinstance(saved, LogProof) else _named(saved.receipt.leaf)


def act_of(leaf: bytes) -> str:
    """What a leaf, a JSON object, says was done and when."""
    record = json.loads(leaf)
    return plain(f"{record.get('kind', '')}, {record.get('time', '')}")


def acts(saved: LogProof) -> str:
    """The newest records of a proof whose leaves were verified."""
    try:
        told_of = [act_of(one.leaf) for one in saved.leaves[-TOLD:]]
    except (ValueError, RecursionError, AttributeError):
        return ""  # a check has failed, and tells
    return "; ".join(["…"] * (len(saved.leaves) > TOLD) + told_of)


def size_of(checkpoint: str) -> int:
    """The size that a checkpoint's second line states. Raises InvalidArgument."""
    lines = checkpoint.split("\n")
    if len(lines) < 3 or not (lines[1].isascii() and lines[1].isdigit() and len(lines[1]) < 19):
        raise InvalidArgument(
            "that is not a checkpoint of a log: save one with `tongban audit checkpoint`",
            reason="BAD_CHECKPOINT",
            message_zh="这不是日志检查点：请用 `tongban audit checkpoint` 保存",
        )
    return int(lines[1])


def told(answer: Answer, good: str, good_zh: str) -> dict[str, Any]:
    """An answer as data: its outcome, one sentence, and every check."""
    indication, failed, lacking = "PASSED", ", ".join(answer.failed()), ", ".join(answer.open())
    if failed or not answer.checks:
        indication = "FAILED"
        good, good_zh = f"these checks failed: {failed}", f"未通过的检查：{failed}"
    elif lacking:
        indication = "INDETERMINATE"
        wanted = list(dict.fromkeys(_wanted(name) for name in answer.open()))
        good = f"what is there holds, and there was nothing to check {lacking} by" + "".join(
            f"; {say_en}" for say_en, _ in wanted if say_en
        )
        good_zh = f"已有内容均成立，但缺少以下检查所需的内容：{lacking}" + "".join(
            f"；{say_zh}" for _, say_zh in wanted if say_zh
        )
    return {
        "indication": indication,
        "summary": good,
        "summary_zh": good_zh,
        "checks": [
            {
                "name": check.name,
                "outcome": check.outcome.value,
                "detail": check.detail,
                "detail_zh": check.detail_zh,
            }
            for check in answer.checks
        ],
    }


def _wanted(check: str) -> tuple[str, str]:
    """What to give so that a check can be made."""
    name, _, label = check.partition(":")
    if name == "opening":
        return (f"give the plain value with --opening {label}=…, or the receipt that was saved "
                "with the answer",
                f"请用 --opening {label}=… 给出原文，或使用随应答一并保存的回执")  # fmt: skip
    return _GIVE.get(name, ("", ""))


def print_told(found: dict[str, Any]) -> None:
    """An answer of `told` as a sentence, the record that it is of, and a table of its checks."""
    print_answer(found["indication"], say(found["summary"], found["summary_zh"]))
    if record := found.get("record"):
        for name, value in record.items():
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            out.print(Text(f"  {name} {plain(text)}", "dim"))
    print_table(
        say("Checks", "检查项"),
        (say("check", "检查项"), say("outcome", "结果"), say("found", "说明")),
        [
            (c["name"], word(c["outcome"]), say(c["detail"], c["detail_zh"]))
            for c in found["checks"]
        ],
    )
