"""The README's first command, whole: every act's facts, and the files it leaves."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from exchange.audit.verify import receipt_from_json, verify_receipt
from runtime.clock import SYSTEM
from seal.model import Indication
from seal.verify import assess
from tongban.verdicts import TrustFolder


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "data"
    done = subprocess.run(
        [sys.executable, "-m", "tongban", "demo", "--json", "--people", "2000", "--data", folder],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout), done


def test_directories_are_synced_and_every_reject_is_named(played):
    _, facts, _ = played
    runs = facts["sync"]
    assert len(runs["first"]["added"]) == 34
    assert runs["first"]["rejected"] == []
    assert (runs["again"]["added"], runs["again"]["changed"], runs["again"]["withdrawn"]) == (
        [], [], [],
    )  # fmt: skip
    assert runs["again"]["unchanged"] == 34
    assert runs["edited"]["changed"] == ["departments/environment/serviceItems/cg2017-05"]
    assert runs["edited"]["changed_fields"] == {runs["edited"]["changed"][0]: ["备注"]}
    assert runs["edited"]["withdrawn"] == ["departments/public-security/serviceItems/cg2017-13"]
    assert sorted(r["reason"] for r in runs["edited"]["rejected"]) == [
        "BAD_CREDIT_CODE", "DUPLICATE_CODE", "MISSING_FIELD",
    ]  # fmt: skip
    assert all(r["line"] > 1 and r["file"] for r in runs["edited"]["rejected"])


def test_libraries_are_published(played):
    _, facts, _ = played
    assert [f["records"] for f in facts["publish"].values()] == [2000, 2000]


def test_a_query_shows_what_was_granted_and_masks_what_was_masked(played):
    _, facts, _ = played
    assert facts["grant"]["asked"] == ["name", "residence_address", "phone"]
    assert set(facts["grant"]["given"]) == {"name", "residence_address"}
    assert set(facts["query"]["items"]) == {"name", "residence_address"}
    assert facts["query"]["items"]["residence_address"].endswith("****")
    assert facts["query"]["verify"] == {"true_pair": "MATCH", "false_pair": "NO_MATCH"}
    assert [c["type"] for c in facts["subscribe"]["received"]] == ["UPSERT", "UPSERT"]
    assert all(set(c["items"]) <= {"name", "residence_address"} for c in
               facts["subscribe"]["received"])  # fmt: skip


def test_refusals_have_reasons(played):
    _, facts, _ = played
    assert {k: v["reason"] for k, v in facts["refused"].items()} == {
        "ungranted_item": "ITEM_NOT_GRANTED",
        "expired_grant": "GRANT_EXPIRED",
        "another_department": "GRANT_NOT_FOUND",
        "unknown_caller": "TLS_HANDSHAKE_FAILED",
    }
    assert all(v["message"] and v["message_zh"] for v in facts["refused"].values())


def test_a_license_is_issued_presented_and_revoked(played):
    _, facts, _ = played
    issued = facts["issue"]
    assert re.fullmatch(
        r"1\.2\.156\.3005\.2\.\w{21}\.\w{18}\.\d+\.001\.\w", issued["license_identifier"]
    )
    assert issued["metadata"]["ZZBS"] == issued["license_identifier"]
    assert issued["state"] == "ACTIVE"
    assert facts["library"]["items"]["state"] == "ACTIVE"
    shown = facts["present"]
    roles = {s["system"]: s["roles"] for s in facts["set_up"]["systems"]}
    assert roles[shown["presented_by"]] == ["counter"]
    assert shown["presented_by"] != shown["verified_by"]
    assert shown["verified_by"].startswith("departments/service-centre/")
    assert ["auditor"] in roles.values()
    assert shown["before"]["indication"] == "PASSED"
    assert set(shown["before"]["fields"]) == {"ZZMC", "CZZT", "KZ_DJLX", "ZZYXQJZRQ"}
    assert shown["after"]["indication"] == "FAILED"
    assert shown["after"]["state"] == "REVOKED"
    assert "since" in shown["after"]["summary"]
    assert facts["library_after"]["items"]["state"] == "REVOKED"


def test_an_item_is_handled_at_once_with_a_yes_a_no_and_what_is_not_known(played):
    _, facts, _ = played
    told = facts["at_once"]
    assert list(told["items"].values()) == ["城乡居民养老保险参保登记"]
    found = {
        key: (one["decision"], [outcome["finding"] for outcome in one["outcomes"]])
        for key, one in told["cases"].items()
    }
    assert found == {
        "resident": ("APPROVED", ["HOLDS", "HOLDS"]),
        "child": ("REFERRED", ["FAILS", "HOLDS"]),
        "without_consent": ("REFERRED", ["NOT_KNOWN", "NOT_KNOWN", "FAILS"]),
    }
    lacking = told["cases"]["without_consent"]["outcomes"]
    assert all(one["missing"] and one["missing_zh"] for one in lacking[:2])
    assert "居民身份证复印件、户口簿复印件" in lacking[2]["reason_zh"]


def test_the_audit_passes_and_finds_the_forgery(played):
    _, facts, _ = played
    assert {k: v["indication"] for k, v in facts["audit"].items()} == {
        "seal": "PASSED", "forged": "FAILED", "receipt": "PASSED", "consistency": "PASSED",
    }  # fmt: skip


def test_the_files_it_leaves_verify_by_themselves(played):
    folder, _, _ = played
    files = folder / "files"
    for name in ("license-ofd.png", "license-pdf.png", "seal.png"):
        assert (files / name).read_bytes().startswith(b"\x89PNG")
    store = TrustFolder(files / "trust").read()
    for name in ("license.ofd", "license.pdf"):
        verdict = assess((files / name).read_bytes(), store=store, now=SYSTEM.now())
        assert verdict.indication is Indication.PASSED, verdict.summary
    saved = receipt_from_json((files / "receipt.json").read_text())
    key = (files / "log-key.txt").read_text().strip()
    assert saved.proof
    assert verify_receipt(saved, key).passed
    assert json.loads((files / "report.json").read_text())["seconds"] > 0


def test_pdfsig_accepts_the_pdf(played):
    folder, _, _ = played
    said = subprocess.run(
        ["pdfsig", "-nocert", folder / "files" / "license.pdf"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "Signature is Valid" in said
    assert "Total document signed" in said


def test_no_personal_data_reaches_logs_or_the_flow_engine(played):
    folder, facts, done = played
    secrets = [facts["issue"]["metadata"]["CZZTDM"], facts["issue"]["metadata"]["CZZT"]]
    logs = [(folder / "node.log").read_text(), done.stderr]
    logs += [
        p.read_bytes().decode("utf-8", "ignore")
        for p in (folder / "prefect").rglob("*")
        if p.is_file()
    ]
    for text in logs:
        assert not any(secret in text for secret in secrets)


def test_the_audit_log_holds_no_personal_data(played):
    folder, facts, _ = played
    secrets = [facts["issue"]["metadata"]["CZZTDM"], facts["issue"]["metadata"]["CZZT"]]
    bundles = list((folder / "objects" / "audit" / "tile" / "entries").rglob("*"))
    assert bundles
    for path in bundles:
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "ignore")
            assert not any(secret in text for secret in secrets)


def test_a_folder_of_others_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    done = subprocess.run(
        [sys.executable, "-m", "tongban", "demo", "--data", tmp_path],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "FOLDER_NOT_EMPTY" in done.stderr
    assert (tmp_path / "mine.txt").read_text() == "keep"
