"""`tongban export`: all records that a grant shows, into a file."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from exchange.v1 import grants_pb2, query_pb2
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
from tongban.files import check_new, write_new

PAGE = 5_000


def export(
    grant: Annotated[str, typer.Argument(help="A grant of your department.")],
    to: Annotated[Path, typer.Option("--out", help="A new CSV file.")],
    purpose: Annotated[str, typer.Option(help="What it is for.")],
    case_number: Annotated[str, typer.Option("--case", help="The case it serves.")],
    sign: Sign = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write all records that a grant shows into a CSV file in UTF-8, its items as columns.

    Example: tongban export departments/human-resources/grants/cd34 --out people.csv
    --purpose 就业登记 --case 2026-0001
    """
    with outcomes(as_json=as_json), Client(node, identity, sign=sign) as client:
        names.parse(names.GRANT, grant, field="grant")
        check_new(to)
        given = client.grants.GetGrant(
            grants_pb2.GetGrantRequest(name=grant), timeout=client.timeout
        ).grant
        text = io.StringIO()
        rows = csv.DictWriter(text, [item.item for item in given.items], restval="")
        rows.writeheader()
        count, token = 0, ""
        while True:
            request = query_pb2.ExportRequest(
                grant=grant,
                purpose=purpose,
                case_number=case_number,
                page_size=PAGE,
                page_token=token,
            )
            client.sign("Export", request)
            page = client.queries.Export(request, timeout=client.timeout)
            rows.writerows(dict(record.items) for record in page.records)
            count, token = count + len(page.records), page.next_page_token
            if not token:
                break
        write_new(to, text.getvalue().encode())
        if as_json:
            print_json({"records": count, "file": str(to)})
        else:
            out.print(say(f"{count:,} records in {to}", f"已导出 {count:,} 条记录至 {to}"))
