"""Another authority, and how its documents are judged, on a node that is served in-process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime.identity import Principal, Role
from seal.model import Verdict
from seal.v1 import trust_pb2 as pb
from tests.builders.authorities import (
    DAY,
    NAME,
    request,
    terms,
)
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_node import (
    ADMINISTRATOR,
    SealNode,
    principal,
    seal_request,
    start,
)

AUDITOR = principal(Role.AUDITOR)


@dataclass(frozen=True)
class Neighbour:
    """Another authority: its terms, and documents that it sealed on the 1st and on the 11th."""

    terms: pb.AuthorityTerms
    early: bytes
    late: bytes
    early_pdf: bytes
    lists: tuple[bytes, ...]
    lists_after: tuple[bytes, ...]


def made_neighbour(folder: Path) -> Neighbour:
    """Another authority, whose node is made in a folder of its own."""
    other = start(folder)
    other.make_seal()

    def seal(document: bytes) -> bytes:
        sealed: bytes = other.call("SealDocument", seal_request(document)).document
        return sealed

    early, early_pdf = seal(plain_ofd()), seal(plain_pdf())
    lists = other.server.material.own_lists()
    other.clock.advance(10 * DAY)
    late = seal(plain_ofd(2))
    other.clock.advance(2 * DAY)
    other.act("Revoke")
    after = other.server.material.own_lists()
    roots = [
        pb.RecognisedAnchor(certificate=one.certificate)
        for one in other.server.material.current().anchors
    ]
    other.server.database.close()
    return Neighbour(
        terms=terms(anchors=roots, intermediates=[]),
        early=early,
        late=late,
        early_pdf=early_pdf,
        lists=lists,
        lists_after=after,
    )


def judge(node: SealNode, document: bytes) -> Verdict:
    """What a node says of a document."""
    return node.server.material.verify(document)


def add_list(node: SealNode, encoded: bytes, caller: Principal = ADMINISTRATOR) -> pb.Authority:
    """An administrator adds a list of revocations."""
    wish = request("AddRevocationListRequest", revocation_list=encoded)
    found = node.trust("AddRevocationList", wish, caller).authority
    assert isinstance(found, pb.Authority)
    return found


def events(node: SealNode) -> list[pb.AuthorityEvent]:
    """The history of the authority."""
    wish = pb.ListAuthorityEventsRequest(parent=NAME)
    return list(node.trust("ListAuthorityEvents", wish, AUDITOR).events)
