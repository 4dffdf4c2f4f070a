"""Issuing killed between any two effects: one license comes of it, with the same identifier."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exchange.v1 import catalog_pb2
from licenses.issuing import Issuing, Request
from licenses.lists import store as lists
from licenses.model import License, LicenseState
from licenses.server import LicenseServer, Reconciled
from licenses.v1 import licenses_pb2 as pb
from licenses.v1 import presentations_pb2 as presentations
from runtime.errors import Unavailable
from tests.builders.license_node import (
    HOLDER,
    LIBRARY,
    Crash,
    Crashing,
    LicenseNode,
    present_request,
    refused,
    running,
)
from tests.builders.licenses import BUREAU, an_order

MOMENTS = [
    f"{when} {what}"
    for what in (
        "sealing OFD",
        "sealing PDF",
        "sealing JWT",
        "verifying",
        "verifying",
        "verifying",
        "storing",
        "storing",
        "storing",
        "publishing",
    )
    for when in ("before", "after")
]
REQUEST = Request(actor=f"{BUREAU}/systems/main", id="one-request", digest=b"d" * 32)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path) as found:
        yield found


async def issue(server: LicenseServer, request: Request = REQUEST) -> License:
    return await asyncio.to_thread(
        server.issuing.issue, an_order(), department=BUREAU, seal="", request=request
    )


def dying(node: LicenseNode, moment: int) -> tuple[LicenseServer, Crashing]:
    """A license service that dies at a moment."""
    real = node.another_server()
    crashing = Crashing(real.library._neighbours, node.objects, moment)
    return node.another_server(neighbours=crashing, objects=crashing), crashing


def all_licenses(server: LicenseServer) -> list[License]:
    with server.database.reading() as session:
        return lists.issued(session, BUREAU, after="", size=100)


async def test_the_moments_are_all_there_are(node: LicenseNode) -> None:
    server, crashing = dying(node, -1)
    await issue(server)
    assert crashing.moments == MOMENTS
    await server.stop()


# Every moment is lived in the simulation; here a few, with real neighbours.
A_FEW = [*range(0, len(MOMENTS), 4), len(MOMENTS) - 2, len(MOMENTS) - 1]


@pytest.mark.parametrize("moment", A_FEW, ids=lambda m: f"{m}-{MOMENTS[m]}")
async def test_a_crash_leaves_one_license_to_be_finished(node: LicenseNode, moment: int) -> None:
    server, _ = dying(node, moment)
    with pytest.raises(Crash, match=MOMENTS[moment]):
        await issue(server)
    await server.stop()

    (left,) = all_licenses(node.licenses)
    active = moment >= MOMENTS.index("before publishing")
    assert left.state is (LicenseState.ACTIVE if active else LicenseState.ISSUING)
    if not active:
        await _nothing_is_visible(node, left)
    assert len(node.library()) == (1 if MOMENTS[moment] == "after publishing" else 0)

    again = node.another_server()  # the process starts again
    done = await asyncio.to_thread(again.reconcile)
    # One that is finished is published by the way.
    left_over = {"finished": 0, "published": 1} if active else {"finished": 1, "published": 0}
    assert done == Reconciled(failed=0, forgotten=0, **left_over)
    (finished,) = all_licenses(node.licenses)
    assert finished.state is LicenseState.ACTIVE
    assert finished.identifier == left.identifier
    assert finished.name == left.name
    assert [one["license_identifier"] for one in node.library()] == [left.identifier]
    assert len(node.leaves("license_issued")) == 1
    assert len(list(node.objects.list("licenses/"))) == 3

    # The issuer repeats the request, as the crash left it without an answer.
    assert await issue(again) == finished
    nothing = Reconciled(finished=0, failed=0, published=0, forgotten=0)
    assert await asyncio.to_thread(again.reconcile) == nothing
    await again.stop()


async def _nothing_is_visible(node: LicenseNode, left: License) -> None:
    counter = node.counter
    held = await counter.licenses.ListHeldLicenses(pb.ListHeldLicensesRequest(holder_code=HOLDER))
    assert not held.licenses
    error = await refused(counter.presentations.PresentLicense(present_request(left.name)))
    assert error.reason == "LICENSE_NOT_FOUND"
    request = pb.GetLicenseDocumentRequest(name=left.name, reason="查阅", holder_code=HOLDER)
    error = await refused(counter.licenses.GetLicenseDocument(request))
    assert error.reason == "LICENSE_NOT_FOUND"
    assert not node.leaves("license_issued")


@pytest.mark.parametrize("moment", [1, 5, 9])
async def test_a_repeated_request_goes_on_where_it_stopped(node: LicenseNode, moment: int) -> None:
    server, _ = dying(node, moment)
    with pytest.raises(Crash):
        await issue(server)
    (left,) = all_licenses(server)
    await server.stop()
    again = node.another_server()
    finished = await issue(again)
    assert (finished.name, finished.identifier) == (left.name, left.identifier)
    assert finished.state is LicenseState.ACTIVE
    assert len(all_licenses(again)) == 1
    await again.stop()


async def test_a_crash_in_the_last_transaction_undoes_all_of_it(
    node: LicenseNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise Crash("in the transaction")

    with monkeypatch.context() as patched:
        patched.setattr("licenses.finishing.record_of", dies)
        with pytest.raises(Crash):
            await issue(node.licenses)
    (left,) = all_licenses(node.licenses)
    assert left.state is LicenseState.ISSUING
    assert not node.leaves("license_issued")
    await asyncio.to_thread(node.licenses.reconcile)
    (finished,) = all_licenses(node.licenses)
    assert finished.identifier == left.identifier
    assert finished.ofd_sha256


async def test_a_crash_while_reserving_leaves_nothing(
    node: LicenseNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise Crash("in the transaction")

    with monkeypatch.context() as patched:
        patched.setattr("licenses.issuing.check_pages", dies)
        with pytest.raises(Crash):
            await issue(node.licenses)
    assert not all_licenses(node.licenses)
    assert (await issue(node.licenses)).serial == "20260000001"


async def test_two_that_finish_one_license_agree(node: LicenseNode) -> None:
    server, _ = dying(node, 0)
    with pytest.raises(Crash):
        await issue(server)
    await server.stop()
    servers = [node.another_server() for _ in range(3)]
    answers = await asyncio.gather(*(issue(one) for one in servers))
    assert len({(a.name, a.identifier, a.ofd_sha256, a.pdf_sha256) for a in answers}) == 1
    assert len(node.leaves("license_issued")) == 1
    for one in servers:
        await asyncio.to_thread(one.reconcile)
        await one.stop()
    assert len(node.library()) == 1


async def test_an_exchange_that_is_away_delays_publishing_only(node: LicenseNode) -> None:
    server, crashing = dying(node, -1)

    def away(*_: object) -> None:
        raise Unavailable("the exchange is away", reason="NODE_UNREACHABLE")

    crashing.publish = away  # type: ignore[method-assign]
    license_ = await issue(server)
    assert license_.state is LicenseState.ACTIVE
    assert not node.library()
    await server.stop()
    done = await asyncio.to_thread(node.licenses.reconcile)
    assert done.published == 1
    assert [one["license_identifier"] for one in node.library()] == [license_.identifier]


async def test_one_that_cannot_be_finished_does_not_hold_up_others(node: LicenseNode) -> None:
    for request_id in ("first", "second"):
        server, _ = dying(node, 0)
        with pytest.raises(Crash):
            await issue(server, Request(actor=REQUEST.actor, id=request_id, digest=b"d" * 32))
        await server.stop()
    stuck = all_licenses(node.licenses)[0]
    server, crashing = dying(node, -1)
    real = crashing.seal_document

    def refuses(document: bytes, form: object, **how: object) -> object:
        if str(how["request_id"]).startswith(stuck.id):
            raise Unavailable("no", reason="SEALS_AWAY")
        return real(document, form, **how)  # type: ignore[arg-type]

    crashing.seal_document = refuses  # type: ignore[method-assign]
    issuing: Issuing = server.issuing
    first = await asyncio.to_thread(issuing.reconcile)
    assert (first.finished, first.failed) == (1, 1)
    second = await asyncio.to_thread(issuing.reconcile)  # too early to try again
    assert (second.finished, second.failed) == (0, 0)
    await server.stop()


async def test_the_thread_reconciles_by_itself(node: LicenseNode) -> None:
    server, _ = dying(node, 3)
    with pytest.raises(Crash):
        await issue(server)
    await server.stop()
    await node.licenses.start()
    for _ in range(100):
        (left,) = all_licenses(node.licenses)
        if left.state is LicenseState.ACTIVE and node.library():
            break
        await asyncio.sleep(0.05)
    assert left.state is LicenseState.ACTIVE
    shown = await node.counter.presentations.PresentLicense(present_request(left.name))
    answer = await node.verifier.presentations.VerifyPresentation(
        presentations.VerifyPresentationRequest(code=shown.code, purpose="核验")
    )
    assert answer.fields["CZZT"] == "赵示例"


async def test_an_administrators_changes_of_the_library_are_kept(node: LicenseNode) -> None:
    await issue(node.licenses)
    owner = node.issuer
    get = catalog_pb2.GetDataResourceRequest(name=LIBRARY)
    first = (await owner.catalog.GetDataResource(get)).resource
    again = node.another_server()
    await issue(again, Request(actor=REQUEST.actor, id="another", digest=b"e" * 32))
    await again.stop()
    assert (await owner.catalog.GetDataResource(get)).resource.etag == first.etag
    assert len(node.library()) == 2
