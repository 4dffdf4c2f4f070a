"""Files of what a grant shows: written, encrypted, linked, fetched, opened; and gone in time."""

import asyncio
import csv
import hashlib
import io
import subprocess
import threading
import uuid
from datetime import timedelta

import httpx
import orjson
import pyarrow.parquet as pq
import pytest

from exchange.audit.merkle import leaf_hash, root_from_path
from exchange.files import model, working
from exchange.files.envelope import open_envelope
from exchange.files.writing import plain
from exchange.grants.model import Mask, Operation
from exchange.v1 import files_pb2 as pb
from exchange.v1 import files_pb2_grpc, grants_pb2, query_pb2
from runtime.channels import channel
from runtime.clock import china_date
from runtime.errors import (
    DataLoss,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)
from runtime.identity import Principal, Role
from runtime.objects import FileStore, open_store
from runtime.records import canonical, commit
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, caller
from tests.builders.exchange import citizen_number, exchange_node, person, refusal
from tongban.exported import joined

SHOWN = {"citizen_number": Mask.WHOLE, "name": Mask.FIRST_CHARACTER, "birth_date": Mask.YEAR}
PURPOSE, CASE = "公租房资格审核", "2026-0001"


@pytest.fixture(params=["folder", "s3"])
def objects(request, tmp_path):
    if request.param == "folder":
        return FileStore(tmp_path / "objects")
    server = request.getfixturevalue("s3_server")
    return open_store(
        f"s3+http://{server.address}/files-{uuid.uuid4().hex}",
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    """What a node is told: nothing, or a server's address."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(working, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(working, "PART_RECORDS", 20)
    monkeypatch.setattr(working, "CHUNK", 7)
    monkeypatch.setattr(working, "LEAF_RECORDS", 15)


def asking(grant, **how):
    return pb.CreateExportJobRequest(
        parent=HOUSING,
        grant=grant,
        purpose=PURPOSE,
        case_number=CASE,
        request_id=str(uuid.uuid4()),
        **how,
    )


async def until(housing, name, state=pb.EXPORT_JOB_STATE_SUCCEEDED):
    async with asyncio.timeout(60):
        while True:
            answer = await housing.files.GetExportJob(pb.GetExportJobRequest(name=name))
            if answer.export_job.state == state:
                return answer.export_job
            await asyncio.sleep(0.05)


async def gone(objects, job=None):
    folder = hashlib.sha256(job.name.encode()).hexdigest()[:32] if job else ""
    for _ in range(600):
        if not list(objects.list(f"exports/{folder}")):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("files are left")


async def made(housing, grant, **how):
    created = await housing.files.CreateExportJob(asking(grant, **how))
    return await until(housing, created.export_job.name)


async def fetched(housing, job, number):
    return b"".join(
        [
            piece.data
            async for piece in housing.files.DownloadPart(
                pb.DownloadPartRequest(name=job.name, number=number)
            )
        ]
    )


async def contents(housing, job):
    key = housing.credentials.key
    return [open_envelope(await fetched(housing, job, part.number), key) for part in job.parts]


def rows_of(files):
    found = []
    for one in files:
        header, *rows = csv.reader(io.StringIO(one.decode()))
        assert header == list(SHOWN)
        found += rows
    return found


async def test_files_show_what_the_grant_shows_and_openssl_opens_them(tmp_path, database, objects):
    async with exchange_node(tmp_path, database, objects=objects) as node:
        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(*(person(n) for n in range(70)))
        await civil.publish(person(1, "=某乙"), withdraw=[citizen_number(2)])
        job = await made(housing, node.grant(SHOWN))
        assert [part.records for part in job.parts] == [20, 20, 20, 9]
        assert job.records == 69
        assert (job.percent, job.offset) == (100, 72)
        links = await housing.files.CreateDownloadLinks(
            pb.CreateDownloadLinksRequest(name=job.name)
        )
        files = []
        for part, link in zip(job.parts, links.links, strict=True):
            data = await fetched(housing, job, part.number)
            assert hashlib.sha256(data).hexdigest() == part.sha256
            assert len(data) == part.size
            if link.url:
                async with httpx.AsyncClient() as client:
                    assert (await client.get(link.url)).content == data
            for name, content in (
                ("f.cms", data),
                ("key.pem", housing.credentials.key),
                ("cert.pem", housing.credentials.certificate),
            ):
                (tmp_path / name).write_bytes(content)
            command = (
                "openssl cms -decrypt -binary -inform DER -in f.cms -recip cert.pem -inkey key.pem"
            )
            opened = await asyncio.to_thread(
                subprocess.run,
                [*command.split(), "-recip", "cert.pem"],
                cwd=tmp_path,
                capture_output=True,
                check=True,
            )
            files.append(opened.stdout)
            assert "某".encode() not in data
        expected = {
            citizen_number(n): ["某**" if n != 1 else "'=**", "1990"] for n in range(70) if n != 2
        }
        assert {row[0]: row[1:] for row in rows_of(files)} == expected
        assert plain("'=**") == "=**"

        # The receipt tells what was written, for whom; and nothing of it in plain.
        leaf = orjson.loads(job.receipt.leaf)
        assert (leaf["kind"], leaf["count"], leaf["parts"]) == ("file_exported", 69, 4)
        assert leaf["manifest"] == job.manifest_sha256
        manifest = {
            "format": "csv",
            "items": list(job.items),
            "offset": job.offset,
            "parts": [
                {"number": p.number, "records": p.records, "sha256": p.sha256, "size": p.size}
                for p in job.parts
            ],
        }
        assert hashlib.sha256(canonical(manifest)).hexdigest() == job.manifest_sha256
        committed = leaf["commitments"]
        assert committed["answer"] == commit(job.receipt.salt, "answer", canonical(manifest))
        assert committed["case_number"] == commit(job.receipt.salt, "case_number", CASE.encode())
        request = {
            "grant": job.grant,
            "format": "csv",
            "purpose": PURPOSE,
            "case_number": CASE,
            "certificate_sha256": job.certificate_sha256,
        }
        assert committed["request"] == commit(job.receipt.salt, "request", canonical(request))
        assert root_from_path(
            leaf_hash(job.receipt.leaf),
            job.receipt.position,
            job.receipt.batch_size,
            job.receipt.path,
        )
        parts = node.leaves("export")
        assert [leaf["count"] for leaf in parts] == [15, 5, 15, 5, 15, 5, 9]
        assert [leaf["part"] for leaf in parts] == [1, 1, 2, 2, 3, 3, 4]
        assert {leaf["sha256"] for leaf in parts} == {part.sha256 for part in job.parts}


async def test_an_applicant_is_told_of_the_file_that_they_are_in(tmp_path):
    async with exchange_node(tmp_path) as node:
        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(person(1), person(2))
        grant = node.grant(SHOWN)
        await made(housing, grant)
        await asyncio.to_thread(node.service.audit.sequencer.run)
        centre = "departments/service-centre"
        counter = node.connect(
            Principal(
                system=f"{centre}/systems/counter",
                department=centre,
                roles=frozenset({Role.COUNTER}),
                serial=0,
            )
        )
        for number, grants in ((1, [grant]), (3, [])):
            told = await counter.query.MyAccess(
                query_pb2.MyAccessRequest(key=citizen_number(number), case_number="SF-1")
            )
            assert [one.grant for one in told.accesses] == grants
            assert all(one.HasField("entry") for one in told.accesses)


async def test_the_receiver_joins_what_comes_by_links_and_by_the_node(tmp_path, objects):
    async with exchange_node(tmp_path, objects=objects) as node:
        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(*(person(n) for n in range(50)))
        grant = node.grant({"citizen_number": Mask.WHOLE})
        both = [
            await made(housing, grant, format=form)
            for form in (pb.FILE_FORMAT_CSV, pb.FILE_FORMAT_PARQUET)
        ]

        def join(job, by_node):
            path = tmp_path / "joined"
            with channel(node.address, housing.credentials) as connection:
                joined(
                    files_pb2_grpc.FileServiceStub(connection),
                    job,
                    key=housing.credentials.key,
                    to=path,
                    by_node=by_node,
                    done=lambda _: None,
                )
            return path

        for by_node in (False, True):
            text = await asyncio.to_thread(lambda by=by_node: join(both[0], by).read_text("utf-8"))
            assert text.split() == ["citizen_number", *(citizen_number(n) for n in range(50))]
            table = await asyncio.to_thread(lambda by=by_node: pq.read_table(join(both[1], by)))
            assert table["citizen_number"].to_pylist() == [citizen_number(n) for n in range(50)]
        other = pb.ExportJob.FromString(both[0].SerializeToString())
        other.parts[1].sha256 = "0" * 64
        with pytest.raises(DataLoss) as refused:
            await asyncio.to_thread(join, other, True)
        assert refused.value.reason == "MANIFEST_DIFFERS"


async def test_parquet_holds_every_value_as_it_is(tmp_path):
    async with exchange_node(tmp_path) as node:
        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(person(1, "=某乙"), person(2))
        job = await made(
            housing,
            node.grant({"citizen_number": Mask.WHOLE, "name": Mask.WHOLE}),
            format=pb.FILE_FORMAT_PARQUET,
        )
        (file,) = await contents(housing, job)
        assert pq.read_table(io.BytesIO(file)).to_pylist() == [
            {"citizen_number": citizen_number(1), "name": "=某乙"},
            {"citizen_number": citizen_number(2), "name": "某甲"},
        ]


async def test_nothing_to_show_is_one_file_with_the_columns_only(tmp_path):
    async with exchange_node(tmp_path) as node:
        housing = node.connect(caller(HOUSING))
        job = await made(housing, node.grant(SHOWN))
        assert rows_of(await contents(housing, job)) == []


async def test_a_job_is_its_departments_and_asked_for_under_a_grant(tmp_path):
    async with exchange_node(tmp_path) as node:
        housing, health = node.connect(caller(HOUSING)), node.connect(caller(HEALTH))
        grant = node.grant(SHOWN)
        request = asking(grant)
        job = (await housing.files.CreateExportJob(request)).export_job
        assert (await housing.files.CreateExportJob(request)).export_job.name == job.name
        await until(housing, job.name)
        for call in (
            health.files.GetExportJob(pb.GetExportJobRequest(name=job.name)),
            health.files.CreateDownloadLinks(pb.CreateDownloadLinksRequest(name=job.name)),
            health.files.CancelExportJob(pb.CancelExportJobRequest(name=job.name, request_id="r")),
        ):
            assert (await refusal(call)).reason == "EXPORT_JOB_NOT_FOUND"
        error = await refusal(housing.files.CreateExportJob(asking(
            node.grant(SHOWN, operations=[Operation.QUERY])
        )))  # fmt: skip
        assert (type(error), error.reason) == (PermissionDenied, "OPERATION_NOT_GRANTED")
        request = asking(grant)
        request.parent = HEALTH
        error = await refusal(health.files.CreateExportJob(request))
        assert (type(error), error.reason) == (NotFound, "GRANT_NOT_FOUND")
        page = await housing.files.ListExportJobs(pb.ListExportJobsRequest(parent=HOUSING))
        assert [one.name for one in page.export_jobs] == [job.name]
        assert len(node.leaves("query_refused")) >= 2


async def test_revoking_the_grant_ends_jobs_links_and_files(tmp_path, objects):
    async with exchange_node(tmp_path, objects=objects) as node:
        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(*(person(n) for n in range(30)))
        grant = node.grant(SHOWN)
        job = await made(housing, grant)
        links = (
            await housing.files.CreateDownloadLinks(pb.CreateDownloadLinksRequest(name=job.name))
        ).links
        assert list(objects.list("exports/"))
        await civil.grants.RevokeGrant(
            grants_pb2.RevokeGrantRequest(name=grant, reason="用途已结束", request_id="r")
        )
        failed = await until(housing, job.name, pb.EXPORT_JOB_STATE_FAILED)
        assert failed.failure_reason == "GRANT_REVOKED"
        await gone(objects)
        for link in links:
            if link.url:
                async with httpx.AsyncClient() as client:
                    assert (await client.get(link.url)).status_code in (403, 404)
        error = await refusal(
            housing.files.CreateDownloadLinks(pb.CreateDownloadLinksRequest(name=job.name))
        )
        assert (type(error), error.reason) == (FailedPrecondition, "EXPORT_JOB_ENDED")
        assert [leaf["reason"] for leaf in node.leaves("export_job_ended")] == ["GRANT_REVOKED"]


async def links_to(housing, job, valid_seconds=0):
    asked = pb.CreateDownloadLinksRequest(name=job.name, valid_seconds=valid_seconds)
    return [link.url for link in (await housing.files.CreateDownloadLinks(asked)).links]


@pytest.mark.parametrize("objects", ["s3"], indirect=True)
async def test_a_link_opens_its_own_file_until_its_end_and_that_of_its_job(tmp_path, objects):
    async with exchange_node(tmp_path, objects=objects) as node, httpx.AsyncClient() as client:

        async def status(url, method="GET"):
            return (await client.request(method, url)).status_code

        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(*(person(n) for n in range(25)))
        grant = node.grant(SHOWN)
        job, other = await made(housing, grant), await made(housing, grant)
        (brief, _), (url, second) = await links_to(housing, job, 1), await links_to(housing, job)
        (others, _), ends = await links_to(housing, other), asyncio.sleep(2.1)
        waiting = asyncio.create_task(ends)
        assert [await status(one) for one in (url, second, others)] == [200, 200, 200]
        path, query = url.split("?")
        folder = path.rsplit("/", 1)[0]
        bent = [
            path,
            f"{second.split('?')[0]}?{query}",
            f"{others.split('?')[0]}?{query}",
            f"{folder.rsplit('/', 2)[0]}?{query}",
            url.replace("X-Amz-Expires=900", "X-Amz-Expires=86400"),
            url[:-1] + ("0" if url[-1] != "0" else "1"),
        ]
        assert url not in bent
        assert {await status(one) for one in bent} == {403}
        assert {await status(url, method) for method in ("PUT", "DELETE")} == {403}
        await waiting
        assert await status(brief) == 403
        assert await status(url) == 200
        ended = pb.CancelExportJobRequest(name=job.name, request_id="c")
        await housing.files.CancelExportJob(ended)
        await gone(objects, job)
        assert [await status(one) for one in (url, second, others)] == [404, 404, 200]


async def test_files_are_deleted_at_the_jobs_end_and_when_it_is_cancelled(tmp_path):
    store = FileStore(tmp_path / "objects")
    async with exchange_node(tmp_path, objects=store) as node:
        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(person(1))
        grant = node.grant(SHOWN)
        first, second = await made(housing, grant), await made(housing, grant)
        assert len(list(store.list("exports/"))) == 2
        await housing.files.CancelExportJob(
            pb.CancelExportJobRequest(name=first.name, etag=first.etag, request_id="c")
        )
        await until(housing, first.name, pb.EXPORT_JOB_STATE_CANCELLED)
        node.clock.advance(timedelta(hours=25))
        await until(housing, second.name, pb.EXPORT_JOB_STATE_EXPIRED)
        await gone(store)


async def test_the_days_quota_bounds_a_job_which_goes_on_the_next_day(tmp_path):
    async with exchange_node(tmp_path) as node:
        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(*(person(n) for n in range(30)))
        grant = node.grant(SHOWN, daily_quota=25)
        job = (await housing.files.CreateExportJob(asking(grant, keep_hours=72))).export_job
        async with asyncio.timeout(30):
            while job.failure_reason != "DAILY_QUOTA_EXCEEDED":
                await asyncio.sleep(0.05)
                job = (
                    await housing.files.GetExportJob(pb.GetExportJobRequest(name=job.name))
                ).export_job
        assert [part.records for part in job.parts] == [20, 5]
        assert node.service.audit.used(grant, china_date(node.clock.now())) == 25
        node.clock.advance(timedelta(hours=24))
        job = await until(housing, job.name)
        assert [part.records for part in job.parts] == [20, 5, 5]
        assert len(rows_of(await contents(housing, job))) == 30
        counts = [(leaf["counted"], leaf["counted_day"]) for leaf in node.leaves("export")]
        days = [china_date(node.clock.now() - timedelta(days=ago)) for ago in (1, 0)]
        assert counts == [(15, days[0]), (5, days[0]), (5, days[0]), (5, days[1])]


async def test_a_record_that_changes_meanwhile_is_in_the_file_once_and_as_it_was(
    tmp_path, database, monkeypatch
):
    async with exchange_node(tmp_path, database) as node:
        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(*(person(n) for n in range(50)))
        read = working.FileWorker._read
        calls = []

        def slow(self, grant, job, greatest):
            found = read(self, grant, job, greatest)
            calls.append(len(found.records))
            if len(calls) == 1:
                publishing.set()
                assert published.wait(30)
            return found

        publishing, published = threading.Event(), threading.Event()
        monkeypatch.setattr(working.FileWorker, "_read", slow)
        job = (
            await housing.files.CreateExportJob(
                asking(node.grant({"citizen_number": Mask.WHOLE, "name": Mask.WHOLE}))
            )
        ).export_job
        await asyncio.to_thread(publishing.wait, 30)
        # One that was read, two that were not, one that is new.
        await civil.publish(
            person(0, "某新"), person(40, "某新"), person(99), withdraw=[citizen_number(41)]
        )
        published.set()
        job = await until(housing, job.name)
        found = [
            row
            for one in await contents(housing, job)
            for row in list(csv.reader(io.StringIO(one.decode())))[1:]
        ]
        assert sorted(found) == sorted([citizen_number(n), "某甲"] for n in range(50))


@pytest.mark.parametrize("step", ["_read", "_put", "_record", "_keep", "_finish", "_succeed"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_step_costs_no_record_and_doubles_none(
    tmp_path, monkeypatch, step, after
):
    done = getattr(working.FileWorker, step)
    calls = []

    def crash(self, *args):
        calls.append(step)
        if len(calls) != min(2, 1 + (step in ("_read", "_put", "_record", "_keep"))):
            return done(self, *args)
        if not after or asyncio.iscoroutinefunction(done):
            raise ArithmeticError("a crash")
        done(self, *args)
        raise ArithmeticError("a crash")

    monkeypatch.setattr(working.FileWorker, step, crash)
    async with exchange_node(tmp_path) as node:
        civil, housing = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await civil.publish(*(person(n) for n in range(50)))
        job = (await housing.files.CreateExportJob(asking(node.grant(SHOWN)))).export_job
        for _ in range(200):
            if calls and job.state == pb.EXPORT_JOB_STATE_SUCCEEDED:
                break
            node.clock.advance(timedelta(seconds=20))
            await asyncio.sleep(0.1)
            job = (
                await housing.files.GetExportJob(pb.GetExportJobRequest(name=job.name))
            ).export_job
        assert [part.records for part in job.parts] == [20, 20, 10]
        found = [row[0] for row in rows_of(await contents(housing, job))]
        assert found == [citizen_number(n) for n in range(50)]
        await housing.files.CancelExportJob(
            pb.CancelExportJobRequest(name=job.name, request_id="c")
        )
        await gone(node.service._objects)


async def test_a_department_keeps_so_many_jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "GREATEST_JOBS", 1)
    async with exchange_node(tmp_path) as node:
        housing = node.connect(caller(HOUSING))
        grant = node.grant(SHOWN)
        await housing.files.CreateExportJob(asking(grant))
        error = await refusal(housing.files.CreateExportJob(asking(grant)))
        assert (type(error), error.reason) == (ResourceExhausted, "TOO_MANY_EXPORT_JOBS")
