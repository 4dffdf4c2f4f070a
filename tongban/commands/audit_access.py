"""`tongban audit who-asked`: what the log has of who asked for an applicant's data."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.audit.entries import Entry
from exchange.audit.proved import ProvenLeaf
from exchange.audit.told import GREATEST_ACCESSES, ToldAccess, ToldAccesses, accesses_to_json
from exchange.v1 import audit_pb2, query_pb2
from runtime.clock import CHINA
from runtime.errors import InvalidArgument
from tongban.client import Client, plain
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    print_json,
    print_table,
    say,
    with_example,
)
from tongban.files import read_file, write_file

app = typer.Typer(no_args_is_help=True)
PAGE = 200
#: An index that is further behind than this is told to be; a second or two it always is.
BEHIND = timedelta(seconds=5)
GREATEST_KEY_FILE = 1000  # bytes


@app.command(
    "who-asked",
    help=with_example(
        "Tell an identified applicant who asked for their data. Needs the identity of a counter.",
        "tongban audit who-asked --case SF-2026-0001 --key-file number.txt",
    ),
)
def who_asked(
    case_number: Annotated[
        str, typer.Option("--case", help="The case that the applicant was identified for.")
    ],
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file", help="File with the applicant's number; standard input if none."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 1000,
    proof: Annotated[
        Path | None,
        typer.Option(
            "--proof",
            help="Save the records with their proofs there, for the applicant: at most the newest "
            f"{GREATEST_ACCESSES}. `tongban audit verify` checks the file offline.",
        ),
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """The number comes from a file, standard input or TONGBAN_KEY, never from the command line."""
    with outcomes(as_json=as_json), Client(node, identity) as client:
        key = _key(key_file)
        request = query_pb2.MyAccessRequest(key=key, case_number=case_number)
        found: list[query_pb2.PastAccess] = []
        first: query_pb2.MyAccessResponse | None = None
        while len(found) < limit:
            request.page_size = min(PAGE, limit - len(found))
            answer = client.queries.MyAccess(request, timeout=client.timeout)
            first = first or answer
            found += answer.accesses
            request.page_token = answer.next_page_token
            if not request.page_token:
                break
        if proof and found:
            write_file(proof, _proven(client, key, found[:GREATEST_ACCESSES]).encode())
        if as_json:
            whole = {} if first is None else {**plain(first)}
            whole.pop("next_page_token", None)
            print_json({**whole, "accesses": [_plain(one) for one in found]})
            return
        if not found and first is not None and first.erased:
            out.print(say("No question can be told of.", "没有可告知的查询记录。"))
        elif not found:
            out.print(say("Nobody asked, as far as the log goes.", "日志中没有查询记录。"))
        else:
            print_table(
                say("Who asked", "谁查询过"),
                (say("time", "时间"), say("system", "系统"), say("how", "方式"),
                 say("resource", "信息资源"), say("items", "信息项"),
                 say("what the grant is for", "授权用途"),
                 say("purpose asked with (commitment)", "本次用途（承诺值）"),
                 say("case (commitment)", "办件编号（承诺值）"), say("log index", "日志序号")),
                [_row(one) for one in found],
            )  # fmt: skip
            out.print(
                say(
                    "Purpose and case of each question stand in the log as commitments. Ask the "
                    "department for both; tongban audit verify FILE --opening purpose=… "
                    "--opening case_number=… tells whether they are what it asked with (FILE of "
                    "--proof).",
                    "每次查询的用途和办件编号在日志中只有承诺值。可请查询部门告知原文，再用 "
                    "tongban audit verify 文件 --opening purpose=… --opening case_number=… "
                    "核对（文件由 --proof 生成）。",
                ),
                markup=False,
            )
        if first is not None:
            _print_limits(first, any_found=bool(found))


def _print_limits(answer: query_pb2.MyAccessResponse, *, any_found: bool) -> None:
    """Up to when the answer is complete, and what nobody can tell any more."""
    until = answer.complete_time.ToDatetime(UTC)
    at, size = _when(until), answer.complete_size
    out.print(
        say(
            f"Complete up to {at}: the log's records below index {size}.",
            f"完整截至 {at}：日志序号 {size} 之前的记录。",
        ),
        markup=False,
    )
    if datetime.now(UTC) - until > BEHIND:
        out.print(
            say(
                "What was asked since is still being indexed: ask again in some minutes.",
                "此后的查询仍在编入索引：请过几分钟再查。",
            ),
            markup=False,
        )
    if not answer.erased:
        return
    out.print(
        say(
            f"The salts of {answer.erased} of the log's records were erased: whom these were about "
            "nobody can tell any more.",
            f"日志中有 {answer.erased} 条记录的盐值已被清除：已无人能说明这些记录与谁有关。",
        )
        + ("" if any_found else say(' It does not mean "nobody asked".', "这不表示没有人查询过。")),
        markup=False,
    )
    print_table(
        say("Salts erased", "已清除的盐值"),
        (say("time", "时间"), say("by", "操作系统"), say("records", "记录数"),
         say("of", "记录起"), say("to", "记录止"), say("log index", "日志序号")),
        [(_when(one.time.ToDatetime(UTC)), one.actor, one.erased,
          _when(one.first_time.ToDatetime(UTC)), _when(one.last_time.ToDatetime(UTC)),
          one.index if one.HasField("index") else "") for one in answer.erasures],
    )  # fmt: skip


def _when(at: datetime) -> str:
    return f"{at.replace(tzinfo=UTC).astimezone(CHINA):%Y-%m-%d %H:%M:%S}"


def _key(file: Path | None) -> str:
    if file:
        text = read_file(file).decode(errors="replace")
    else:  # who pipes a number in means that one, whatever the variable holds
        piped = "" if sys.stdin.isatty() else sys.stdin.readline()
        text = piped.strip() or os.environ.get("TONGBAN_KEY", "") or sys.stdin.readline()
    key = text.strip()
    if not key or len(text) > GREATEST_KEY_FILE:
        raise InvalidArgument(
            "give the applicant's number in a file (--key-file) or on standard input",
            reason="KEY_MISSING",
            message_zh="请用文件（--key-file）或标准输入给出申请人的号码",
        )
    return key


def _proven(client: Client, key: str, found: Sequence[query_pb2.PastAccess]) -> str:
    """The applicant's file."""
    told = []
    for one in found:
        request = audit_pb2.GetInclusionProofRequest(index=one.index)
        answer = client.audit.GetInclusionProof(request, timeout=client.timeout)
        proven = ProvenLeaf(index=one.index, leaf=one.leaf, proof=answer.proof)
        told.append(ToldAccess(proven=proven, salt=one.salt, entry=own_entry(one)))
    return accesses_to_json(ToldAccesses(key=key, accesses=tuple(told)))


def own_entry(one: query_pb2.PastAccess) -> Entry | None:
    """The applicant's own entry in a record about many, where the node told it."""
    if not one.HasField("entry"):
        return None
    return Entry(
        position=one.entry.position,
        salt=one.entry.salt,
        path=tuple(one.entry.path),
        asked_salt=one.entry.asked_salt,
    )


def _plain(one: query_pb2.PastAccess) -> dict[str, Any]:
    """`purpose` is the grant's; of the question's own the log holds commitments alone."""
    told = plain(one)
    told["grant_purpose"] = told["purpose"]
    for label in ("purpose", "case_number"):
        told[f"asked_{label}_commitment"] = _commitments(one).get(label, "")
    return told


def _commitments(one: query_pb2.PastAccess) -> dict[str, str]:
    leaf = json.loads(one.leaf)
    # Of one about many, what the applicant can open.
    found = {**leaf.get("commitments", {}), **leaf.get("entries", {})}
    return {label: str(value) for label, value in found.items()}


def _row(one: query_pb2.PastAccess) -> tuple[object, ...]:
    return (
        _when(one.time.ToDatetime(UTC)),
        one.actor,
        one.kind,
        one.resource,
        ", ".join(one.items),
        one.purpose,
        _commitments(one).get("purpose", "")[:12],
        _commitments(one).get("case_number", "")[:12],
        one.index,
    )
