"""What an applicant takes away: who looked, each look with what proves it, whole, as one ZIP.

1. Files of `tongban-accesses/v1`, at most 256 records each, as `tongban audit verify` and the page
   that verifies read them: `records-*.json` of departments' questions, `licenses-*.json` of looks
   at licenses by others. `looks.json` says of these what the log only commits to, such as purposes.
2. A record about several holders comes without its salt: it opens to none of them alone.
3. Nothing is left out silently: the file `README.txt` says up to when it is whole, how many records
   were not proved yet, and where there are more than one download holds.
4. It is work (`working`): each record is proved by itself, so many of them take a while.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from exchange.v1 import audit_pb2
from portal.applicant.asking import SECONDS, Asking
from portal.node import told
from portal.sessions.keeping import Person
from portal.working import Work
from runtime.clock import CHINA
from runtime.errors import DomainError
from runtime.records import commit

GREATEST_FILE: Final = 256
GREATEST_RECORDS: Final = 10_000
AT_ONCE: Final = 8
_NOT_YET: Final = frozenset({"NOT_YET_SEQUENCED", "LEAF_NOT_FOUND", "INDEX_OUT_OF_RANGE"})


@dataclass(slots=True, kw_only=True)
class Taken:
    """What was collected for one download."""

    accesses: list[dict[str, Any]] = field(default_factory=list)
    licenses: list[dict[str, Any]] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)
    until: str = ""
    unproved: int = 0
    cut: bool = False


@dataclass(slots=True, kw_only=True)
class Download:
    """What a download's pages tell of it, and the ZIP when it is made."""

    file: bytes = b""
    records: int = 0
    saved: bool = False


def work_of(node: str) -> Work:
    """The work of making the ZIP; begun anew where it could not go on."""
    about = Download()

    async def run(work: Work, person: Person) -> None:
        ask, taken = Asking(person, node), Taken()
        work.done = 0
        await _accesses(ask, taken, work)
        await _looks(ask, taken, work)
        about.file = await asyncio.to_thread(_packed, ask.code, taken)
        about.records = len(taken.accesses) + len(taken.licenses)
        work.end("PASSED")

    return Work(run=run, about=about)


async def _accesses(ask: Asking, taken: Taken, work: Work) -> None:
    token = ""
    while True:
        page = await ask.accesses(token, size=200)
        if not taken.until:
            at = page.complete_time.ToDatetime(UTC).astimezone(CHINA)
            taken.until = at.strftime("%Y-%m-%d %H:%M:%S")
        found = list(page.accesses)
        for start in range(0, len(found), AT_ONCE):
            some = found[start : start + AT_ONCE]
            for one in await asyncio.gather(*(_proved(ask, access) for access in some)):
                if one is None:
                    taken.unproved += 1
                else:
                    taken.accesses.append(one)
                work.done += 1
        token = page.next_page_token
        if not token:
            return
        if len(taken.accesses) >= GREATEST_RECORDS:
            taken.cut = True
            return


async def _proved(ask: Asking, access: Any) -> dict[str, Any] | None:
    """A record with its proof; None of one of the last second, whose proof is not there yet."""
    asked = audit_pb2.GetInclusionProofRequest(index=access.index)
    try:
        proof = (await told(ask.audit.GetInclusionProof(asked, timeout=SECONDS))).proof
    except DomainError as error:
        if error.reason in _NOT_YET:
            return None
        raise
    return {
        "index": access.index,
        "leaf": _encoded(access.leaf),
        "salt": _encoded(access.salt),
        "proof": proof,
        **({"entry": _entry(access.entry)} if access.HasField("entry") else {}),
    }


async def _looks(ask: Asking, taken: Taken, work: Work) -> None:
    token, seen = "", set()
    while True:
        page = await ask.looks(token, size=200)
        taken.looks.extend(_look(one) for one in page.looks)
        fresh = {one.receipt.leaf: one.receipt.salt for one in page.looks if one.receipt.leaf}
        found = [(leaf, salt) for leaf, salt in fresh.items() if leaf not in seen]
        seen |= set(fresh)
        for start in range(0, len(found), AT_ONCE):
            some = found[start : start + AT_ONCE]
            for one in await asyncio.gather(*(_located(ask, *leaf) for leaf in some)):
                if one is None:
                    taken.unproved += 1
                else:
                    taken.licenses.append(one)
                work.done += 1
        token = page.next_page_token
        if not token:
            return
        if len(taken.looks) >= GREATEST_RECORDS:
            taken.cut = True
            return


async def _located(ask: Asking, leaf: bytes, salt: bytes) -> dict[str, Any] | None:
    """A look's record with its proof; None of one that the log does not have yet."""
    asked = audit_pb2.GetInclusionProofRequest(leaf=leaf)
    try:
        found = await told(ask.audit.GetInclusionProof(asked, timeout=SECONDS))
    except DomainError as error:
        if error.reason in _NOT_YET:
            return None
        raise
    commitments = json.loads(leaf).get("commitments", {})
    own = commitments.get("holder_code") == commit(salt, "holder_code", ask.code.encode())
    return {
        "index": found.index,
        "leaf": _encoded(leaf),
        "salt": _encoded(salt if own else b""),
        "proof": found.proof,
    }


def _look(one: Any) -> dict[str, Any]:
    return {
        "license": one.license,
        "time": one.time.ToDatetime(UTC).isoformat(),
        "system": one.system,
        "kind": one.kind,
        "fields": list(one.fields),
        "purpose": one.purpose,
        "result": one.result,
        "delegation": one.delegation,
        "agent": one.agent_name,
        "visitor": one.visitor,
        "leaf_hash": _encoded(one.receipt.leaf_hash),
    }


def _packed(key: str, taken: Taken) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("README.txt", _readme(taken))
        for title, records in (("records", taken.accesses), ("licenses", taken.licenses)):
            records.sort(key=lambda one: -int(one["index"]))
            for number, start in enumerate(range(0, len(records), GREATEST_FILE), 1):
                some = records[start : start + GREATEST_FILE]
                body = {"format": "tongban-accesses/v1", "key": key, "accesses": some}
                packed.writestr(f"{title}-{number}.json", _json(body))
        if taken.looks:
            packed.writestr(
                "looks.json", _json({"format": "tongban-looks/v1", "looks": taken.looks})
            )
    return file.getvalue()


def _readme(taken: Taken) -> str:
    said: Sequence[tuple[str, str]] = (
        (
            f"谁看过我的数据：部门查询记录 {len(taken.accesses)} 条，证照查看记录 "
            f"{len(taken.looks)} 条；查询记录完整截至 {taken.until}。",
            f"Who looked at my data: {len(taken.accesses)} records of departments, "
            f"{len(taken.looks)} looks at licenses; records are whole up to {taken.until}.",
        ),
        (
            "将本压缩包放到“核验”页面即可核验；或解压后用 tongban audit verify 逐个核验 "
            "records-*.json（部门查询）和 licenses-*.json（他人查看证照）：每条记录附有日志的"
            "包含证明。looks.json 另列用途等说明，不作为证明。文件含有您的证件号码，请谨慎转交。",
            "Verify this package on the page “Verify”, or unpacked by `tongban audit verify`: "
            "records-*.json (questions of departments) and licenses-*.json (looks at licenses by "
            "others) have each record's proof of inclusion in the log. looks.json adds purposes "
            "and the like, and proves nothing. The files hold your number: mind whom you give "
            "them to.",
        ),
        (
            f"另有 {taken.unproved} 条刚刚发生，日志尚未收录，未列入：请稍后重新下载。",
            f"{taken.unproved} records of the last seconds are not in the log yet and not here: "
            "download again later.",
        )
        if taken.unproved
        else ("没有遗漏未收录的记录。", "No record was left out for want of a proof."),
        (
            "记录过多，一次下载只含较新的部分：其余请在柜台索取。",
            "There are more records than one download holds; the newest are here. Ask a counter "
            "for the rest.",
        )
        if taken.cut
        else ("记录已全部包含。", "All records are here."),
    )
    return "\n\n".join(f"{chinese}\n{english}" for chinese, english in said) + "\n"


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _entry(entry: Any) -> dict[str, Any]:
    return {
        "position": entry.position,
        "salt": _encoded(entry.salt),
        "path": [_encoded(value) for value in entry.path],
        "asked_salt": _encoded(entry.asked_salt),
    }


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
