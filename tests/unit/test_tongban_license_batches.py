"""`tongban license batch create` while the node is away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from licenses.v1 import batches_pb2 as pb
from licenses.v1 import batches_pb2_grpc
from runtime.errors import Unavailable
from tongban.commands import license_batches

NAME = "departments/human-resources/issueBatches/one"


class _Batches(batches_pb2_grpc.BatchServiceServicer):
    """Does not answer so often, and has then ended."""

    def __init__(self, silent: int) -> None:
        self.silent = silent

    def GetIssueBatch(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.silent -= 1
        if self.silent >= 0:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        batch = pb.IssueBatch(name=request.name, state=pb.ISSUE_BATCH_STATE_FINISHED)
        return pb.GetIssueBatchResponse(issue_batch=batch)


def awaited(silent: int) -> pb.IssueBatch:
    server = grpc.server(ThreadPoolExecutor(1))
    batches_pb2_grpc.add_BatchServiceServicer_to_server(_Batches(silent), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = batches_pb2_grpc.BatchServiceStub(channel)
            client: Any = SimpleNamespace(batches=stub, timeout=30.0)
            with license_batches._taken_up_again(NAME):
                return license_batches._awaited(client, NAME)
    finally:
        server.stop(None).wait()


def test_a_batch_is_waited_for_while_the_node_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(license_batches, "POLL_SECONDS", 0.0)
    assert awaited(silent=3).state == pb.ISSUE_BATCH_STATE_FINISHED


def test_a_node_that_stays_away_ends_the_wait_with_how_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(license_batches, "PATIENCE_SECONDS", -1.0)
    with pytest.raises(Unavailable) as told:
        awaited(silent=3)
    assert told.value.reason == "NODE_UNREACHABLE"
    assert told.value.metadata["batch"] == NAME
    for text in (told.value.message, told.value.message_zh):
        assert f"tongban license batch show {NAME}" in text
