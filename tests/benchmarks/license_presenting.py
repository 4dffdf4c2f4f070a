"""Presentations and verifications of licenses a second, and a status list of a million places.

`python -m tests.benchmarks.license_presenting [count]` (200 if not given)

- by RPC over mTLS in one process, durable, with audit records: codes made and verified, QR codes
  made, files and fields verified, endorsed copies made;
- in this process alone: a QR code verified offline, from its text, with and without the slow hash
  of the holder's number;
- a status list of 2^20 places from as many rows in SQLite: built, signed, put, read back, checked.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import cycle
from pathlib import Path

from licenses.offline.coding import assess_code
from licenses.offline.model import Asked, Cached
from licenses.presentations.service import MOST_OPEN
from licenses.presenting_keys import trusted_keys
from licenses.statuslist.model import OF_CODES, PLACES
from licenses.statuslist.reading import read_list
from licenses.v1 import copies_pb2, licenses_pb2
from licenses.v1 import offline_pb2 as offline
from licenses.v1 import presentations_pb2 as presentations
from licenses.v1 import verifying_pb2 as verifying
from runtime.identity import Principal, Role
from tests.builders.license_node import (
    HOLDER,
    OFFICE,
    LicenseNode,
    document,
    fresh,
    issue,
    present_request,
    running,
)

PURPOSE = "办理公积金提取"
AT_ONCE = 16


async def _rate(name: str, count: int, act: Callable[[], Awaitable[object]]) -> None:
    left, times = iter(range(count)), list[float]()

    async def worker() -> None:
        for _ in left:
            began = time.perf_counter()
            await act()
            times.append(time.perf_counter() - began)

    await act()
    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    took = time.perf_counter() - began
    times.sort()
    half = times[len(times) // 2] * 1e3
    print(f"{name}: {count / took:,.0f}/s, {AT_ONCE} at once, p50 {half:.1f} ms")


async def _by_rpc(node: LicenseNode, count: int) -> str:
    license_ = await issue(node)
    # So many may be open of one license.
    names = cycle([(await issue(node)).name for _ in range(2 * count // MOST_OPEN + 2)])
    counter, verifier = node.counter, node.verifier

    async def present() -> str:
        shown = await counter.presentations.PresentLicense(
            present_request(next(names), max_uses=10_000)
        )
        return str(shown.code)

    async def present_qr() -> str:
        shown = await counter.offline.PresentOffline(
            offline.PresentOfflineRequest(
                license=next(names),
                holder_code=HOLDER,
                fields=["CZZT", "KZ_DJLX"],
                purpose=PURPOSE,
                request_id=fresh(),
            )
        )
        return str(shown.text)

    async def verify(**subject: object) -> None:
        request = verifying.VerifyLicenseRequest(purpose=PURPOSE, **subject)  # type: ignore[arg-type]
        answer = await verifier.verifying.VerifyLicense(request)
        assert not answer.verdict.sub_indication, answer.verdict

    await _rate("presentations by code", count, present)
    await _rate("presentations by QR code", count, present_qr)
    code, qr = await present(), await present_qr()
    asked = presentations.VerifyPresentationRequest(code=code, purpose=PURPOSE)
    await _rate(
        "verifications by code", count, lambda: verifier.presentations.VerifyPresentation(asked)
    )
    await _rate("verifications by QR code, online", count, lambda: verify(qr=qr))
    for form in ("OFD", "PDF", "JWT"):
        data = await document(node, license_, form)
        await _rate(f"verifications by file, {form}", count // 2, lambda d=data: verify(document=d))  # type: ignore[misc]
    match = verifying.FieldsToMatch(
        license_identifier=license_.license_identifier, fields={"CZZT": "赵示例"}
    )
    await _rate("verifications by fields", count, lambda: verify(match=match))
    until = (node.clock.now() + timedelta(days=7)).date().isoformat()
    await _rate(
        "endorsed copies, PDF",
        max(count // 10, 4),
        lambda: counter.copies.MakeEndorsedCopy(
            copies_pb2.MakeEndorsedCopyRequest(
                license=license_.name,
                holder_code=HOLDER,
                purpose=PURPOSE,
                receiver="示范单位",
                format=licenses_pb2.LICENSE_FORMAT_PDF,
                valid_to=until,
                request_id=fresh(),
            )
        ),
    )
    return qr


def _offline(node: LicenseNode, text: str) -> None:
    keys, now = node.licenses.presenting_keys, node.clock.now()
    trusted = trusted_keys((one.certificate for one in keys.trusted().values()), OFFICE)
    admin = Principal(
        system="departments/data-office/systems/bench",
        department="departments/data-office",
        roles=frozenset({Role.ADMINISTRATOR}),
        serial=1,
    )
    node.licenses.statuses.publish(admin)
    status = read_list(node.licenses.statuses.get(OF_CODES, ".cwt"), trusted)
    cached = Cached(trust_made_at=now, lists={(OFFICE, status.uri): status})
    for name, holder, count in (("", "", 2000), (", with the holder's number", HOLDER, 100)):
        asked = Asked(verifier="departments/x", purpose=PURPOSE, now=now, holder_code=holder)
        began = time.perf_counter()
        for _ in range(count):
            found = assess_code(text, trusted, cached, asked)
            assert found.reason is None, found
        took = time.perf_counter() - began
        print(f"verifications by QR code, offline{name}: {count / took:,.0f}/s on one thread")
    print(f"characters of that QR code: {len(text)}")


def _million(node: LicenseNode) -> None:
    """Rows as issuing writes them, a hundredth of them revoked; times of each step."""
    database = node.licenses.database
    with database.engine.begin() as connection:
        columns = [one[1] for one in connection.exec_driver_sql("PRAGMA table_info(license)")]
        own = {
            "id": "printf('%024d', i)",
            "identifier": "'x' || i",
            "request_id": "'x' || i",
            "metadata_json": "'{}'",
            "state": "CASE WHEN random() % 100 = 0 THEN 'REVOKED' ELSE 'ACTIVE' END",
        }
        taken = ", ".join(own.get(one, f'first."{one}"') for one in columns)
        began = time.perf_counter()
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
            "SELECT id, '', 0, (CAST(id AS INTEGER) * 7919) % 1048576 "
            "FROM license WHERE identifier LIKE 'x%'"
        )
    print(f"  {PLACES:,} rows written in {time.perf_counter() - began:.1f} s")
    admin = Principal(
        system="departments/data-office/systems/bench",
        department="departments/data-office",
        roles=frozenset({Role.ADMINISTRATOR}),
        serial=1,
    )
    began = time.perf_counter()
    made, _ = node.licenses.statuses.publish(admin)
    print(
        f"status list of {PLACES:,} places, {made.ended:,} not valid: built, signed and put, both "
        f"forms, in {time.perf_counter() - began:.2f} s; {made.size:,} bytes as JWT"
    )
    trusted = node.licenses.presenting_keys.trusted()
    for suffix in (".jwt", ".cwt"):
        began = time.perf_counter()
        found = read_list(node.licenses.statuses.get(0, suffix), trusted)
        print(
            f"  read and verified as {suffix[1:]} in {(time.perf_counter() - began) * 1e3:.1f} ms"
        )
    began = time.perf_counter()
    told = sum(found.status(index) != 0 for index in range(PLACES))
    print(f"  every place looked up in {time.perf_counter() - began:.2f} s; {told:,} not valid")
    assert told == made.ended


async def main(count: int) -> None:
    """Run everything."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as node:
            text = await _by_rpc(node, count)
            await asyncio.to_thread(_offline, node, text)
            await asyncio.to_thread(_million, node)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
