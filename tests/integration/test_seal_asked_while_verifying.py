"""A node that is set to asks OCSP responders on named hosts while it verifies, and nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runtime.clock import FixedClock
from runtime.config import SealSettings
from runtime.objects import FileStore
from seal.pki.exchanging import host_of
from seal.server import SealServer
from seal.trust import Revocation
from seal.v1 import seal_pb2
from seal.v1 import trust_pb2 as pb
from tests.builders.authorities import recognise, terms
from tests.builders.forging_pdf import JUDGED, SEALED, PdfBench
from tests.builders.ocsp import Served, addresses, answer, http_server
from tests.builders.seal_node import SealNode, settings_in
from tests.builders.seal_pki import Holder

DAY = timedelta(days=1)


@pytest.fixture
def server() -> Iterator[Served]:
    with http_server() as served:
        yield served


@pytest.fixture
def silent() -> Iterator[Served]:
    with http_server() as served:
        yield served


@dataclass
class Here:
    """An authority whose signer's certificate says whom to ask, and a document by it."""

    bench: PdfBench
    signer: Holder
    document: bytes

    def reply(self, status: str | Revocation = "good") -> Callable[[bytes], bytes]:
        issuer = self.bench.intermediate
        said = answer(
            issuer, self.signer.certificate, issuer.certificate,
            status=status, this_update=JUDGED - DAY, next_update=JUDGED + DAY,
        )  # fmt: skip
        return lambda _query: said


def sealed(url: str) -> Here:
    bench = PdfBench()
    signer = bench.issued("示范县行政审批局", extensions=addresses(ocsp=[url]))
    return Here(bench, signer, bench.sealed(by=signer))


def start(folder: Path, here: Here, *hosts: str) -> SealNode:
    settings = settings_in(folder / "data").model_copy(
        update={"seal": SealSettings(revocation_hosts=list(hosts))}
    )
    clock, objects = FixedClock(JUDGED), FileStore(folder / "objects")
    node = SealNode(SealServer(settings, objects, clock), clock, objects)
    node.server.migrate()
    node.server.open()
    anchor = pb.RecognisedAnchor(certificate=here.bench.root.certificate)
    recognise(
        node,
        terms=terms(anchors=[anchor], intermediates=[here.bench.intermediate.certificate]),
    )
    return node


def now_of(node: SealNode, here: Here) -> tuple[str, str]:
    request = seal_pb2.VerifyDocumentRequest(document=here.document)
    now = node.call("VerifyDocument", request).verdict.now
    return seal_pb2.Indication.Name(now.indication), now.sub_indication


def test_a_responder_on_a_named_host_is_asked_and_kept(server: Served, tmp_path: Path) -> None:
    here = sealed(server.url + "/ocsp")
    gone = Revocation(serial=1, at=SEALED + 10 * DAY, reason="key_compromise")
    server.ocsp("/ocsp", here.reply(gone))
    node = start(tmp_path, here, host_of(server.url))
    indication, why = now_of(node, here)
    assert (indication.removeprefix("INDICATION_"), why) == ("INDETERMINATE", "REVOKED_NO_POE")
    assert server.asked == [("POST", "/ocsp")]
    assert now_of(node, here)[1] == "REVOKED_NO_POE"
    assert len(server.asked) == 1, "what is kept is not asked for again"
    assert list((tmp_path / "data" / "revocation").rglob("*.ocsp"))
    node.server.database.close()


@pytest.mark.parametrize("hosts", [[], ["ocsp.city.example"], ["127.0.0.1"], ["localhost:{port}"]])
def test_no_other_host_is_asked(server: Served, tmp_path: Path, hosts: list[str]) -> None:
    here = sealed(server.url + "/ocsp")
    server.ocsp("/ocsp", here.reply())
    port = urlsplit(server.url).port
    node = start(tmp_path, here, *(one.format(port=port) for one in hosts))
    assert now_of(node, here)[1] == ""
    assert server.asked == []
    assert SealSettings().revocation_hosts == []
    node.server.database.close()


def test_a_stranger_makes_the_node_ask_nobody(server: Served, tmp_path: Path) -> None:
    """Its certificate names the host that may be asked, and leads to no root."""
    here = sealed(server.url + "/ocsp")
    strangers = sealed(server.url + "/theirs")
    node = start(tmp_path, here, host_of(server.url))
    now_of(node, strangers)
    assert server.asked == []
    node.server.database.close()


def test_a_silent_host_costs_seconds_once(silent: Served, tmp_path: Path) -> None:
    here = sealed(silent.url + "/ocsp")
    silent.delay = 4.5
    node = start(tmp_path, here, host_of(silent.url))
    began = time.monotonic()
    assert now_of(node, here)[1] == ""
    assert time.monotonic() - began < 4.4
    for _ in range(3):
        now_of(node, here)
    assert len(silent.asked) == 1, "it is left alone for a while"
    node.server.database.close()
