"""What is kept is kept: in a folder by our own refusal, on an S3 server by its object lock."""

from __future__ import annotations

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from runtime import retention
from runtime.errors import AlreadyExists, DomainError, FailedPrecondition, NotFound
from runtime.objects import S3Store, open_store
from runtime.retention import OBJECT_LOCK, WRITE_ONCE, retained


@pytest.fixture(params=["file", "s3"])
def objects(request, tmp_path):
    if request.param == "file":
        return open_store(f"file://{tmp_path}/objects")
    server = request.getfixturevalue("s3_server")
    return open_store(
        f"s3+http://{server.address}/kept/{os.urandom(6).hex()}",
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


def test_what_is_kept_is_neither_replaced_nor_destroyed_before_its_time(objects):
    store = retained(objects)
    assert store.lock == (OBJECT_LOCK if isinstance(objects, S3Store) else WRITE_ONCE)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    store.put_once("a/package.zip", b"one", until)
    store.put_once("a/package.zip", b"one", until)  # a repeat
    with pytest.raises(AlreadyExists) as kept:
        store.put_once("a/package.zip", b"two", until)
    assert kept.value.reason == "OBJECT_KEPT"
    assert store.get("a/package.zip") == b"one"
    assert store.kept_until("a/package.zip") == until
    with pytest.raises(FailedPrecondition) as early:
        store.destroy("a/package.zip")
    assert early.value.reason == "RETENTION_NOT_OVER"


def test_what_was_kept_long_enough_can_be_destroyed(objects):
    store = retained(objects)
    # A busy server must take it while it is still to come.
    until = datetime.now(UTC) + timedelta(seconds=4)
    store.put_once("a/package.zip", b"one", until)
    time.sleep(5)  # the server counts by the second
    for _ in range(2):
        store.destroy("a/package.zip")
    with pytest.raises(NotFound):
        store.get("a/package.zip")


def test_what_is_kept_for_good_has_no_end(objects):
    store = retained(objects)
    store.put_once("permanent", b"one", None)
    assert store.kept_until("permanent") is None
    store.put_once("permanent", b"one", datetime.now(UTC))  # a time makes nothing shorter
    assert store.kept_until("permanent") is None
    with pytest.raises(FailedPrecondition):
        store.destroy("permanent")
    with pytest.raises(NotFound):
        store.kept_until("nothing")


def test_a_lock_is_made_again_before_it_ends_and_what_is_there_is_listed(objects, monkeypatch):
    store = retained(objects)
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    with monkeypatch.context() as short:
        short.setattr(retention, "FAR", timedelta(hours=1))
        store.put_once("a/permanent", b"one", None)
    store.put_once("b/package.zip", b"one", soon)
    assert list(store.names("")) == ["a/permanent", "b/package.zip"]
    assert list(store.names("b/")) == ["b/package.zip"]
    for _ in range(2):
        store.keep("a/permanent", None)
        store.keep("b/package.zip", soon + timedelta(hours=1))
    store.keep("b/package.zip", soon)  # a time makes nothing shorter
    assert store.kept_until("b/package.zip") == soon + timedelta(hours=1)
    assert store.kept_until("a/permanent") is None
    if isinstance(objects, S3Store):
        bucket, key = f"{objects.bucket}-archive", f"{objects.prefix}a/permanent"
        (version,) = [
            one.version_id
            for one in objects.client.list_objects(bucket, prefix=key, include_version=True)
        ]
        lock = objects.client.get_object_retention(bucket, key, version)
        assert lock.retain_until_date > datetime.now(UTC) + timedelta(days=98 * 365)
    with pytest.raises(NotFound):
        store.keep("nothing", None)


def test_the_server_itself_refuses_whoever_has_its_keys(objects):
    if not isinstance(objects, S3Store):
        assert retained(objects).lock == WRITE_ONCE  # and claims no more than that
        return
    store = retained(objects)
    store.put_once("held", b"one", datetime.now(UTC) + timedelta(hours=1))
    client, bucket, key = objects.client, f"{objects.bucket}-archive", f"{objects.prefix}held"
    (version,) = [
        one.version_id for one in client.list_objects(bucket, prefix=key, include_version=True)
    ]
    with pytest.raises(DomainError), S3Store.errors():
        client.remove_object(bucket, key, version_id=version)
    # Deleted without a version, or written over, it is still there as it was.
    client.remove_object(bucket, key)
    assert store.get("held") == b"one"
    # What is kept for good is locked besides its legal hold, which the keys can lift.
    store.put_once("permanent", b"one", None)
    key = f"{objects.prefix}permanent"
    (version,) = [
        one.version_id for one in client.list_objects(bucket, prefix=key, include_version=True)
    ]
    client.disable_object_legal_hold(bucket, key, version_id=version)
    with pytest.raises(DomainError), S3Store.errors():
        client.remove_object(bucket, key, version_id=version)
    assert store.get("permanent") == b"one"


def test_of_two_writers_at_once_one_is_first(objects):
    store = retained(objects)
    until = datetime.now(UTC) + timedelta(hours=1)  # a server takes no time that is over

    def put(data):
        try:
            store.put_once("a/package.zip", data, until)
        except AlreadyExists as taken:
            return taken.reason
        return data

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(put, (b"one", b"two", b"three", b"four")))
    assert sorted(isinstance(one, str) for one in answers) == [False, True, True, True]
    assert store.get("a/package.zip") in answers


def test_what_lies_there_without_a_lock_is_locked_by_a_repeat(objects, tmp_path):
    store = retained(objects)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    store.put_once("other", b"0", until)  # makes the bucket
    if isinstance(objects, S3Store):
        bucket, key = f"{objects.bucket}-archive", f"{objects.prefix}laid"
        objects.client.put_object(bucket, key, io.BytesIO(b"one"), 3)
    else:
        (tmp_path / "archive" / "laid").write_bytes(b"one")
        (tmp_path / "archive" / "laid.until").write_text("")
    with pytest.raises(FailedPrecondition):
        store.kept_until("laid")
    store.put_once("laid", b"one", until)
    assert store.kept_until("laid") == until
