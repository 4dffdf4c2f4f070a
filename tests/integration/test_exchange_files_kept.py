"""Files of export jobs in time: links, quotas, changes meanwhile, crashes; gone at their end."""

import asyncio
import csv
import io
import threading
from datetime import timedelta

import httpx
import pytest

from exchange.files import model, working
from exchange.grants.model import Mask
from exchange.v1 import files_pb2 as pb
from runtime.clock import china_date
from runtime.errors import (
    ResourceExhausted,
)
from runtime.objects import FileStore
from tests.builders import export_jobs
from tests.builders.catalog import CIVIL, HOUSING, caller
from tests.builders.exchange import citizen_number, exchange_node, person, refusal
from tests.builders.export_jobs import SHOWN, asking, contents, gone, made, rows_of, until

objects, database, quick = export_jobs.objects, export_jobs.database, export_jobs.quick


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
