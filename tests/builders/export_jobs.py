"""Export jobs for tests: where files lie, what asks for them, and how they are taken."""

import asyncio
import csv
import hashlib
import io
import uuid

import pytest

from exchange.files import working
from exchange.files.envelope import open_envelope
from exchange.grants.model import Mask
from exchange.v1 import files_pb2 as pb
from runtime.objects import FileStore, open_store
from tests.builders.catalog import HOUSING

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
