"""A real node of the fictional county for tests: `tongban serve` in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from exchange.v1 import catalog_pb2, grants_pb2
from flows import directory, sync
from seal.v1 import seal_pb2
from tests.builders import programs
from tongban.demonstration import licensing, sharing, stage
from tongban.demonstration.stage import Stage


def new_stage(folder: Path) -> Stage:
    """A fresh data folder with the systems enrolled; no node runs yet."""
    scene = stage.prepare_folder(folder)
    stage.enrol(scene)
    return scene


@contextmanager
def county(folder: Path) -> Iterator[Stage]:
    """A running node whose catalog holds the county's departments and resources."""
    scene = new_stage(folder)
    with stage.running(scene, programs.start):
        fill_catalog(scene)
        yield scene


def fill_catalog(scene: Stage, *, departments: bool = True) -> None:
    """Register the departments and put the sample directories, without a flow."""
    if departments:
        sharing.set_up(scene)
    stub = scene["centre"].catalog
    files = [
        stage.data_file(name)
        for name in (
            "service-items.csv",
            "public-security-resources.csv",
            "market-regulation-resources.xlsx",
        )
    ]
    wanted = directory.merge(sync.read(files, sync.departments(stub)))
    changes = directory.compare(wanted, sync.held(stub, wanted))
    stub.ApplyDirectory(
        catalog_pb2.ApplyDirectoryRequest(
            changes=changes.batch, source="test", request_id=changes.request_id
        ),
        timeout=60,
    )


def grant(
    scene: Stage,
    items: Sequence[str] = ("name",),
    *,
    lasting: timedelta = timedelta(days=1),
    quota: int = 0,
) -> str:
    """A grant of the employment bureau over the population library; its name."""
    asked = sharing.ask(scene["employment"], sharing.POPULATION, list(items), sharing.PURPOSE)
    given = [grants_pb2.GrantedItem(item=item) for item in items]
    return sharing.approve(scene["police"], asked.name, given, lasting, quota=quota).name


def seal(scene: Stage) -> str:
    """The employment bureau's seal; its name."""
    wish = seal_pb2.CreateSealRequest(
        parent="departments/human-resources",
        seal_id="official",
        display_name="示范县人力资源和社会保障局",
        credit_code="11990101000000035K",
        request_id="seal",
    )
    return licensing.make_seal(scene, wish).name
