"""Asks for one record under a grant and checks the receipt: `query.py GRANT LOG-KEY-FILE`.

`TONGBAN_NODE` is host:port (127.0.0.1:7443 if not set), `TONGBAN_IDENTITY` an identity folder
(`identity`), `TONGBAN_KEY` the record's key.
"""

# ruff: noqa: T201  # a program for a terminal

import os
import sys
from datetime import UTC
from pathlib import Path

import grpc

from exchange.audit.model import Receipt
from exchange.audit.verify import SavedReceipt, verify_receipt
from runtime.status import from_rpc_error
from tongban.client import Client

grant, log_key = sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8")
key = os.environ["TONGBAN_KEY"]
question = {"grant": grant, "key": key, "items": [], "purpose": "就业登记", "case_number": "2026-1"}

address = os.environ.get("TONGBAN_NODE", "127.0.0.1:7443")
identity = Path(os.environ.get("TONGBAN_IDENTITY", "identity"))

with Client(address, identity) as node:
    try:
        answer = node.query(
            grant, key, purpose=question["purpose"], case_number=question["case_number"]
        )
    except grpc.RpcError as failed:
        error = from_rpc_error(failed)
        sys.exit(f"{error.reason}: {error.message}")

print(f"found: {answer.found}", dict(sorted(answer.items.items())))

sent = answer.receipt
receipt = Receipt(
    leaf=sent.leaf,
    salt=sent.salt,
    shard=sent.shard,
    batch=sent.batch,
    position=sent.position,
    batch_size=sent.batch_size,
    path=tuple(sent.path),
    promise_time=sent.promise_time.ToDatetime(UTC),
    signature=sent.signature,
)
told = {"found": answer.found, "items": dict(answer.items)}
verdict = verify_receipt(
    SavedReceipt(receipt=receipt, values={"key": key, "request": question, "answer": told}), log_key
)
for check in verdict.checks:
    print(f"{check.outcome} {check.name}: {check.detail}")
