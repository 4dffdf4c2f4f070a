"""What licensing verifies of its own output: each document once, and never on another's word."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from licenses import own_trust
from licenses.own_trust import FRESH, OwnTrust
from runtime.errors import DataLoss
from seal.v1 import seal_pb2 as pb
from tests.builders.pdf import plain_pdf
from tests.builders.seal_node import DEPARTMENT, NOW, SealNode, seal_request, start


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealNode]:
    found = start(tmp_path_factory.mktemp("own-trust"))
    found.make_seal()
    yield found
    found.server.database.close()


@pytest.fixture
def judged(node: SealNode, monkeypatch: pytest.MonkeyPatch) -> tuple[OwnTrust, list[Any]]:
    """The trust of a node, and the documents that were judged in this process."""
    seen: list[Any] = []
    judge = own_trust.assess

    def noting(document: bytes, **how: Any) -> Any:
        seen.append(document)
        return judge(document, **how)

    monkeypatch.setattr(own_trust, "assess", noting)
    request = pb.GetTrustMaterialRequest()
    return OwnTrust(lambda: node.call("GetTrustMaterial", request), node.clock), seen


def sealed(node: SealNode) -> bytes:
    return bytes(node.call("SealDocument", seal_request(plain_pdf()), DEPARTMENT).document)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_document_is_judged_by_the_rules_of_a_stranger(node: SealNode, judged: Any) -> None:
    trust, seen = judged
    document = sealed(node)
    assert trust.problem(document) == ""
    assert seen == [document]
    assert trust.problem(document[:-200]) != ""
    assert trust.problem(plain_pdf()) == "NOT_SIGNED"


def test_what_was_just_sealed_is_not_judged_twice_and_later_it_is(
    node: SealNode, judged: Any
) -> None:
    trust, seen = judged
    document = sealed(node)
    trust.sealed(document, sha256(document), NOW)
    assert (trust.problem(document), seen) == ("", [])
    assert (trust.problem(document), seen) == ("", [document])


def test_other_bytes_than_were_sealed_go_nowhere(node: SealNode, judged: Any) -> None:
    trust, _ = judged
    document = sealed(node)
    with pytest.raises(DataLoss) as caught:
        trust.sealed(document + b" ", sha256(document), NOW)
    assert caught.value.reason == "OUTPUT_NOT_GOOD"
    trust.sealed(document, sha256(document), NOW)
    assert trust.problem(document + b"\n%changed") != ""


def test_what_was_sealed_long_ago_is_judged(node: SealNode, judged: Any) -> None:
    trust, seen = judged
    document = sealed(node)
    trust.sealed(document, sha256(document), NOW - timedelta(seconds=FRESH + 1))
    assert trust.problem(document) == ""
    assert seen == [document]
