"""Archives on a real node: licenses and cases, checked, reported on, destroyed in time."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import grpc
import pytest
from typer.testing import CliRunner

from exchange.audit.verify import verify_inclusion
from exchange.v1 import audit_pb2
from flows.archiving import check, run_checks
from licenses.archiving import package as archive_package
from licenses.v1 import archives_pb2 as pb
from runtime.errors import DomainError
from runtime.identity import Role
from runtime.status import from_rpc_error
from seal.v1 import seal_pb2
from tests.builders import materials
from tests.builders.audit import witness_key
from tests.builders.commands import at
from tests.builders.materials import BUREAU, ITEM
from tongban import collecting
from tongban.client import new_request_id
from tongban.demonstration.stage import Stage
from tongban.log_question import LogQuestion
from tongban.main import application
from tongban.proofs import verify_file

scene = materials.county_of_materials
WHO = materials.adult()


def refused(call: Any) -> DomainError:
    with pytest.raises(grpc.RpcError) as told:
        call()
    return from_rpc_error(told.value)


def run(*arguments: object) -> Any:
    env = {"COLUMNS": "200", "TONGBAN_LANG": "en"}
    return CliRunner().invoke(application("archives"), [str(one) for one in arguments], env=env)


def told(*arguments: object) -> Any:
    said = run(*arguments, "--json")
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout)


@pytest.fixture(scope="module")
def archived(scene: Stage) -> pb.Archive:
    made = materials.registered(scene, WHO)
    request = pb.ArchiveLicenseRequest(
        license=made.name, retention=pb.RETENTION_YEARS_10, request_id="archive-1"
    )
    first = scene["employment"].archives.ArchiveLicense(request, timeout=60).archive
    assert scene["employment"].archives.ArchiveLicense(request, timeout=60).archive == first
    request.request_id = new_request_id()
    again = refused(lambda: scene["employment"].archives.ArchiveLicense(request, timeout=60))
    assert again.reason == "ARCHIVED_ALREADY"
    other = refused(lambda: scene["police"].archives.ArchiveLicense(request, timeout=60))
    assert other.reason == "LICENSE_NOT_FOUND"
    return first


def package(scene: Stage, name: str) -> dict[str, bytes]:
    ask = pb.GetArchiveFileRequest(name=name, reason="查档")
    data = scene["employment"].archives.GetArchiveFile(ask, timeout=60).data
    with ZipFile(BytesIO(data)) as zipped:
        return {one: zipped.read(one) for one in zipped.namelist()}


def test_a_package_holds_all_that_shows_what_the_license_was(
    scene: Stage, archived: pb.Archive, tmp_path: Path
) -> None:
    assert archived.locked_by == "write_once"
    assert archived.retain_until.ToJsonString().endswith("12-31T16:00:00Z")  # in China, 1 January
    files = package(scene, archived.name)
    manifest = json.loads(files["manifest.json"])
    assert manifest["subject"] == archived.subject
    listed = {one["name"]: one["sha256"] for one in manifest["files"]}
    assert listed == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name not in ("manifest.json", "manifest.pdf")
    }
    assert {"forms/license.ofd", "forms/license.pdf", "forms/license.jwt"} <= set(files)
    assert any(name.startswith("evidence/trust/anchor") for name in files)
    verdict = json.loads(files["evidence/verdict.ofd.json"])
    assert verdict["indication"] == "INDICATION_PASSED"
    proof = json.loads(files["audit/1.json"])
    assert json.loads(proof["leaf"])["kind"] == "license_issued"
    key = scene["auditor"].audit.GetCheckpoint(audit_pb2.GetCheckpointRequest()).verifier_key
    answer = verify_inclusion(proof["proof"], proof["leaf"].encode(), key)  # without the node
    assert not answer.failed()
    # And by the command that an auditor has.
    file = tmp_path / "log-proof.json"
    file.write_bytes(files["audit/log-proof.json"])
    assert verify_file(file, key)["indication"] == "PASSED"
    # The certificates of the day are a folder as `seal verify --trust` reads it.
    said = {one["name"]: one for one in assert_holds(scene, archived.name, tmp_path)["findings"]}
    assert "示范县人力资源和社会保障局" in said["manifest_sealed"]["detail"]
    # Whom a witness has to cosign for has not cosigned.
    witness = tmp_path / "witness.txt"
    witness.write_text(witness_key().verifier_key)
    unseen = verify(tmp_path, "--witness", witness)
    assert (unseen.exit_code, broken(unseen)) == (1, ["archived_in_log"])
    # One made anew is whole by itself, and is not the one that was archived.
    held = archive_package.read((tmp_path / "package.zip").read_bytes())
    said_of_it = {**json.loads(held.files["license.json"]), "state_reason": "伪造"}
    forged = archive_package.build(
        held.facts, {**held.files, "license.json": archive_package.pretty(said_of_it)}
    )
    (tmp_path / "package.zip").write_bytes(forged)
    said = verify(tmp_path)
    assert (said.exit_code, broken(said)) == (1, ["archived_in_log"])
    (tmp_path / "package.zip.proof.json").unlink()
    said = verify(tmp_path)
    assert (said.exit_code, broken(said)) == (6, [])
    # Under the seal of the one that was archived it is no other's.
    forged = archive_package.build(
        held.facts,
        {**held.files, "license.json": archive_package.pretty(said_of_it)},
        lambda _: held.sealed,
    )
    (tmp_path / "package.zip").write_bytes(forged)
    resealed = verify(tmp_path)
    assert (resealed.exit_code, broken(resealed)) == (1, ["manifest_sealed"])
    assert json.loads(said.stdout)["indication"] == "INDETERMINATE"
    # A stranger finds no such archive; an auditor does.
    ask = pb.GetArchiveFileRequest(name=archived.name, reason="查档")
    assert refused(
        lambda: scene["police"].archives.GetArchiveFile(ask)
    ).reason == "ARCHIVE_NOT_FOUND"  # fmt: skip
    assert scene["auditor"].archives.GetArchiveFile(ask).media_type == "application/zip"


def broken(said: Any) -> list[str]:
    return [one["name"] for one in json.loads(said.stdout)["findings"] if not one["passed"]]


def verify(folder: Path, *options: object) -> Any:
    return run(
        "archives", "verify", folder / "package.zip", "--key", folder / "log-key.txt",
        "--trust", folder / "evidence" / "trust", "--json", *options,
    )  # fmt: skip


def assert_holds(scene: Stage, name: str, folder: Path) -> Any:
    """Verify a package without the node, by what stands in it."""
    ask = pb.GetArchiveFileRequest(name=name, reason="查档")
    found = scene["employment"].archives.GetArchiveFile(ask, timeout=60)
    data = found.data
    (folder / "package.zip").write_bytes(data)
    (folder / "package.zip.proof.json").write_text(found.proof)
    with ZipFile(BytesIO(data)) as zipped:
        inside = [one for one in zipped.namelist() if one.startswith("evidence/trust/")]
        zipped.extractall(folder, inside)
    key = scene["auditor"].audit.GetCheckpoint(audit_pb2.GetCheckpointRequest()).verifier_key
    (folder / "log-key.txt").write_text(key)
    said = verify(folder)
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout)


def test_a_case_is_archived_with_its_form_and_its_questions(scene: Stage, tmp_path: Path) -> None:
    begun = materials.begin(scene, ITEM, WHO)
    request = pb.ArchiveCaseRequest(collection=begun.name, request_id=new_request_id())
    early = refused(lambda: scene["employment"].archives.ArchiveCase(request, timeout=60))
    assert early.reason == "NOT_COLLECTED"
    collecting.collect(
        scene["employment"], begun.name, WHO.citizen_number, {"phone": "10012345678"}
    )
    made = scene["employment"].archives.ArchiveCase(request, timeout=60).archive
    assert made.retention == pb.RETENTION_YEARS_30
    files = package(scene, made.name)
    form = {one["code"]: one["value"] for one in json.loads(files["form.json"])}
    assert form["name"] == WHO.name
    kinds = [json.loads(json.loads(files[f"audit/{n}.json"])["leaf"])["kind"] for n in (1, 2)]
    assert kinds == ["materials_collected", "query"]
    checked = (
        scene["employment"]
        .archives.CheckArchive(pb.CheckArchiveRequest(name=made.name), timeout=60)
        .archive
    )
    assert [one for one in checked.findings if not one.passed] == []
    told = assert_holds(scene, made.name, tmp_path)
    assert {"decision_in_log", "in_log_audit_2_json"} <= {one["name"] for one in told["findings"]}
    # Another form, in a package that is whole by its own manifest, is not what the log says.
    held = archive_package.read((tmp_path / "package.zip").read_bytes())
    form = held.files["form.json"].replace(WHO.name.encode(), "伪造".encode())
    forged = archive_package.build(held.facts, {**held.files, "form.json": form})
    (tmp_path / "package.zip").write_bytes(forged)
    said = verify(tmp_path)
    assert said.exit_code == 1
    assert broken(said) == ["archived_in_log", "decision_in_log"]


def test_the_four_checks_pass_are_reported_under_seal_and_find_a_change(
    scene: Stage, archived: pb.Archive, tmp_path: Path
) -> None:
    outcome, sealed = run_checks(scene["employment"].archives, BUREAU, 0)
    assert outcome["failed"] == []
    assert hashlib.sha256(sealed).hexdigest() == outcome["report_sha256"]
    verdict = (
        scene["auditor"]
        .seals.VerifyDocument(seal_pb2.VerifyDocumentRequest(document=sealed), timeout=60)
        .verdict
    )
    assert verdict.indication == seal_pb2.INDICATION_PASSED
    # The flow's task does the same, and leaves the report where it is told to.
    file = tmp_path / "report.pdf"
    by_task = check.fn(scene.address, scene.identity("employment"), BUREAU, 0, "", str(file))
    assert by_task["checked"] == outcome["checked"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == by_task["report_sha256"]
    outcome = by_task
    found = scene["employment"].archives.GetArchive(pb.GetArchiveRequest(name=archived.name))
    assert found.archive.report_sha256 == outcome["report_sha256"]
    assert {one.property for one in found.archive.findings} == {
        "authentic", "complete", "usable", "safe",
    }  # fmt: skip
    nothing, empty = run_checks(scene["employment"].archives, BUREAU, 1)
    assert (nothing["checked"], empty) == (0, b"")

    (stored,) = scene.data.glob(f"archive/packages/*/{archived.name.rpartition('/')[2]}.zip")
    whole = stored.read_bytes()
    stored.chmod(0o600)
    try:
        stored.write_bytes(whole.replace(b"manifest.json", b"manifest.jsom"))
        failing, _ = run_checks(scene["employment"].archives, BUREAU, 0)
        assert failing["failed"] == [archived.name]
        said = run("archives", "check", archived.name, *at(scene))
        assert said.exit_code == 1
        assert "package_digest" in said.output
    finally:
        stored.write_bytes(whole)


def test_nothing_is_destroyed_before_its_time(scene: Stage, archived: pb.Archive) -> None:
    here = at(scene)
    said = run("archives", "ask-destruction", archived.name, "--reason", "期满", *here)
    assert said.exit_code != 0
    assert "RETENTION_NOT_OVER" in said.stderr
    second = materials.department(scene, "human-resources", Role.DEPARTMENT)
    with second:
        approve = pb.ApproveDestructionRequest(name=archived.name, request_id=new_request_id())
        error = refused(lambda: second.archives.ApproveDestruction(approve))
        assert error.reason == "DESTRUCTION_NOT_ASKED"


def over(scene: Stage, name: str) -> None:
    """As if its years had passed: whoever owns the folder can do so, and nobody else."""
    archive_id = name.rpartition("/")[2]
    with sqlite3.connect(scene.data / "licenses.db", timeout=30) as database:
        database.execute(
            "UPDATE archive_package SET retain_until = archive_time WHERE id = ?", (archive_id,)
        )
    (told,) = scene.data.glob(f"archive/packages/*/{archive_id}.zip.until")
    told.chmod(0o600)
    told.write_text("2026-01-01T00:00:00+00:00")


def test_two_destroy_what_has_reached_its_end_and_a_sealed_certificate_stays(
    scene: Stage, tmp_path: Path
) -> None:
    here, reason = at(scene), "保管期满，经鉴定无保存价值"
    of = materials.registered(scene, materials.person(5))
    name = told("archives", "add", of.name, "--keep", "10", *here)["name"]
    over(scene, name)
    asked = told("archives", "ask-destruction", name, "--reason", reason, *here)
    assert asked["state"] == "ARCHIVE_STATE_DESTRUCTION_ASKED"
    assert "SAME_PERSON" in run("archives", "approve-destruction", name, *here).stderr
    with materials.department(scene, "human-resources"):
        second = ["--node", scene.address, "--identity",
                  scene.data / "systems" / "human-resources-materials"]  # fmt: skip
    kept = told("archives", "reject-destruction", name, "--reason", "仍有利用价值", *second)
    assert kept["state"] == "ARCHIVE_STATE_KEPT"
    told("archives", "ask-destruction", name, "--reason", reason, *here)
    gone = told("archives", "approve-destruction", name, *second)
    assert gone["state"] == "ARCHIVE_STATE_DESTROYED"
    assert gone["destroyed_by"] == "departments/human-resources/systems/materials"
    assert not list(scene.data.glob(f"archive/packages/*/{name.rpartition('/')[2]}.zip*"))
    file = tmp_path / "certificate.pdf"
    fetch = ("archives", "fetch", name, "--out", file, "--reason", "查档")
    assert told(*fetch, "--file", "certificate", *here)["media_type"] == "application/pdf"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == gone["certificate_sha256"]
    request = seal_pb2.VerifyDocumentRequest(document=file.read_bytes())
    verdict = scene["auditor"].seals.VerifyDocument(request, timeout=60).verdict
    assert verdict.indication == seal_pb2.INDICATION_PASSED
    assert "ARCHIVE_DESTROYED" in run(*fetch, *here).stderr
    assert "DESTROYED" in run("archives", "show", name, *here).output


def test_the_commands_show_archives(scene: Stage, archived: pb.Archive, tmp_path: Path) -> None:
    here = at(scene)
    assert archived.name in [one["name"] for one in told("archives", "list", BUREAU, *here)]
    assert archived.subject in run("archives", "list", BUREAU, *here).output
    assert told("archives", "show", archived.name, *here)["sha256"] == archived.sha256
    # What a crash left there belongs to no archive, and is named.
    assert told("archives", "strays", *here) == []
    stray = scene.data / "archive" / "packages" / "00" / "stray.zip"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"left")
    (found,) = told("archives", "strays", *here)
    assert found["object_name"] == "packages/00/stray.zip"
    assert "packages/00/stray.zip" in run("archives", "strays", *at(scene, "auditor")).output
    stray.unlink()
    target = tmp_path / "package.zip"
    fetched = told(
        "archives", "fetch", archived.name, "--out", target, "--reason", "查档", *here
    )  # fmt: skip
    assert fetched["bytes"] == archived.size == len(target.read_bytes())
    # The proof beside it is one that every verifier of proofs takes, of this file.
    key = scene["auditor"].audit.GetCheckpoint(audit_pb2.GetCheckpointRequest()).verifier_key
    asked = LogQuestion(document=archived.sha256)
    proof = tmp_path / "package.zip.proof.json"
    assert fetched["proof"] == str(proof)
    assert verify_file(proof, key, asked)["indication"] == "PASSED"
    made = materials.registered(scene, materials.person(3))
    kept = told("archives", "add", made.name, "--keep", "permanent", *here)
    assert kept["retention"] == "RETENTION_PERMANENT"
