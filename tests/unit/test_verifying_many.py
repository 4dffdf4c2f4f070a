"""Many files at once: in order, by processes, told line by line; and the report of them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pypdfium2
import pytest
import typer

from runtime.errors import InvalidArgument
from seal.model import Indication
from seal.trust import TrustStore
from seal.verify import assess
from tests.builders.ofd import NOW, pack, plain_ofd, seal_ofd, unpack, world
from tests.builders.pdf import plain_pdf
from tongban.console import Exit, outcomes
from tongban.files import read_file
from tongban.reports import Reported, too_many, write_report
from tongban.verifying import Question, judge_file
from tongban.verifying_many import files_in, judge_all, judge_alone
from tongban.verifying_run import Wish, verify_files

GOOD = seal_ofd(plain_ofd())
STORE = world().store()


def _changed() -> bytes:
    files = unpack(GOOD)
    name = next(one for one in files if one.endswith("Content.xml"))
    return pack({**files, name: files[name] + b" "})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "letters"
    (here / "more").mkdir(parents=True)
    for number in range(40):
        (here / f"{number:02d}.ofd").write_bytes(GOOD)
    (here / "more" / "changed.OFD").write_bytes(_changed())
    (here / "more" / "plain.pdf").write_bytes(plain_pdf())
    (here / "more" / "broken.pdf").write_bytes(b"no document at all")
    (here / "more" / "notes.pdf").symlink_to(here / "more" / "absent")
    (here / "notes.txt").write_text("not looked at")
    return here


def _run(places: list[Path], **wish: object) -> Exit:
    return verify_files(
        places, Question(), Wish(**wish), store=lambda: STORE, trust=("test", "测试"), now=NOW
    )  # type: ignore[arg-type]


def test_pipes_and_devices_in_a_folder_are_told_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "more" / "a-pipe.pdf")
    (folder / "more" / "b-device.pdf").symlink_to("/dev/zero")
    found = judge_all(files_in([folder / "more"]), Question(), store=STORE, now=NOW, processes=1)
    told = {one.path.name: one for one in found}
    for name in ("a-pipe.pdf", "b-device.pdf"):
        assert told[name].reason == "FILE_UNREADABLE"
        assert "no file" in told[name].message


def test_what_has_no_end_is_too_large(tmp_path: Path) -> None:
    endless = tmp_path / "endless.pdf"
    endless.symlink_to("/dev/zero")
    with pytest.raises(InvalidArgument) as caught:
        read_file(endless, greatest=1024)
    assert caught.value.reason == "FILE_TOO_LARGE"
    assert "larger than 1 KiB" in caught.value.message
    assert "超过 1 KiB" in caught.value.message_zh
    exact = tmp_path / "exact.pdf"
    exact.write_bytes(b"x" * 1024)
    assert read_file(exact, greatest=1024) == b"x" * 1024


@pytest.mark.parametrize("processes", [1, 2])
def test_files_are_told_in_order_by_whichever_process(folder: Path, processes: int) -> None:
    paths = files_in([folder])
    assert [path.name for path in paths[40:]] == [
        "broken.pdf",
        "changed.OFD",
        "notes.pdf",
        "plain.pdf",
    ]
    told = list(judge_all(paths, Question(), store=STORE, now=NOW, processes=processes))
    assert [one.path for one in told] == paths
    assert {one.indication for one in told[:40]} == {Indication.PASSED}
    assert [one.reason for one in told[40:]] == ["", "", "FILE_UNREADABLE", ""]
    reasons = [one.verdict.reason for one in told[40:] if one.verdict]
    assert reasons == ["DOCUMENT_FORMAT", "REFERENCES", "NOT_SIGNED"]


def test_lines_of_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run([folder], as_json=True, processes=2) is Exit.NO
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 44
    assert lines[0]["verdict"] == assess(GOOD, store=STORE, now=NOW).to_dict()
    assert lines[42]["error"]["reason"] == "FILE_UNREADABLE"
    assert {line["size"] for line in lines[:40]} == {len(GOOD)}


def test_summary_names_what_to_look_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run([folder]) is Exit.NO
    said = capsys.readouterr().out
    assert "changed.OFD" in said
    assert "REFERENCES: signature s001: changed after signing" in said
    assert "39.ofd" not in said
    assert [line.split() for line in said.splitlines()[-4:]] == [
        ["PASSED", "40"],
        ["INDETERMINATE", "1"],
        ["FAILED", "2"],
        ["not", "judged", "1"],
    ]


def test_exit_code_is_of_the_worst(tmp_path: Path) -> None:
    cases = {"good": GOOD, "plain": plain_pdf(), "broken": b"x", "bad": _changed()}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
    for names, code in (
        (("good", "good"), Exit.OK),
        (("good", "plain"), Exit.UNKNOWN),
        (("good", "plain", "broken"), Exit.BAD_INPUT),
        (("broken", "bad", "plain"), Exit.NO),
    ):
        assert _run([tmp_path / name for name in names]) is code


def test_what_lapsed_since_is_told_and_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.ofd").write_bytes(GOOD)
    (tmp_path / "b.ofd").write_bytes(GOOD)
    later = NOW + timedelta(days=365 * 30)
    code = verify_files(
        [tmp_path], Question(), Wish(), store=lambda: STORE, trust=("t", "t"), now=later
    )
    assert code is Exit.OK
    said = capsys.readouterr().out
    assert "PASSED         2  of them 2 INDETERMINATE today" in said
    told = [line.split()[0] for line in said.splitlines() if line and line[0] != " "]
    assert told.count("PASSED") == 3  # each, and how many
    assert said.count("today INDETERMINATE: ") == 2
    assert "no time-stamp proves" in " ".join(said.split())


def test_what_others_may_take_for_a_document_is_judged(tmp_path: Path) -> None:
    cases = {"page.ofd": b"<html></html>" + GOOD, "page.html": b"<html></html>" + GOOD,
             "receipt.json": b"{}" + GOOD, "text.PDF": b"text", "empty.ofd": b""}  # fmt: skip
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        found = judge_file(tmp_path / name, Question(), store=lambda: STORE, now=NOW)
        assert found.verdict
        assert (found.indication, found.verdict.reason) == (Indication.FAILED, "DOCUMENT_FORMAT")
        assert _run([tmp_path / name]) is Exit.NO
    (tmp_path / "text.txt").write_bytes(b"text")
    with pytest.raises(InvalidArgument) as caught:
        judge_file(tmp_path / "text.txt", Question(), store=lambda: STORE, now=NOW)
    assert caught.value.reason == "DOCUMENT_FORMAT_UNKNOWN"


def test_json_that_is_no_receipt_is_not_called_one(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b'{"a": 1}')
    with pytest.raises(InvalidArgument) as caught:
        judge_file(path, Question(), store=lambda: STORE, now=NOW)
    assert caught.value.reason == "DOCUMENT_FORMAT_UNKNOWN"


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_not_looked_at_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    for name in ("a.ofd", "b.ofd", "seal.esl", "no-suffix", "more.zip", "note.txt"):
        (tmp_path / name).write_bytes(GOOD)
    assert _run([tmp_path], as_json=as_json) is Exit.OK
    said = capsys.readouterr()
    told = " ".join(said.err.split())
    assert "Not looked at, being named neither .ofd nor .pdf: 4 (" in told
    assert not as_json or len(said.out.splitlines()) == 2
    assert _run([tmp_path / "a.ofd", tmp_path / "b.ofd"]) is Exit.OK
    assert "Not looked at" not in capsys.readouterr().err


def test_report_makes_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.ofd").write_bytes(GOOD)
    with pytest.raises(InvalidArgument) as caught:
        _run([tmp_path / "a.ofd"], report=tmp_path / "absent" / "report.pdf")
    assert caught.value.reason == "FILE_UNWRITABLE"
    assert not (tmp_path / "absent").exists()
    assert _run([tmp_path / "a.ofd"], report=tmp_path / "report.pdf") is Exit.OK


def test_folder_without_documents(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        files_in([tmp_path])
    assert caught.value.reason == "NO_DOCUMENTS"


# --- the report ------------------------------------------------------------------------------


def _text(report: bytes) -> list[str]:
    pdf = pypdfium2.PdfDocument(BytesIO(report))
    return [page.get_textpage().get_text_range() for page in pdf]


def _reported(data: bytes, name: str = "letter.ofd", store: TrustStore = STORE) -> Reported:
    verdict = assess(data, store=store, now=NOW)
    return Reported(name=name, size=len(data), sha256="ab" * 32, verdict=verdict)


AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


def test_report_says_all_that_the_verdict_says() -> None:
    one = _reported(_changed())
    text = " ".join(_text(write_report([one], trust="folder trust", at=AT))).replace("\r\n", "")
    text = text.replace(" ", "")
    for told in ("未通过FAILED", "REFERENCES·HASH_FAILURE", "ab" * 32, "2026-11-2117:00:00"):
        assert told in text
    for check in one.verdict.all_checks():
        for said in (check.name, check.detail, check.detail_zh, check.against, check.against_zh):
            assert said.replace(" ", "") in text, said


def test_report_of_many_begins_with_a_table_of_all() -> None:
    pages = _text(
        write_report([_reported(GOOD), _reported(_changed(), "changed.ofd")], trust="t", at=AT)
    )
    assert "通过 PASSED: 1" in pages[0]
    assert "未通过 FAILED: 1" in pages[0]
    assert "changed.ofd" in pages[0]
    assert len(pages) > 2
    assert all(f"/ {len(pages)}" in page for page in pages)


def test_report_is_equal_for_equal_verdicts() -> None:
    one = _reported(GOOD)
    assert write_report([one], trust="t", at=AT) == write_report([one], trust="t", at=AT)


@pytest.mark.parametrize("name", ["a\u202eb\x07.ofd", "𐎀\U0010fffd.ofd", "长" * 3000])
def test_any_name_is_shown(name: str) -> None:
    pages = _text(write_report([_reported(GOOD, name)], trust="t", at=AT))
    assert "SHA-256" in "".join(pages)


def test_report_never_goes_over_a_file(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "report.pdf"
    assert _run([folder / "00.ofd"], report=to) is Exit.OK
    assert to.read_bytes().startswith(b"%PDF-")
    before = to.read_bytes()
    with pytest.raises(InvalidArgument) as caught:
        _run([folder / "01.ofd"], report=to)
    assert (caught.value.reason, to.read_bytes()) == ("FILE_EXISTS", before)


def test_report_has_an_end() -> None:
    with pytest.raises(InvalidArgument) as caught:
        write_report([_reported(GOOD)] * 1001, trust="t", at=AT)
    assert caught.value.reason == too_many().reason == "REPORT_TOO_LARGE"


@pytest.mark.parametrize("processes", [1, 2])
def test_a_fault_of_the_verifier_is_the_answer_for_that_file_alone(
    folder: Path,
    processes: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def faulty(path: Path, *args: object, **named: object) -> object:
        if path.name == "07.ofd":
            raise IndexError("what a file holds stays out of messages")
        return judge_file(path, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("tongban.verifying_many.judge_file", faulty)
    code = _run([folder], as_json=True, processes=processes)
    lines = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert len(lines) == 44
    (wrong,) = [one for one in lines if one["file"].endswith("07.ofd")]
    assert wrong["error"]["reason"] == "VERIFIER_FAULT"
    assert "IndexError" in wrong["error"]["message"]
    assert "stays out" not in json.dumps(wrong)
    assert code is Exit.NO  # of the changed one; a fault alone is BAD_INPUT
    assert _run([folder / "07.ofd", folder / "08.ofd"], processes=processes) is Exit.BAD_INPUT
    assert "VERIFIER_FAULT" in capsys.readouterr().out


def test_a_fault_of_the_verifier_is_told_of_a_single_file_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty(*_args: object, **_named: object) -> object:
        raise IndexError("what a file holds stays out of messages")

    monkeypatch.setattr("tongban.verifying_many.judge_file", faulty)
    for as_json in (False, True):
        with pytest.raises(typer.Exit) as ended, outcomes(as_json=as_json):
            _run([folder / "07.ofd"])
        told = "".join(capsys.readouterr())
        assert ended.value.exit_code == Exit.FAULT
        assert "VERIFIER_FAULT" in told
        assert "IndexError" in told
        assert "stays out" not in told


def test_what_the_trust_list_cannot_be_read_for_is_no_fault_of_the_verifier(folder: Path) -> None:
    def store() -> TrustStore:
        raise LookupError("no node")

    with pytest.raises(LookupError, match="no node"):
        judge_alone(folder / "07.ofd", Question(), store, AT)


def test_what_begins_as_a_seal_is_judged_as_one(tmp_path: Path) -> None:
    forged = Path(__file__).parents[1] / "conformance" / "forgeries"
    good = (forged / "sound.esl").read_bytes()
    for data in (good + b"\0", good[:-1], good[:40]):
        path = tmp_path / "a.esl"
        path.write_bytes(data)
        found = judge_file(path, Question(), store=lambda: STORE, now=NOW)
        assert found.indication is Indication.FAILED
        assert [one.name for one in found.verdict.checks] == ["seal_format"]  # type: ignore[union-attr]
    for data in (b"\x30", b"\x30\x03\x02\x01\x05", b"\x30\x80\x30\x80\x30\x80\x16\x02ET"):
        path.write_bytes(data)
        with pytest.raises(InvalidArgument):
            judge_file(path, Question(), store=lambda: STORE, now=NOW)
