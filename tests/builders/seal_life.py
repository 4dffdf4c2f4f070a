"""What the life of a seal is asked for and shown by, on a node that is served in-process."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from runtime.identity import Principal
from seal.v1 import seal_pb2 as pb
from tests.builders.seal_node import (
    ADMINISTRATOR,
    OFFICE,
    SEAL,
    SealNode,
    create_request,
)

NEXT = f"{OFFICE}/seals/next"


def ask(node: SealNode, **changes: Any) -> pb.Seal:
    """One administrator asks for the seal `next`."""
    request = create_request(**{"seal_id": "next", **changes})
    found = node.call("CreateSeal", request, ADMINISTRATOR).seal
    assert isinstance(found, pb.Seal)
    return found


def approval(name: str = NEXT, **changes: Any) -> pb.ApproveSealRequest:
    """A second administrator's approval of it."""
    return pb.ApproveSealRequest(**{"name": name, "request_id": str(uuid.uuid4()), **changes})


def change(**what: Any) -> pb.UpdateSealAuthorizationRequest:
    """A change of who may use the seal."""
    return pb.UpdateSealAuthorizationRequest(
        name=SEAL, authorization=pb.SealAuthorization(**what), request_id=str(uuid.uuid4())
    )


def shown(node: SealNode, name: str = SEAL, caller: Principal = ADMINISTRATOR) -> pb.Seal:
    """The seal as a caller sees it."""
    found = node.call("GetSeal", pb.GetSealRequest(name=name), caller).seal
    assert isinstance(found, pb.Seal)
    return found


def events(node: SealNode, name: str = SEAL, caller: Principal = ADMINISTRATOR) -> list[str]:
    """The kinds of what happened to a seal."""
    answer = node.call("ListSealEvents", pb.ListSealEventsRequest(parent=name), caller)
    return [one.kind for one in answer.events]


def indication(node: SealNode, document: bytes) -> str:
    """The verdict on a document, in one word."""
    answer = node.call("VerifyDocument", pb.VerifyDocumentRequest(document=document))
    return pb.Indication.Name(answer.verdict.indication).removeprefix("INDICATION_")


def keys(data: Path, seal: str = "next") -> dict[str, bytes]:
    """The files of a seal's keys."""
    folder = data / "keys" / "seal" / "signers" / "approval-office" / seal
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}
