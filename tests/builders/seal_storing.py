"""Stores of files that fail, and what a node shows of its sealings."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import grpc
import pytest

from runtime.errors import (
    DomainError,
)
from runtime.objects import FileStore
from runtime.status import from_rpc_error
from seal import store
from seal.v1 import seal_pb2 as pb
from tests.builders.seal_node import (
    SEAL,
    SealNode,
)


class Crash(BaseException):
    """The process ends here: nothing catches it."""


class FaultyStore(FileStore):
    """A file store whose next `put_if_absent` fails as told, before or after it wrote."""

    before: BaseException | None = None
    after: BaseException | None = None

    def put_if_absent(self, name: str, data: bytes) -> bool:
        if self.before:
            raise self.before
        done = super().put_if_absent(name, data)
        if self.after:
            raise self.after
        return done


class FullDisk(FileStore):
    """A file store on a disk with no room left."""

    def _write_scratch(self, name: str, data: bytes) -> tuple[Path, Path]:
        raise OSError(errno.ENOSPC, "No space left on device")


def sealings(node: SealNode) -> list[store.Sealing]:
    """The sealings that are kept."""
    with node.server.database.reading() as session:
        return store.sealings_of(session, SEAL, limit=100)


def phases(node: SealNode) -> list[str]:
    """What the audit log has of them."""
    return [leaf["phase"] for leaf in node.leaves("document_sealed")]


def verdict_of(node: SealNode, document: bytes) -> pb.Verdict:
    """The verdict on a document."""
    found = node.call("VerifyDocument", pb.VerifyDocumentRequest(document=document)).verdict
    assert isinstance(found, pb.Verdict)
    return found


async def refusal(call: Any) -> DomainError:
    """Why a call over the wire is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return from_rpc_error(caught.value)
