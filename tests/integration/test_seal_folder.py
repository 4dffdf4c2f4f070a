"""`tongban seal batch`: which files it takes, and how it ends before the last of them."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.errors import DomainError, InvalidArgument, Unavailable
from seal import rpc_streams, store
from seal.orders import SealingState
from seal.v1 import seal_pb2 as pb
from tests.builders.ofd import pack, plain_ofd, unpack
from tests.builders.seal_node import CORNER, DEPARTMENT, SEAL, SealNode, serving, start
from tongban import files
from tongban.commands.seal_sign import _counted
from tongban.files import check_apart, check_target, write_file
from tongban.sealing import FolderSealing, Item, documents_in, seal_file


def test_a_missing_folder_is_said_as_such(tmp_path: Path):
    with pytest.raises(InvalidArgument) as caught:
        documents_in(tmp_path / "absent", tmp_path / "out")
    assert caught.value.reason == "NO_FOLDER"


def test_outputs_are_neither_inputs_nor_replace_them(tmp_path: Path):
    letters = tmp_path / "letters"
    (letters / "sealed").mkdir(parents=True)
    for name in ("a.ofd", "sealed/a.ofd"):
        (letters / name).write_bytes(b"x")
    (tmp_path / "link").symlink_to(letters)
    for target in (letters, letters / ".." / "letters", tmp_path / "link", tmp_path):
        with pytest.raises(InvalidArgument) as caught:
            documents_in(letters, target)
        assert caught.value.reason == "FOLDER_IS_THE_SOURCE"
    found = documents_in(letters, letters / "sealed")
    assert [item.source.name for item in found] == ["a.ofd"]
    assert len(documents_in(letters, tmp_path / "out")) == 2


def test_a_file_is_not_replaced_by_what_is_made_of_it(tmp_path: Path):
    source = tmp_path / "p.pdf"
    source.write_bytes(b"x")
    (tmp_path / "q.pdf").symlink_to(source)
    for target in (source, tmp_path / "q.pdf"):
        with pytest.raises(InvalidArgument) as caught:
            check_apart(source, target)
        assert caught.value.reason == "FILE_IS_THE_SOURCE"
    check_apart(source, tmp_path / "other.pdf")
    check_apart(tmp_path / "absent.pdf", tmp_path / "absent.pdf")  # told where it is read


# --- what is written ---------------------------------------------------------------------------


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up in the middle of each file."""

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            self.file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    original = files.replacing

    def replacing(path: Path) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def filled() -> Any:
            with original(path) as file:
                yield Full(file)

        return filled()

    monkeypatch.setattr(files, "replacing", replacing)


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "new" / "sealed.ofd"
    write_file(target, b"first")
    full_disk(monkeypatch)
    for path in (target, tmp_path / "new" / "other.ofd"):
        with pytest.raises(Unavailable) as caught:
            write_file(path, b"second")
        assert caught.value.reason == "STORAGE_FULL"
    assert target.read_bytes() == b"first"
    assert list((tmp_path / "new").iterdir()) == [target]


def test_a_link_or_a_device_stays_what_it_is(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"before")
    real.chmod(0o640)
    link.symlink_to(real)
    write_file(link, b"after")
    assert (link.is_symlink(), real.read_bytes()) == (True, b"after")
    assert real.stat().st_mode & 0o777 == 0o640
    write_file(Path("/dev/null"), b"gone")
    assert Path("/dev/null").is_char_device()


def test_where_nothing_can_be_written_is_told_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for target in (tmp_path, tmp_path / "file" / "below.ofd", tmp_path / "file" / "a" / "b.ofd"):
        with pytest.raises(InvalidArgument) as caught:
            check_target(target)
        assert caught.value.reason == "FILE_UNWRITABLE"
        assert caught.value.message_zh != caught.value.message
    check_target(tmp_path / "file")
    check_target(tmp_path / "new" / "deep" / "one.ofd")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_file_of_an_earlier_run_is_not_counted_as_unsealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGBAN_LANG", "en")
    (tmp_path / "1.ofd").write_bytes(b"sealed before")
    items = [
        Item(source=Path(name), target=tmp_path / name, is_asked=asked)
        for name, asked in (("0.ofd", True), ("1.ofd", False), ("2.ofd", False))
    ]
    told = _counted(items)
    assert "2 documents are not sealed; 1 were not sent again" in told
    assert _counted(items[::2]) == ": 2 documents are not sealed"


# --- a node ------------------------------------------------------------------------------------


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SealNode]:
    found = start(tmp_path / "data")
    found.make_seal()
    yield found
    found.server.database.close()


@pytest.fixture
async def client(node: SealNode, tmp_path: Path) -> AsyncIterator[Any]:
    async with serving(node, tmp_path / "pki") as connect:
        yield SimpleNamespace(seals=connect(DEPARTMENT, blocking=True), timeout=60.0)


def released(node: SealNode) -> int:
    with node.server.database.reading() as session:
        found = store.sealings_of(session, SEAL, limit=1000)
    return [one.state for one in found].count(SealingState.RELEASED)


def letters(folder: Path, count: int) -> Path:
    folder.mkdir()
    plain = unpack(plain_ofd())
    for number in range(count):  # each another document: equal ones have one answer
        (folder / f"{number:03}.ofd").write_bytes(pack({**plain, "Doc_0/n": os.urandom(40_000)}))
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def wish() -> pb.SealDocumentRequest:
    return pb.SealDocumentRequest(seal=SEAL, reason="批量用印", placements=[CORNER])


def run(client: Any, folder: Path, out: Path) -> tuple[FolderSealing, list[Item]]:
    items = documents_in(folder, out)
    sealing = FolderSealing(client=client, wish=wish(), items=items)
    assert len(list(sealing.run())) == len(items)
    return sealing, items


async def test_what_is_answered_before_a_seal_ends_is_kept_and_fetched_again(
    node: SealNode, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sixth is held up until the seal is revoked, and refused; some answers come after that."""
    folder, out = letters(tmp_path / "letters", 300), tmp_path / "out"
    revoked, done = threading.Event(), itertools.count(1)
    original = rpc_streams.StreamRpc.one_of_batch

    def one_of_batch(self: Any, part: Any, seal: str, principal: Any) -> Any:
        if part.item == 5:
            revoked.wait(30)
            return original(self, part, seal, principal)
        answer = original(self, part, seal, principal)
        if next(done) == 20:
            node.act("Revoke")
            revoked.set()
        if 15 <= part.item <= 25:
            time.sleep(0.5)
        return answer

    monkeypatch.setattr(rpc_streams.StreamRpc, "one_of_batch", one_of_batch)
    sealing, items = await asyncio.to_thread(run, client, folder, out)
    assert sealing.ended_by is not None
    assert sealing.ended_by.reason == "SEAL_NOT_IN_FORCE"
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(first) == released(node) == sum(item.is_sealed for item in items) >= 19
    assert not all(item.is_asked for item in items)  # what cannot pass is not sent

    monkeypatch.setattr(rpc_streams.StreamRpc, "one_of_batch", original)
    for path in out.iterdir():
        path.unlink()
    _, items = await asyncio.to_thread(run, client, folder, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    assert sum(item.is_sealed for item in items) == len(first)
    assert "005.ofd" not in first


async def test_a_document_whose_place_is_taken_is_not_sealed(
    node: SealNode, client: Any, tmp_path: Path
) -> None:
    folder, out = letters(tmp_path / "letters", 2), tmp_path / "out"
    (out / "000.ofd").mkdir(parents=True)
    _, items = await asyncio.to_thread(run, client, folder, out)
    assert [item.reason for item in items] == ["FILE_UNWRITABLE", ""]
    assert released(node) == 1


async def test_a_sealing_whose_file_was_not_written_is_fetched_by_its_id(
    node: SealNode, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "one.ofd", tmp_path / "sealed.ofd"
    source.write_bytes(plain_ofd())

    def ask() -> pb.SealDocumentRequest:
        found = wish()
        found.request_id = "11111111-2222-4333-8444-555555555555"
        return found

    with monkeypatch.context() as patched:
        full_disk(patched)
        with pytest.raises(DomainError) as caught:
            await asyncio.to_thread(seal_file, client, ask(), source, out)
    assert caught.value.reason == "STORAGE_FULL"
    assert names_in(tmp_path) == ["data", "one.ofd", "pki"]
    answer = await asyncio.to_thread(seal_file, client, ask(), source, out)
    assert (answer.stamp_count, released(node)) == (1, 1)
    assert out.is_file()
