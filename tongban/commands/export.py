"""`tongban export`: all records that a grant shows, into a file."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path
from typing import Annotated

import typer

from exchange.audit.saved import SavedReceipt
from exchange.v1 import grants_pb2
from runtime import names
from tongban.client import Client
from tongban.commands.data import Sign
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    print_json,
    say,
)
from tongban.files import check_folder, check_new, write_new
from tongban.receipts import save_proof


def export(
    grant: Annotated[str, typer.Argument(help="A grant of your department.")],
    to: Annotated[Path, typer.Option("--out", help="A new CSV file.")],
    purpose: Annotated[str, typer.Option(help="What it is for.")],
    case_number: Annotated[str, typer.Option("--case", help="The case it serves.")],
    sign: Sign = False,
    receipts: Annotated[
        Path | None, typer.Option("--receipts", help="A folder for the receipt of each page.")
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write all records that a grant shows into a CSV file in UTF-8, its items as columns.

    Example: tongban export departments/human-resources/grants/cd34 --out people.csv
    --purpose 就业登记 --case 2026-0001
    """
    pages = itertools.count(1)

    def keep(_: str, saved: SavedReceipt) -> None:
        if receipts is not None:
            save_proof(receipts / f"receipt-{next(pages):05}.json", saved)

    with outcomes(as_json=as_json), Client(node, identity, sign=sign, keep=keep) as client:
        names.parse(names.GRANT, grant, field="grant")
        check_new(to)
        if receipts is not None:
            check_folder(receipts)
        given = client.grants.GetGrant(
            grants_pb2.GetGrantRequest(name=grant), timeout=client.timeout
        ).grant
        text = io.StringIO()
        rows = csv.DictWriter(text, [item.item for item in given.items], restval="")
        rows.writeheader()
        count = 0
        for page in client.export(grant, purpose=purpose, case_number=case_number):
            rows.writerows(dict(record.items) for record in page.records)
            count += len(page.records)
        write_new(to, text.getvalue().encode())
        if as_json:
            print_json({"records": count, "file": str(to)})
        else:
            out.print(say(f"{count:,} records in {to}", f"已导出 {count:,} 条记录至 {to}"))
