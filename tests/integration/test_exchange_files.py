"""Files of what a grant shows: written, encrypted, fetched, opened, and of whom."""

import asyncio
import hashlib
import io
import subprocess

import httpx
import orjson
import pyarrow.parquet as pq
import pytest

from exchange.audit.merkle import leaf_hash, root_from_path
from exchange.files.writing import plain
from exchange.grants.model import Mask, Operation
from exchange.v1 import files_pb2 as pb
from exchange.v1 import files_pb2_grpc, grants_pb2, query_pb2
from runtime.channels import channel
from runtime.errors import (
    DataLoss,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal, Role
from runtime.records import canonical, commit
from tests.builders import export_jobs
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, caller
from tests.builders.exchange import citizen_number, exchange_node, person, refusal
from tests.builders.export_jobs import (
    CASE,
    PURPOSE,
    SHOWN,
    asking,
    contents,
    fetched,
    gone,
    made,
    rows_of,
    until,
)
from tongban.exported import joined

objects, database, quick = export_jobs.objects, export_jobs.database, export_jobs.quick


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
