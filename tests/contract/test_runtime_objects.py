"""One suite for every ObjectStore: the file system, and a real S3 server."""

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from runtime.errors import DataLoss, InvalidArgument, NotFound, Unavailable
from runtime.objects import FileStore, content_name, get_content, open_store


@pytest.fixture(params=["file", "s3"])
def store(request, tmp_path):
    if request.param == "file":
        return open_store(f"file://{tmp_path}/objects")
    server = request.getfixturevalue("s3_server")
    return open_store(
        f"s3+http://{server.address}/tongban/{os.urandom(6).hex()}",
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


def test_what_was_put_is_there_and_replaced_by_a_second_put(store):
    assert not store.exists("a/b.txt")
    store.put("a/b.txt", b"one")
    store.put("a/b.txt", b"two")
    assert store.get("a/b.txt") == b"two"
    assert store.exists("a/b.txt")


def test_the_first_of_two_writers_wins(store):
    assert store.put_if_absent("x", b"first")
    assert not store.put_if_absent("x", b"second")
    assert store.get("x") == b"first"


def test_of_many_writers_at_once_exactly_one_wins(store):
    gate = threading.Barrier(8)

    def write(number):
        gate.wait()
        return store.put_if_absent("race", str(number).encode())

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))
    assert sum(won) == 1
    assert store.get("race") == str(won.index(True)).encode()


def test_what_is_not_there_is_not_found(store):
    with pytest.raises(NotFound) as caught:
        store.get("nothing/here")
    assert caught.value.reason == "OBJECT_NOT_FOUND"
    store.delete("nothing/here")


def test_names_are_listed_in_order_by_prefix(store):
    for name in ("t/2", "t/10", "t/1", "u/1"):
        store.put(name, b"")
    assert list(store.list("t/")) == ["t/1", "t/10", "t/2"]
    assert list(store.list("")) == ["t/1", "t/10", "t/2", "u/1"]
    assert list(store.list("t/1")) == ["t/1", "t/10"]
    store.delete("t/1")
    assert list(store.list("t/")) == ["t/10", "t/2"]


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a b", "a\\b", "中", "a" * 600, "a\n"]
)
def test_a_bad_name_is_refused(store, name):
    with pytest.raises(InvalidArgument) as caught:
        store.put(name, b"")
    assert caught.value.reason == "BAD_OBJECT_NAME"


def test_empty_and_large_objects_come_back(store):
    large = os.urandom(6 * 1024 * 1024)
    store.put("empty", b"")
    store.put("large", large)
    assert store.get("empty") == b""
    assert hashlib.sha256(store.get("large")).digest() == hashlib.sha256(large).digest()


def test_content_that_changed_is_told(store):
    name = content_name("documents", b"sealed", ".ofd")
    store.put_if_absent(name, b"sealed")
    assert get_content(store, name) == b"sealed"
    store.put(name, b"forged")
    with pytest.raises(DataLoss) as caught:
        get_content(store, name)
    assert caught.value.reason == "OBJECT_CHANGED"


def test_a_store_that_does_not_answer_says_so():
    with pytest.raises(Unavailable) as caught:
        open_store("s3+http://127.0.0.1:9/bucket", access_key="a", secret_key="b")
    assert caught.value.reason == "OBJECT_STORE_UNREACHABLE"


def test_wrong_keys_are_refused(s3_server):
    with pytest.raises(Unavailable) as caught:
        open_store(f"s3+http://{s3_server.address}/tongban", access_key="nobody", secret_key="x")
    assert caught.value.reason == "OBJECT_STORE_REFUSED"


def test_a_scratch_file_of_a_killed_writer_is_swept(tmp_path):
    open_store(f"file://{tmp_path}")
    left = tmp_path / ".incoming" / "left"
    left.write_bytes(b"half")
    store = open_store(f"file://{tmp_path}")
    assert not left.exists()
    assert list(store.list("")) == []


def test_an_unknown_scheme_is_refused():
    with pytest.raises(InvalidArgument):
        open_store("ftp://host/bucket")


def test_who_only_reads_makes_nothing_and_leaves_what_is_being_written(tmp_path):
    url = f"file://{tmp_path}/objects"
    with pytest.raises(NotFound):
        open_store(url, reading=True).get("x")
    assert not (tmp_path / "objects").exists()
    open_store(url).put("x", b"one")
    half_written = tmp_path / "objects" / ".incoming" / "other"
    half_written.write_bytes(b"tw")
    assert open_store(url, reading=True).get("x") == b"one"
    assert half_written.exists()


def test_what_is_mapped_goes_in_and_comes_out_into_a_file(store, tmp_path):
    import mmap

    content = os.urandom(3_000_000)
    (tmp_path / "source").write_bytes(content)
    with (tmp_path / "source").open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        assert store.put_if_absent("large/one", view)
    with (tmp_path / "copy").open("w+b") as file:
        store.get_into("large/one", file)
        file.seek(0)
        assert file.read() == content
        with pytest.raises(NotFound) as caught:
            store.get_into("large/none", file)
    assert caught.value.reason == "OBJECT_NOT_FOUND"


def test_a_link_gives_the_object_until_its_end_and_a_folder_has_none(store):
    store.put("exports/a", b"content")
    url = store.link("exports/a", 2)
    if not url:
        assert isinstance(store, FileStore)
        return
    assert httpx.get(url, trust_env=False).content == b"content"
    assert httpx.get(url.replace("exports/a", "exports/b"), trust_env=False).status_code == 403
    time.sleep(3.2)
    assert httpx.get(url, trust_env=False).status_code == 403
    gone = store.link("exports/a", 60)
    store.delete("exports/a")
    assert httpx.get(gone, trust_env=False).status_code == 404
