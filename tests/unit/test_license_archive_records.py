"""A package is held to the records of the log, and not to what it says of itself."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from licenses.archiving import checking, package
from licenses.archiving.attesting import attested, needed
from licenses.archiving.model import Archive, Retention
from licenses.archiving.package import Package
from runtime.records import commit
from tests.builders.licenses import BUREAU, NOW

CASE = f"collections/{'1' * 24}"
LICENSE = f"{BUREAU}/licenses/{'2' * 24}"
LEAF = {
    "kind": "materials_collected", "collection": CASE, "questions": ["7", "9"],
    "commitments": {"form": "aa"},
}  # fmt: skip
ISSUED = {
    "kind": "license_issued", "license": LICENSE, "ofd_sha256": hashlib.sha256(b"ofd").hexdigest(),
}  # fmt: skip


def archive(subject: str) -> Archive:
    return Archive(
        id="0" * 24, department=BUREAU, subject=subject, object_name="packages/00/0.zip",
        sha256="", size=0, retention=Retention.YEARS_10, retain_until=NOW,
        locked_by="write_once", archive_time=NOW, actor=f"{BUREAU}/systems/main",
    )  # fmt: skip


def record(index: int, **leaf: Any) -> bytes:
    return package.pretty({"index": index, "leaf": orjson.dumps(leaf).decode(), "proof": ""})


def packed(kind: str, subject: str, files: dict[str, bytes], **facts: str) -> Package:
    told = {"subject": subject, "kind": kind, "department": BUREAU, "retention": "YEARS_10"}
    described = {f"{kind}.json": package.pretty({"name": subject})}
    return package.read(package.build({**told, **facts}, {**described, **files}))


def case(**changed: bytes | None) -> dict[str, bytes]:
    """Files of a whole case; with others in the place of some, by number."""
    files = {"1": record(3, **LEAF), "2": record(7, kind="query"), "3": record(9, kind="query")}
    told = {**files, **{name.removeprefix("n"): data for name, data in changed.items()}}
    return {f"audit/{name}.json": data for name, data in told.items() if data is not None}


def failed(subject: str, held: Package) -> dict[str, str]:
    return {one.name: one.detail for one in attested(archive(subject), held) if not one.passed}


def test_a_whole_case_has_its_own_records() -> None:
    held = packed("case", CASE, case())
    assert failed(CASE, held) == {}
    assert list(needed(held)) == ["audit/2.json", "audit/3.json", "audit/opening.json"]


@pytest.mark.parametrize(
    ("files", "strange"),
    [
        (case(n3=None), "audit/3.json"),
        (case(n3=record(8, kind="query")), "audit/3.json"),
        (case(n4=record(10, kind="query")), "audit/4.json"),
        (case(n1=record(3, **{**LEAF, "collection": f"collections/{'3' * 24}"})), "audit/1.json"),
        (case(n1=record(3, **{**LEAF, "kind": "collection_read"})), "audit/1.json"),
        (case(n1=b"[]"), "audit/1.json"),
    ],
)
def test_records_of_something_else_are_found(files: dict[str, bytes], strange: str) -> None:
    told = failed(CASE, packed("case", CASE, files))
    assert told["records_of_its_subject"].endswith(f": {strange}")


def agreed(words: str, subject: str = CASE) -> dict[str, bytes]:
    """What a case says of its consent, and the record of it."""
    salt = b"s" * 32
    leaf = {
        "kind": "collection_consented", "collection": subject,
        "commitments": {"consent": commit(salt, "consent", "当面同意".encode())},
    }  # fmt: skip
    return {
        "case.json": package.pretty({"name": CASE, "consent": words}),
        "audit/opening.json": package.pretty({"salt": "", "consent_salt": salt.hex()}),
        "audit/consent.json": record(2, **leaf),
    }


def test_a_case_shows_in_which_words_was_agreed() -> None:
    first = record(3, **{**LEAF, "commitments": {"form": "aa", "consent": "bb"}})
    held = packed("case", CASE, {**case(n1=first), **agreed("当面同意")})
    assert failed(CASE, held) == {}
    assert "audit/consent.json" in needed(held)
    for forged in (agreed("电话同意"), agreed("当面同意", f"collections/{'3' * 24}")):
        told = failed(CASE, packed("case", CASE, {**case(n1=first), **forged}))
        assert told["records_of_its_subject"].endswith(": audit/consent.json")


def test_a_license_has_the_forms_that_its_issue_names() -> None:
    good = {"audit/1.json": record(1, **ISSUED), "forms/license.ofd": b"ofd"}
    assert failed(LICENSE, packed("license", LICENSE, good)) == {}
    forged = {**good, "forms/license.ofd": b"other"}
    assert failed(LICENSE, packed("license", LICENSE, forged))["records_of_its_subject"].endswith(
        "forms/license.ofd"
    )
    strangers = {**good, "audit/2.json": record(2, kind="license_revoked", license="another")}
    assert "audit/2.json" in failed(LICENSE, packed("license", LICENSE, strangers)).popitem()[1]


def test_a_license_that_its_records_do_not_name_is_known_by_its_file() -> None:
    """As they have been since the log commits to the name."""
    issued = {"kind": "license_issued", "ofd_sha256": ISSUED["ofd_sha256"]}
    ended = record(2, kind="license_revoked", ofd_sha256=ISSUED["ofd_sha256"])
    good = {
        "audit/1.json": record(1, **issued), "audit/2.json": ended, "forms/license.ofd": b"ofd",
        "license.json": package.pretty({"name": LICENSE, "identifier": "1.2.3"}),
        "metadata.json": package.pretty({"ZZBS": "1.2.3"}),
    }  # fmt: skip
    assert failed(LICENSE, packed("license", LICENSE, good)) == {}
    for changed, told in (
        ({"metadata.json": package.pretty({"ZZBS": "1.2.4"})}, "metadata.json"),
        ({"forms/license.ofd": b"other"}, "forms/license.ofd"),
        ({"audit/1.json": record(1, kind="license_issued")}, "audit/1.json"),
        ({"audit/2.json": record(2, kind="license_revoked", ofd_sha256="ab" * 32)}, "audit/2.json"),
    ):
        found = failed(LICENSE, packed("license", LICENSE, {**good, **changed}))
        assert told in str(found.values()), changed


def test_a_package_of_something_else_is_found() -> None:
    other = packed("case", CASE, case(), retention="PERMANENT", department="departments/tax")
    assert failed(CASE, other) == {
        "package_of_its_subject": "of something else: department, retention"
    }
    assert "kind" in failed(CASE, packed("license", CASE, case()))["package_of_its_subject"]


def test_what_is_missing_is_named_once() -> None:
    described = package.pretty({"state": "ACTIVE", "forms": ["ofd"]})
    held = packed("license", LICENSE, {"license.json": described})
    (found,) = (one for one in checking.complete(held) if one.name == "parts_present")
    assert found.detail.split(", ").count("forms/license.ofd") == 1
