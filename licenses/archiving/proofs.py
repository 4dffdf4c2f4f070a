"""Records of the log as they stand in a package."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from licenses.archiving import package
from licenses.archiving.surroundings import Logged


def proof_of(found: Logged) -> bytes:
    """A record of the log with its inclusion proof, as JSON."""
    return package.pretty({"index": found.index, "leaf": found.leaf.decode(), "proof": found.proof})


def log_proof(document: str, logged: Sequence[Logged]) -> bytes:
    """As `tongban audit prove` writes it, so that `tongban audit verify` judges it offline.

    Only of records that name the document: others are proven beside it.
    """
    naming = [one for one in logged if document.encode() in one.leaf]
    body = {
        "format": "tongban-log-proof/v1",
        "document": document,
        "leaves": [
            {
                "index": one.index,
                "leaf": base64.b64encode(one.leaf).decode(),
                "proof": one.proof,
            }
            for one in sorted(naming, key=lambda one: one.index)
        ],
    }
    return (json.dumps(body, ensure_ascii=False, indent=2) + "\n").encode()
