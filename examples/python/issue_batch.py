"""Issues a license for each line of a CSV file: `issue_batch.py SHEET PARENT LICENSE-TYPE`.

The columns are holder_name, holder_code, row_key and fields (KZ_*). Rows are read as they are sent,
so a file may be as long as a batch may. The request's id is made of the file: run it again, and it
goes on with the same batch. `TONGBAN_NODE` is host:port (127.0.0.1:7443 if not set),
`TONGBAN_IDENTITY` an identity folder (`identity`).
"""

# ruff: noqa: T201  # a program for a terminal

import csv
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import grpc

from licenses.v1 import batches_pb2 as pb
from runtime.status import from_rpc_error
from tongban.client import Client

ROWS_PER_MESSAGE = 500

sheet, parent, license_type = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def rows() -> Iterator[pb.IssueBatchRow]:
    """The lines of the file, one at a time."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            row = pb.IssueBatchRow(row_key=line["row_key"])
            row.holders.add(name=line["holder_name"], code=line["holder_code"])
            row.fields.update({k: v for k, v in line.items() if k.startswith("KZ_") and v})
            yield row


def messages() -> Iterator[pb.CreateIssueBatchRequest]:
    """A header, the rows some hundred at a time, and a last message: nothing runs before it."""
    asked = hashlib.sha256(sheet.read_bytes() + f"{parent} {license_type}".encode()).hexdigest()
    yield pb.CreateIssueBatchRequest(
        header=pb.IssueBatchHeader(parent=parent, license_type=license_type, request_id=asked)
    )
    coming = rows()
    while part := list(islice(coming, ROWS_PER_MESSAGE)):
        yield pb.CreateIssueBatchRequest(rows=part)
    yield pb.CreateIssueBatchRequest(last=True)


address = os.environ.get("TONGBAN_NODE", "127.0.0.1:7443")
identity = Path(os.environ.get("TONGBAN_IDENTITY", "identity"))

with Client(address, identity) as node:
    try:
        batch = node.batches.CreateIssueBatch(messages(), timeout=600).issue_batch
        while batch.state == pb.ISSUE_BATCH_STATE_RUNNING:
            time.sleep(1)
            asked = pb.GetIssueBatchRequest(name=batch.name)
            batch = node.batches.GetIssueBatch(asked, timeout=30).issue_batch
        print(f"{batch.issued_count} of {batch.row_count} issued")
        refused = pb.ListIssueBatchResultsRequest(
            parent=batch.name, state=pb.ISSUE_BATCH_ROW_STATE_FAILED
        )
        for one in node.every(node.batches.ListIssueBatchResults, refused, "results"):
            print(f"row {one.number}: {one.reason}: {'; '.join(one.violations)}")
    except grpc.RpcError as failed:
        error = from_rpc_error(failed)
        sys.exit(f"{error.reason}: {error.message}")
