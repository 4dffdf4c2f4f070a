"""How long the portal takes for a page: on the demonstration's data, and with a million records.

1. Every page that links lead to is measured, one of each route, for each of its four people and for
   who has not signed in; from the request to the last byte, over TLS, on a connection that stays.
2. The million is made in bulk while the node is down: records of the population library, records
   of the log, records of calls. The node sequences the log by itself as it starts.
"""

from __future__ import annotations

import re
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import orjson

from exchange.audit.note import Promise
from exchange.audit.opening import open_key
from exchange.audit.promising import promise
from exchange.audit.store import AuditStore
from exchange.delivery import store
from exchange.delivery.intake import Batch
from licenses.v1 import licenses_pb2
from runtime.database import Database
from runtime.records import make_record
from tests.benchmarks.measure import Entry, rounded, say
from tests.builders import county, portal_paths
from tongban.demonstration import sharing, stage
from tongban.demonstration.persons import Enrolled, enrol_people
from tongban.demonstration.stage import Stage

NAMES: Final = ("portal-pages", "portal-pages-million")
MILLION: Final = 1_000_000
ROUNDS: Final = 7
_TOLD: Final = 12
_PATIENCE: Final = 300
#: What is asked by a form, since no link leads there: a search that finds nothing looks furthest.
_SEARCH: Final = "/audit/log (a search)"
_AIMS: Final = {"portal-pages": 100.0, "portal-pages-million": 200.0}
_ROWS: Final = 1000


def run(folder: Path) -> list[Entry]:
    """Rows of both, a page each."""
    address = portal_paths.free_address()
    scene = stage.prepare_folder(folder / "portal", portal=address)
    stage.enrol(scene)
    url = f"https://{address}"
    with stage.running(scene):
        people = _play(scene)
        entries = _measure("portal-pages", url, people)
    began = time.monotonic()
    _fill_records(scene)
    _fill_log(scene)
    _fill_calls(scene)
    say(f"a million records, log entries and calls in {time.monotonic() - began:.0f} s")
    stage.START_SECONDS = _PATIENCE  # it puts the log in order first
    with stage.running(scene):
        entries += _measure("portal-pages-million", url, people)
    return entries


def _play(scene: Stage) -> dict[str, Enrolled]:
    """The demonstration's data, and its people."""
    sharing.set_up(scene)
    county.seal(scene)
    county.fill_catalog(scene, departments=False)
    sharing.publish_libraries(scene, 1000, lambda _: None)
    granted = sharing.grant_access(scene)["grant"]
    sharing.query_and_verify(scene, granted)
    sharing.subscribe(scene, granted)
    someone = sharing.applicant()
    for number in range(3):
        scene["employment"].licenses.IssueLicense(
            licenses_pb2.IssueLicenseRequest(
                parent="departments/human-resources",
                license_type="licenseTypes/employment-registration",
                holder_name=someone.name,
                holder_code=someone.citizen_number,
                fields={"KZ_DJLX": "就业登记", "KZ_XLXX": "大学本科", "KZ_JYZT": "就业"},
                request_id=f"license-{number}",
            ),
            timeout=60,
        )
    return enrol_people(scene)


def _measure(name: str, url: str, people: dict[str, Enrolled]) -> list[Entry]:
    _wait(url)
    entries = []
    for who in portal_paths.BEGINNINGS:
        with _signed_in(url, people.get(who)) as client:
            entries += [
                _entry(name, who, path, times) for path, times in _times(client, who).items()
            ]
    say(f"{name}: {len(entries)} pages; the slowest are")
    for entry in sorted(entries, key=lambda entry: -entry.ours)[:_TOLD]:
        say(f"  {entry.ours:>7,g} ms {entry.extra['page']} ({entry.extra['who']})")
    return entries


def _wait(url: str) -> None:
    """Wait for the pages: the node answers before they do."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            httpx.get(f"{url}/sign-in", verify=False).raise_for_status()  # noqa: S501  # as above
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
        else:
            return


def _times(client: httpx.Client, who: str) -> dict[str, list[float]]:
    """Milliseconds of each page, in rounds."""

    def read(path: str) -> str:
        answer = client.get(path)
        is_page = answer.headers.get("content-type", "").startswith("text/html")
        return answer.text if answer.status_code == httpx.codes.OK and is_page else ""

    paths = list(portal_paths.found(who, read))
    found: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(ROUNDS):
        for path in paths:
            began = time.perf_counter()
            answer = client.get(path)
            found[path].append(1000 * (time.perf_counter() - began))
            if answer.status_code != httpx.codes.OK:
                raise RuntimeError(f"{path}: {answer.status_code}")
        if who == "auditor":
            found.setdefault(_SEARCH, []).append(_search(client))
    return found


def _search(client: httpx.Client) -> float:
    """Milliseconds of a search of the log that finds nothing."""
    token = re.search(r'name="token" value="([^"]+)"', client.get("/audit").text)
    fields = {"token": token[1] if token else "", "text": "nothing that there is"}
    began = time.perf_counter()
    client.post("/audit/log", data=fields).raise_for_status()
    return 1000 * (time.perf_counter() - began)


def _entry(name: str, who: str, path: str, times: list[float]) -> Entry:
    ours = rounded(statistics.median(times))
    return Entry(
        name=name,
        unit="ms",
        ours=ours,
        aim=f"<= {_AIMS[name]:.0f} ms",
        met=ours <= _AIMS[name],
        extra={"page": path, "who": who, "slowest": rounded(max(times))},
    )


@contextmanager
def _signed_in(url: str, person: Enrolled | None) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, verify=False, timeout=60) as client:  # noqa: S501  # the node's own authority
        for _ in range(3):
            if person is None:
                break
            fields = {"login": person.login, "password": person.password, "code": person.code}
            answer = client.post("/sign-in", data=fields)
            if answer.status_code == httpx.codes.SEE_OTHER:
                break
            time.sleep(31 - time.time() % 30)  # a code is used once
        yield client


def _fill_records(scene: Stage) -> None:
    """Records of the population library, as one publication would leave them."""
    database = Database(scene.settings.database_url("exchange"), schema="exchange")
    try:
        for start in range(0, MILLION, MILLION // 4):
            numbers = range(start, start + MILLION // 4)
            keys = [f"{number:018d}" for number in numbers]
            payloads = [
                orjson.dumps({
                    "birth_date": "1990-01-01", "citizen_number": key, "name": f"某{key[-5:]}",
                    "residence_address": "示范县一路1号",
                }).decode()
                for key in keys
            ]  # fmt: skip
            batch = Batch(
                resource=sharing.POPULATION, keys=keys, payloads=list(payloads), digest=bytes(32)
            )
            with database.unit_of_work() as work:
                store.write_batch(
                    work,
                    batch,
                    publisher="departments/public-security/systems/population",
                    at=datetime.now(UTC),
                )
    finally:
        database.close()


def _fill_log(scene: Stage) -> None:
    """Records of the log that wait to be put in their order."""
    database = Database(scene.settings.database_url("audit"), schema="audit")
    now = datetime.now(UTC)
    key = open_key(scene.settings, AuditStore(database))
    database.close()
    records = [
        make_record(
            "query",
            at=now,
            actor="departments/human-resources/systems/employment",
            facts={"grant": "departments/human-resources/grants/synthetic", "number": number},
            commitments={"key": b"synthetic"},
        )
        for number in range(_ROWS)
    ]
    batch, _ = promise(records, shard="fill", sequence=0, at=now, key=key)
    rows = []
    for number in range(MILLION // _ROWS):
        text = Promise(
            origin=key.origin, shard=batch.shard, batch=number, count=batch.count,
            root=batch.root, time=batch.promised_at,
        ).text()  # fmt: skip
        rows.append((batch.shard, number, batch.leaves, batch.salts, batch.count, batch.root,
                     batch.promised_at, key.sign(text)))  # fmt: skip
    with sqlite3.connect(scene.data / "audit.db") as connection:
        connection.executemany(
            "INSERT INTO audit_batch (shard, sequence, leaves, salts, count, root, promised_at,"
            " signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    connection.close()


def _fill_calls(scene: Stage) -> None:
    """Records of calls, and what is counted of them, over a week."""
    now = int(time.time())
    with sqlite3.connect(scene.data / "monitoring.db") as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO call_record (system, method, request_in, handler_begin, handler_end,"
            " response_out, request_bytes, response_bytes, code, reason, grant_name, resource,"
            " purpose, row_count, items) SELECT 'departments/human-resources/systems/employment',"
            " '/tongban.exchange.v1.QueryService/Query', (? - i % 604800) * 1000000, 1, 1, 1, 100,"
            " 100, 'OK', '', '', '', '', 1, '' FROM n",
            (MILLION, now),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO call_traffic VALUES (?, ?, ?, ?)",
            [
                (now - now % 300 - 300 * step, outcome, 40 + number, 50)
                for step in range(2016)
                for outcome in (0, 1)
                for number in range(15)
            ],
        )
    connection.close()
