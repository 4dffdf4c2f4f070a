"""Looks at a holder's licenses, proved: a file for the holder, which `tongban audit verify` reads.

A record about several holders comes without its salt: it opens to none of them alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import grpc

from exchange.audit.proved import ProvenLeaf
from exchange.audit.told import GREATEST_ACCESSES, ToldAccess, ToldAccesses, accesses_to_json
from exchange.v1 import audit_pb2
from licenses.v1 import presentations_pb2
from runtime.records import commit
from runtime.status import from_rpc_error
from tongban.client import Client

#: Of the last second: no proof is there yet.
_NOT_YET = frozenset({"NOT_YET_SEQUENCED", "LEAF_NOT_FOUND", "INDEX_OUT_OF_RANGE"})


def looks_proof(client: Client, holder_code: str, looks: Sequence[presentations_pb2.Look]) -> str:
    """The newest records of looks with their proofs; "" where there is none yet."""
    salts = {one.receipt.leaf: one.receipt.salt for one in looks if one.receipt.leaf}
    found = [
        told
        for leaf, salt in list(salts.items())[:GREATEST_ACCESSES]
        if (told := _proven(client, holder_code, leaf, salt)) is not None
    ]
    found.sort(key=lambda one: -one.proven.index)
    return accesses_to_json(ToldAccesses(key=holder_code, accesses=tuple(found))) if found else ""


def _proven(client: Client, holder_code: str, leaf: bytes, salt: bytes) -> ToldAccess | None:
    request = audit_pb2.GetInclusionProofRequest(leaf=leaf)
    try:
        found = client.audit.GetInclusionProof(request, timeout=client.timeout)
    except grpc.RpcError as error:
        if from_rpc_error(error).reason in _NOT_YET:
            return None
        raise
    told = json.loads(leaf).get("commitments", {})
    own = told.get("holder_code") == commit(salt, "holder_code", holder_code.encode())
    proven = ProvenLeaf(index=found.index, leaf=leaf, proof=found.proof)
    return ToldAccess(proven=proven, salt=salt if own else b"")
