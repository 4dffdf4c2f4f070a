"""`tongban query`: what is held of one record, or of many, now or at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from runtime import names
from runtime.errors import InvalidArgument
from runtime.records import instant
from tongban.client import Client
from tongban.commands.data import CaseNumber, Grant, Purpose, Sign
from tongban.commands.grant_oversight import moment_of
from tongban.commands.query_many import Many
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    Exit,
    IdentityFolder,
    Json,
    NodeAddress,
    err,
    out,
    outcomes,
    print_json,
    print_table,
    say,
)
from tongban.files import check_apart
from tongban.receipts import save_receipt


def query(
    grant: Grant,
    purpose: Purpose,
    case_number: CaseNumber,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            envvar="TONGBAN_KEY",
            help="Value of the key item; best by prompt or variable, so that no shell keeps it.",
        ),
    ] = None,
    keys_file: Annotated[
        Path | None,
        typer.Option(
            "--keys-file",
            help="Ask for many: a key on each line, - is standard input. One JSON line for each, "
            "in order.",
        ),
    ] = None,
    item: Annotated[list[str] | None, typer.Option(help="An item; all granted if none.")] = None,
    at: Annotated[
        str,
        typer.Option(help="As of a time: YYYY-MM-DD (noon) or RFC 3339; empty is now."),
    ] = "",
    receipt: Annotated[
        Path | None,
        typer.Option(
            "--receipt", help="Save the receipt there; of many keys, a folder for all of them."
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="With --keys-file: a new file for the lines.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="With --out: go on after the last line that is there.")
    ] = False,
    from_line: Annotated[
        int, typer.Option(min=1, help="With --keys-file: begin with this line of it.")
    ] = 1,
    sign: Sign = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Query the granted items of one record, or of many. Exit code 1 where there is no record.

    Example: tongban query departments/human-resources/grants/cd34
    --purpose 就业登记 --case 2026-0001 --receipt receipt.json
    """
    with outcomes(as_json=as_json):
        names.parse(names.GRANT, grant, field="grant")
        then = moment_of(at) if at else None
        if keys_file is None and (to or resume or from_line > 1):
            raise InvalidArgument(
                "--out, --resume and --from-line go with --keys-file",
                message_zh="--out、--resume、--from-line 须与 --keys-file 一同使用",
            )
        if resume and to is None:
            raise InvalidArgument(
                "--resume goes with --out: it goes on after the last line of that file",
                message_zh="--resume 须与 --out 一同使用：从该文件的最后一行之后续查",
            )
        if keys_file is not None:
            if to is not None:
                check_apart(keys_file, to)
            with Client(node, identity, sign=sign) as client:
                many = Many(
                    client=client,
                    grant=grant,
                    file=keys_file,
                    items=tuple(item or ()),
                    purpose=purpose,
                    case_number=case_number,
                    read_time=then,
                    out=to,
                    resume=resume,
                    from_line=from_line,
                    receipts=receipt,
                    signed=sign,
                )
                many.ask()
            err.print(
                say(
                    f"{many.found} of {many.answered} keys have a record",
                    f"{many.answered} 个主键中，{many.found} 个有记录",
                ),
                markup=False,
            )
            if many.answered and not many.found:
                raise typer.Exit(Exit.NO)
            return
        if key is None:
            key = str(typer.prompt(say("Key", "主键"), hide_input=True))
        with Client(node, identity, sign=sign) as client:
            _query_one(
                client, grant, key, item or (), purpose, case_number, then, receipt, sign, as_json
            )


def _query_one(
    client: Client,
    grant: str,
    key: str,
    items: Sequence[str],
    purpose: str,
    case_number: str,
    then: datetime | None,
    receipt: Path | None,
    sign: bool,
    as_json: bool,
) -> None:
    request = client.query_request(
        grant, key, items=items, purpose=purpose, case_number=case_number, read_time=then
    )
    answer = client.queries.Query(request, timeout=client.timeout)
    if as_json:
        print_json({"found": answer.found, "items": dict(sorted(answer.items.items()))})
    elif answer.found:
        print_table(
            say("Record", "记录"),
            (say("item", "信息项"), say("value", "值")),
            sorted(answer.items.items()),
        )
    else:
        out.print(say("No record has this key.", "没有该标识的记录。"))
    if receipt:
        # After the answer was shown: it is logged and counted, whatever becomes of the file,
        # and what becomes of it is told on standard error.
        with outcomes():
            save_receipt(
                receipt,
                answer.receipt,
                request={"grant": grant, "key": key, "items": list(items),
                         "purpose": purpose, "case_number": case_number,
                         **({} if then is None else {"read_time": instant(then)})},
                answer={"found": answer.found, "items": dict(answer.items)},
                certificate=client.certificate if sign else b"",
                nonce=request.signature.nonce,
            )  # fmt: skip
    if not answer.found:
        raise typer.Exit(Exit.NO)
