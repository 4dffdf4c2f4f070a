"""Licenses shown and believed: codes, QR codes without a network, files, a full status list.

Over mTLS on a node in this process, durable, with audit records; `AT_ONCE` calls at a time. What
each is measured against is the bare floor under it, in the same run: the durable commit that a
code's look needs, the signature that a QR code has, the signatures that a file has, the one read of
every row that a status list is made of.

`python -m tests.benchmarks --only verify-code`
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from licenses.offline.coding import assess_code
from licenses.offline.model import Asked, Cached
from licenses.presenting_keys import trusted_keys
from licenses.statuslist.model import OF_CODES, PLACES
from licenses.statuslist.reading import read_list
from licenses.v1 import licenses_pb2
from licenses.v1 import offline_pb2 as offline
from licenses.v1 import presentations_pb2 as presentations
from licenses.v1 import verifying_pb2 as verifying
from runtime.identity import Principal, Role
from tests.benchmarks import operations
from tests.benchmarks.measure import Entry, compare, rate, rounded, say
from tests.builders import license_node
from tests.builders.license_node import HOLDER, OFFICE, LicenseNode, fresh, present_request

NAMES = ("present-code", "verify-code", "verify-qr-offline", "verify-file", "status-list")
PURPOSE = "办理公积金提取"
AT_ONCE = 16
CODES = 48  # a round; of one license no more are open at a time
FILES = 48
ROUNDS = 3
LEAF = b"x" * 512
ADMINISTRATOR = Principal(
    system="departments/data-office/systems/bench",
    department="departments/data-office",
    roles=frozenset({Role.ADMINISTRATOR}),
    serial=1,
)


def run(folder: Path, only: Sequence[str] = ()) -> list[Entry]:
    """Those that are asked for; all of them where none is."""
    wanted, made = set(only or NAMES), []
    place = folder / "presenting"
    place.mkdir()
    with asyncio.Runner() as loop, _node(loop, place) as node:
        license_ = loop.run(license_node.issue(node))
        if wanted & {"present-code", "verify-code"}:
            made += _codes(loop, node, license_, place)
        if "verify-qr-offline" in wanted:
            made.append(_offline(loop, node, license_))
        if "verify-file" in wanted:
            made.append(_files(loop, node, license_))
        if "status-list" in wanted:
            made.append(_list(node))
    return made


@contextmanager
def _node(loop: asyncio.Runner, folder: Path) -> Iterator[LicenseNode]:
    served = license_node.running(folder)
    node = loop.run(served.__aenter__())
    try:
        yield node
    finally:
        loop.run(served.__aexit__(None, None, None))


async def _each(acts: Sequence[Callable[[], Awaitable[object]]]) -> float:
    """How many a second, `AT_ONCE` at a time."""
    left = iter(acts)

    async def worker() -> None:
        for act in left:
            await act()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return len(acts) / (time.perf_counter() - began)


def _codes(
    loop: asyncio.Runner, node: LicenseNode, license_: licenses_pb2.License, folder: Path
) -> list[Entry]:
    """One-time codes: made, then each verified once."""
    counter, verifier = node.counter, node.verifier
    codes: list[str] = []

    async def present() -> None:
        wish = present_request(license_.name, max_uses=1)
        codes.append((await counter.presentations.PresentLicense(wish)).code)

    async def verify() -> None:
        asked = presentations.VerifyPresentationRequest(code=codes.pop(), purpose=PURPOSE)
        answer = await verifier.presentations.VerifyPresentation(asked)
        if answer.verdict.sub_indication:
            raise RuntimeError(answer.verdict.sub_indication)

    def presented() -> float:
        # What was shown in the round before is over: nobody shows a license so often in a day.
        node.clock.advance(timedelta(days=2))
        codes.clear()
        return loop.run(_each([present] * CODES))

    def verified() -> float:
        presented()
        return loop.run(_each([verify] * CODES))

    with _commits(folder / "floor.sqlite") as commit:
        return [
            compare(
                name,
                "codes/s",
                ours=ours,
                theirs=lambda: rate(commit, seconds=0.5),
                against="bare commits of one row of 512 bytes, SQLite, synchronous=FULL",
                aim=0.05,
                rounds=ROUNDS,
                extra=lambda: {"note": f"over mTLS, {AT_ONCE} at once, with record and look"},
            )
            for name, ours in (("present-code", presented), ("verify-code", verified))
        ]


@contextmanager
def _commits(file: Path) -> Iterator[Callable[[], object]]:
    """An act that commits one row durably."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE leaf (id INTEGER PRIMARY KEY, leaf BLOB)")
        yield lambda: connection.execute("INSERT INTO leaf (leaf) VALUES (?)", (LEAF,))
    finally:
        connection.close()


def _offline(loop: asyncio.Runner, node: LicenseNode, license_: licenses_pb2.License) -> Entry:
    """A QR code judged from its text alone, against its one signature."""
    wish = offline.PresentOfflineRequest(
        license=license_.name,
        holder_code=HOLDER,
        fields=["CZZT", "KZ_DJLX"],
        purpose=PURPOSE,
        request_id=fresh(),
    )

    async def present() -> str:
        return str((await node.counter.offline.PresentOffline(wish)).text)

    text = loop.run(present())
    node.clock.advance(timedelta(seconds=1))  # a list from before a code says nothing of it
    now, statuses = node.clock.now(), node.licenses.statuses
    certificates = [one.certificate for one in node.licenses.presenting_keys.trusted().values()]
    trusted = trusted_keys(certificates, OFFICE)
    statuses.publish(ADMINISTRATOR)
    held = read_list(statuses.get(OF_CODES, ".cwt"), trusted)
    cached = Cached(trust_made_at=now, lists={(OFFICE, held.uri): held})

    def judged(holder: str = "") -> None:
        asked = Asked(verifier="departments/x", purpose=PURPOSE, now=now, holder_code=holder)
        found = assess_code(text, trusted, cached, asked)
        if found.reason is not None:
            raise RuntimeError(found.reason)

    key = ec.generate_private_key(ec.SECP256R1())
    signature, public = key.sign(LEAF, ec.ECDSA(hashes.SHA256())), key.public_key()
    return compare(
        "verify-qr-offline",
        "codes/s",
        ours=lambda: rate(judged, seconds=1),
        theirs=lambda: rate(
            lambda: public.verify(signature, LEAF, ec.ECDSA(hashes.SHA256())), seconds=1
        ),
        against="one bare P-256 verification by the same library (`cryptography`)",
        aim=0.3,
        rounds=ROUNDS,
        extra=lambda: {
            "with_the_holders_number": rounded(rate(lambda: judged(HOLDER), seconds=1)),
            "characters": len(text),
            "note": "from the text to the verdict in one thread: signature, trust list, status "
            "list; the holder's number is slow on purpose",
        },
    )


def _files(loop: asyncio.Runner, node: LicenseNode, license_: licenses_pb2.License) -> Entry:
    """A license's OFD verified over the wire, against the signatures that are in it."""
    data = loop.run(license_node.document(node, license_, "OFD"))
    verifier = node.verifier

    async def verify() -> None:
        answer = await verifier.verifying.VerifyLicense(
            verifying.VerifyLicenseRequest(document=data, purpose=PURPOSE)
        )
        if answer.verdict.sub_indication:
            raise RuntimeError(answer.verdict.sub_indication)

    def ours() -> float:
        node.clock.advance(timedelta(days=1))  # what bounds a verifier by the hour is over
        return loop.run(_each([verify] * FILES))

    loop.run(verify())
    with operations.noted() as once:
        loop.run(verify())
    return compare(
        "verify-file",
        "files/s",
        ours=ours,
        theirs=lambda: rate(once.again, seconds=0.5),
        against=f"the SM2 verifications that one file needs, alone: {len(once.verifications)}",
        aim=0.1,
        rounds=ROUNDS,
        extra=lambda: {"bytes": len(data), "note": f"OFD over mTLS, {AT_ONCE} at once"},
    )


def _list(node: LicenseNode) -> Entry:
    """A list of 2^20 places with as many licenses, a hundredth of them revoked."""
    _fill(node)
    statuses, database = node.licenses.statuses, node.licenses.database

    def built() -> float:
        began = time.perf_counter()
        made, _ = statuses.publish(ADMINISTRATOR)
        trusted = node.licenses.presenting_keys.trusted()
        for suffix in (".jwt", ".cwt"):
            found = read_list(statuses.get(0, suffix), trusted)
        told = sum(found.status(index) != 0 for index in range(PLACES))
        if told != made.ended:
            raise RuntimeError(f"{told} of {made.ended} places are told")
        return PLACES / (time.perf_counter() - began)

    def read() -> float:
        began = time.perf_counter()
        with database.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT place, state FROM license_place JOIN license ON license.id = license_id"
            )
            if sum(1 for _ in rows) < PLACES:
                raise RuntimeError("rows are missing")
        return PLACES / (time.perf_counter() - began)

    return compare(
        "status-list",
        "places/s",
        ours=built,
        theirs=read,
        against="one read of the same rows through Python, joined, and nothing made of them",
        aim=1.0,
        rounds=2,
        extra=lambda: {
            "places": PLACES,
            "note": "built, signed and put as JWT and CWT, read back, every place looked up",
        },
    )


def _fill(node: LicenseNode) -> None:
    """As many rows as the list has places, as issuing writes them."""
    began = time.perf_counter()
    own = {
        "id": "printf('%024d', i)",
        "identifier": "'x' || i",
        "request_id": "'x' || i",
        "metadata_json": "'{}'",
        "state": "CASE WHEN i % 100 = 0 THEN 'REVOKED' ELSE 'ACTIVE' END",
    }
    with node.licenses.database.engine.begin() as connection:
        columns = [one[1] for one in connection.exec_driver_sql("PRAGMA table_info(license)")]
        taken = ", ".join(own.get(one, f'first."{one}"') for one in columns)
        for index in ("license_of_issuer", "license_before"):
            connection.exec_driver_sql(f"DROP INDEX {index}")
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?), "
            "first AS (SELECT * FROM license LIMIT 1) "
            f"INSERT INTO license ({', '.join(columns)}) SELECT {taken} FROM n, first",
            (PLACES,),
        )
        connection.exec_driver_sql("DELETE FROM license_place")
        connection.exec_driver_sql(
            "INSERT INTO license_place (license_id, showing, list, place) "
            "SELECT id, '', 0, CAST(id AS INTEGER) FROM license "
            "WHERE identifier LIKE 'x%'"
        )
    say(f"status-list: {PLACES:,} rows written in {time.perf_counter() - began:.1f} s")
