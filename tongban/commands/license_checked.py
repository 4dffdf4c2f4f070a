"""What `tongban license check` says of each file: a row, a table, a sheet.

A file that was not looked at has a row, too: who was given thirteen files reads of thirteen.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from licenses.v1 import licenses_pb2
from licenses.v1 import verifying_pb2 as pb
from runtime.errors import DomainError, InvalidArgument
from seal.v1 import seal_pb2
from tongban.client import plain
from tongban.console import print_answer, print_table, say

_SUFFIXES: Final = {".ofd", ".pdf", ".jwt"}
#: How an OFD (a ZIP), a PDF and an SD-JWT begin, whatever their names end with.
_HEADS: Final = (b"PK\x03\x04", b"%PDF-", b"eyJ")
_COLUMNS: Final = (
    "file", "indication", "reason", "license_identifier", "license_type", "as_of", "state_then",
    "state", "not_compared", "purpose", "receiver", "valid_to", "summary", "summary_zh",
)  # fmt: skip


def files_of(path: Path) -> Iterator[Path]:
    """A file, or all in a folder but for hidden ones. Raises InvalidArgument, NO_FILES."""
    if not path.is_dir():
        yield path
        return
    found = sorted(one for one in path.rglob("*") if one.is_file() and one.name[0] != ".")
    if not any(is_looked_at(one) for one in found):
        raise InvalidArgument(
            f"{path} holds no .ofd, .pdf or .jwt files",
            reason="NO_FILES",
            message_zh=f"{path} 中没有 .ofd、.pdf 或 .jwt 文件",
        )
    yield from found


def is_looked_at(file: Path) -> bool:
    """Whether a file in a folder may be a license: by its name's end, or by how it begins."""
    if file.suffix.lower() in _SUFFIXES:
        return True
    try:
        with file.open("rb") as opened:
            return opened.read(8).startswith(_HEADS)
    except OSError:
        return True  # its row says why it cannot be read


def not_looked_at(file: Path) -> dict[str, Any]:
    """The row of a file that is none of the forms."""
    return _undetermined(
        file,
        "NOT_LOOKED_AT",
        "not looked at: it is no OFD, PDF or SD-JWT",
        "未核验：不是 OFD、PDF 或 SD-JWT 文件",
    )


def not_checked(file: Path, error: DomainError | OSError) -> dict[str, Any]:
    """The row of a file that was not checked: empty, too large, unreadable, refused."""
    if isinstance(error, DomainError):
        return _undetermined(file, error.reason, error.message, error.message_zh)
    return _undetermined(file, "FILE_UNREADABLE", error.strerror or "", "文件无法读取")


def plainly(answer: pb.VerifyLicenseResponse, *, as_of: str = "") -> dict[str, Any]:
    """An answer as it is printed; `not_compared`: what the verifier has to compare."""
    verdict, endorsement = answer.verdict, answer.endorsement
    left = [
        say(one.detail, one.detail_zh)
        for one in verdict.checks
        if one.indication == seal_pb2.INDICATION_INDETERMINATE
    ]
    told: dict[str, Any] = {
        "indication": _indication(verdict.indication),
        "reason": verdict.sub_indication,
        "summary": verdict.summary,
        "summary_zh": verdict.summary_zh,
        "license_identifier": answer.license_identifier,
        "license_type": answer.license_type_display_name,
        "as_of": as_of,
        "state": _state(answer.state),
        "state_then": _state(answer.state_then),
        "not_compared": "; ".join(left),
        "checks": [
            {"name": one.name, "indication": _indication(one.indication), "detail": one.detail}
            for one in verdict.checks
        ],
        "receipt": plain(answer.receipt),
    }
    if answer.HasField("endorsement"):
        told["endorsement"] = plain(endorsement)
    return told


def print_one(told: dict[str, Any]) -> None:
    """One answer, with the license and what a copy is for."""
    print_answer(told["indication"], say(told["summary"], told["summary_zh"]))
    if not told["license_type"]:
        return
    rows = [(say("state", "状态"), told["state"])]
    if told["license_identifier"]:
        rows.insert(0, (say("identifier", "证照标识"), told["license_identifier"]))
    if told["as_of"]:
        rows.append((say("as of", "所询时间"), told["as_of"]))
    if told["state_then"]:
        rows.append((say("state then", "当时状态"), told["state_then"]))
    for key, value in told.get("endorsement", {}).items():
        rows.append((key, value))
    print_table(told["license_type"], (say("field", "字段"), say("value", "值")), rows)


def print_folder(found: Sequence[dict[str, Any]]) -> None:
    """A row for each file; where a time was asked about, with the state then and now."""
    timed = any(one["as_of"] for one in found)
    table = []
    for one in found:
        copy = one.get("endorsement", {})
        for_whom = f"{copy['receiver']} · {copy['valid_to']}" if copy else ""
        row = [one["file"], one["indication"], one["reason"], one["license_identifier"], for_whom]
        table.append([*row, one["not_compared"]])
        if timed:
            table[-1] += [one["as_of"], one["state_then"], one["state"]]
    headings = [
        say("file", "文件"), say("answer", "结果"), say("reason", "原因"),
        say("identifier", "证照标识"), say("copy for, until", "加注件接收方、有效至"),
        say("left to compare", "须自行核对"),
    ]  # fmt: skip
    if timed:
        headings += [say("as of", "所询时间"), say("state then", "当时状态"), say("now", "现在")]
    print_table(say("Licenses", "证照"), headings, table)


def sheet_of(found: Sequence[dict[str, Any]]) -> bytes:
    """What came of each file, as CSV that a spreadsheet opens."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore", restval="")
    writer.writeheader()
    writer.writerows({**one.get("endorsement", {}), **one} for one in found)
    return text.getvalue().encode("utf-8-sig")


def _undetermined(file: Path, reason: str, summary: str, summary_zh: str) -> dict[str, Any]:
    return {
        "file": str(file),
        "indication": "INDETERMINATE",
        "reason": reason,
        "summary": summary,
        "summary_zh": summary_zh,
        "license_identifier": "",
        "license_type": "",
        "as_of": "",
        "state": "",
        "state_then": "",
        "not_compared": "",
    }


def _indication(of: seal_pb2.Indication.ValueType) -> str:
    return seal_pb2.Indication.Name(of).removeprefix("INDICATION_")


def _state(state: licenses_pb2.LicenseState.ValueType) -> str:
    name = licenses_pb2.LicenseState.Name(state).removeprefix("LICENSE_STATE_")
    return "" if name == "UNSPECIFIED" else name
