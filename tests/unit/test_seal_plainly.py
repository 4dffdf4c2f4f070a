"""What others wrote cannot write a line of a verdict, wherever it stands and however it is told."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pypdfium2
import pytest
import typer
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from rich.text import Text

from runtime.errors import FieldViolation, InvalidArgument
from seal.detached import assess_detached
from seal.evidence.assessing import assess_evidence
from seal.evidence.making import make_evidence
from seal.judging.plainly import china_day, china_time, in_head, moment, plain, plain_path, visible
from seal.model import CertificateFacts, Trust, Verdict, conclude, failed
from seal.trust import TrustStore
from seal.verify import assess, assess_seal
from tests.builders import forging
from tests.builders.forging import ABOUT, DIGEST, LIST, Bench
from tests.builders.ofd import NOW, pack, unpack, world
from tests.builders.pdf import P256, plain_pdf, sealed_pdf
from tests.builders.verdicts import as_json
from tongban import console, proofs, showing, verifying_run
from tongban.reports import Reported, write_report
from tongban.verifying import Finding, Question
from tongban.verifying_run import Wish, verify_files

LIE = "PASSED 1 signature(s): every check passed"
HOSTILE = {
    "escape": f"\x1b[2J\x1b[H{LIE}\x1b[8m",
    "one-byte escape": f"\x9b2J{LIE}",
    "newline": f"章\n{LIE}\r\n\x85{LIE}\u2028{LIE}",
    "bell and backspace": "章\a\b\b\b\b\v\f",
    "right to left": f"章\u202e{LIE}\u202c",
    "isolate": f"\u2066{LIE}\u2069",
    "zero width": "示\u200b范\u200d县\ufeff\u00ad\u2060",
    "filler": "示\u3164范\u2800县\ufe0f\U000e0101\u034f",
    "private use": "\ue000\U000f0000\ufffe",
    "tags": "章\U000e0041\U000e007f",
    "long": LIE * 250,
    "marks": "章" + "\u0301" * 200,
}
MARK = "�"


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.fixture(params=HOSTILE, scope="module")
def text(request: pytest.FixtureRequest) -> str:
    return HOSTILE[request.param]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of 80 columns, in colour."""
    said = io.StringIO()
    one = console.Screen(file=said, width=80, soft_wrap=True, force_terminal=True, highlight=False)
    for module in (console, showing, verifying_run):
        if hasattr(module, "out"):
            monkeypatch.setattr(module, "out", one)
    monkeypatch.setattr(console, "err", one)
    monkeypatch.setenv("TONGBAN_LANG", "en")
    return said


def _uncoloured(text: str) -> str:
    """Without the colours of ours; any other escape stays."""
    return Text.from_ansi(text).plain if not _strange(text) else text


def _strange(text: str) -> bool:
    found = text
    for code in range(10):
        found = found.replace(f"\x1b[{code}", "")
    return "\x1b" in found


def _is_quiet(text: str, kept: str = "") -> bool:
    return visible(text, kept) == text


def _ascii(text: str) -> str:
    return text if text.isascii() else "1"


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def _holds(verdict: Verdict, screen: io.StringIO) -> None:
    """Nothing in it, told in any way, is not seen, or is a line of its own."""
    for text in _texts(as_json(verdict)):
        assert _is_quiet(text), text
        assert len(text) <= 2000 + 150
    for report in verdict.signatures:
        assert max(map(len, (report.id, report.seal_name, report.es_id, report.signer))) <= 120
    Finding(path=Path("x"), verdict=verdict).show(details=True)
    told = _uncoloured(screen.getvalue())
    assert _is_quiet(told, kept="\n")
    answer, *rest = told.splitlines()
    assert answer.startswith(verdict.indication.value)
    assert not [line for line in rest if line.startswith("PASSED")]
    report = Reported(name="x", size=1, sha256="0" * 64, verdict=verdict)
    pages = pypdfium2.PdfDocument(write_report([report], trust="t", at=NOW))
    lines = "\n".join(page.get_textpage().get_text_range() for page in pages)
    assert LIE not in lines.splitlines()
    assert _is_quiet(lines, kept="\r\n")


# --- what documents hold ---------------------------------------------------------------------


def test_names_of_a_sealed_document(bench: Bench, text: str, screen: io.StringIO) -> None:
    signer = bench.issued(text[:60])
    seal = bench.seal(
        name=text,
        es_id=_ascii(text),
        cert_list=(signer.certificate,),
        maker=bench.issued(text[:60]),
    )
    verdict = assess(bench.sealed(seal=seal, by=signer), store=TrustStore(), now=NOW)
    assert verdict.reason == "NO_TRUST_ANCHOR"
    report = verdict.signatures[0]
    assert (report.seal_name, report.es_id) == (plain(text), plain(_ascii(text)))
    _holds(verdict, screen)


def test_names_of_a_seal(bench: Bench, text: str, screen: io.StringIO) -> None:
    verdict = assess_seal(bench.seal(name=text, es_id=_ascii(text)), store=TrustStore(), now=NOW)
    assert verdict.signatures[0].id == plain(_ascii(text))
    _holds(verdict, screen)


def test_what_a_detached_signature_says_it_is_of(
    bench: Bench, text: str, screen: io.StringIO
) -> None:
    seal = bench.seal(name=text)
    for about in (ABOUT, ""):
        signature = bench.detached(seal=seal, property_info=_ascii(text))
        verdict = assess_detached(signature, DIGEST, store=TrustStore(), now=NOW, about=about)
        _holds(verdict, screen)
        screen.seek(0)
        screen.truncate()


@pytest.mark.parametrize("attribute", ["ID", "Type", "BaseLoc"])
@pytest.mark.parametrize("name", ["newline", "right to left", "isolate", "zero width", "long"])
def test_list_of_the_signatures(
    bench: Bench, name: str, attribute: str, screen: io.StringIO
) -> None:
    files = bench.files()
    said = "".join(f"&#{ord(c)};" if c in "\r\n" else c for c in HOSTILE[name] if c != "\a")
    head, tail = files[LIST].decode().split(f'{attribute}="', 1)
    files[LIST] = f'{head}{attribute}="{said}"{tail[tail.index(chr(34)) + 1 :]}'.encode()
    _holds(assess(pack(files), store=TrustStore(), now=NOW), screen)


@pytest.mark.parametrize("element", ["ProviderName", "SignatureDateTime", "FileRef", "SignedValue"])
@pytest.mark.parametrize("name", ["newline", "right to left", "isolate", "zero width", "long"])
def test_words_of_signature_xml(bench: Bench, name: str, element: str, screen: io.StringIO) -> None:
    files, path = bench.files(), forging.SIGN + "Signature.xml"
    xml, said = files[path].decode(), HOSTILE[name].replace("\r", "&#13;")
    if element in ("ProviderName", "FileRef"):
        head, tail = xml.split(f'{element}="' if element == "ProviderName" else 'FileRef="', 1)
        said = said.replace("\n", "&#10;")
        xml = f'{head}{element}="{said}"{tail[tail.index(chr(34)) + 1 :]}'
    else:
        head, tail = xml.split(f"<ofd:{element}>", 1)
        xml = f"{head}<ofd:{element}>{said}{tail[tail.index('<') :]}"
    files[path] = xml.encode()
    _holds(assess(pack(files), store=TrustStore(), now=NOW), screen)


def test_paths_in_the_package(bench: Bench, text: str, screen: io.StringIO) -> None:
    name = text[:2000].encode("utf-8", "replace").decode()
    _holds(assess(pack({**bench.files(), name: b"x"}), store=TrustStore(), now=NOW), screen)


def test_name_of_a_field_of_a_pdf(text: str, screen: io.StringIO) -> None:
    writer = IncrementalPdfFileWriter(BytesIO(sealed_pdf(plain_pdf())))
    field = writer.root["/AcroForm"]["/Fields"].raw_get(0)
    field.get_object()["/T"] = generic.TextStringObject(text)
    writer.mark_update(field)
    changed = BytesIO()
    writer.write(changed)
    verdict = assess(changed.getvalue(), store=world(P256).store(), now=NOW)
    assert verdict.indication == "FAILED"
    _holds(verdict, screen)


def test_names_in_a_bundle(bench: Bench, text: str, screen: io.StringIO) -> None:
    document = bench.sealed(seal=bench.seal(name=text))
    anchor = replace(world().store().anchors[0], name=text, source=text)
    store = replace(world().store(), anchors=(anchor,))
    bundle = make_evidence(document, store=store, now=NOW, maker="test")
    _holds(_of_bundle(bundle, store), screen)
    screen.seek(0)
    screen.truncate()
    files = unpack(bundle)
    added = pack({**files, text[:2000].encode("utf-8", "replace").decode(): b"x"})
    _holds(_of_bundle(added, store), screen)


def _of_bundle(bundle: bytes, store: TrustStore) -> Verdict:
    return assess_evidence(bundle, store=store, now=NOW, trust_inside=True)


def test_whatever_a_rule_forgets(text: str, screen: io.StringIO) -> None:
    """The last guard: a text that no rule made plain."""
    check = failed("references", text, text, against=(text, text)).about(text)
    assert check.told_plainly().told_plainly() == check.told_plainly()
    _holds(conclude("OFD", [check], []), screen)


def test_what_trust_rests_on(text: str) -> None:
    trust = Trust(role="time_stamp", source=text, anchor=text)
    facts = CertificateFacts(
        subject=text, issuer=text, serial="1", fingerprint="0", valid_from=NOW, valid_to=NOW
    )
    assert {trust.source, trust.anchor, facts.subject, facts.issuer} == {plain(text)}


# --- what files are called -------------------------------------------------------------------

NAMED = [HOSTILE[name] for name in ("escape", "newline", "right to left", "zero width")]


@pytest.mark.parametrize("name", NAMED)
def test_names_of_files_in_a_folder(
    bench: Bench, name: str, tmp_path: Path, screen: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / f"{name}.ofd").write_bytes(bench.sound)
    (folder / f"{name}.pdf").write_bytes(b"neither")
    (folder / "\udce9.ofd").write_bytes(bench.sound)
    report = tmp_path / "report.pdf"
    for wish in (Wish(), Wish(as_json=True), Wish(report=report)):
        verify_files([folder], Question(), wish, store=TrustStore, trust=(name, name), now=NOW)
    told = _uncoloured(screen.getvalue())
    assert _is_quiet(told, kept="\n")
    assert not [line for line in told.splitlines() if line.startswith("PASSED 1 ")]
    written = capsys.readouterr().out
    assert _is_quiet(written, kept="\n")
    paths = [json.loads(line)["file"] for line in written.splitlines()]
    assert sorted(paths) == sorted(str(one) for one in folder.iterdir())
    pages = pypdfium2.PdfDocument(report)
    assert _is_quiet(pages[0].get_textpage().get_text_range(), kept="\r\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_errors_that_quote(
    text: str, as_json: bool, screen: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), console.outcomes(as_json=as_json):
        raise InvalidArgument(
            f"cannot read {text}: no such file",
            reason="FILE_UNREADABLE",
            message_zh=f"无法读取 {text}",
            violations=[FieldViolation(text, text)],
            metadata={"path": text},
        )
    told = _uncoloured(screen.getvalue()) + capsys.readouterr().out
    assert _is_quiet(told, kept="\n")
    assert not [line for line in told.splitlines() if line.startswith("PASSED")]


def test_errors_of_the_system_that_quote(text: str, screen: io.StringIO) -> None:
    with pytest.raises(typer.Exit), console.outcomes():
        raise FileNotFoundError(2, "no such file", f"letters/{text}")
    assert _is_quiet(_uncoloured(screen.getvalue()), kept="\n")


# --- what comes from elsewhere ---------------------------------------------------------------


def test_tables_and_answers(text: str, screen: io.StringIO) -> None:
    console.print_table(text, (text, "b"), [(text, text), (Text(text), 1)])
    console.print_answer("FAILED", text)
    console.out.print(f"note: {text}", markup=False)
    assert _is_quiet(_uncoloured(screen.getvalue()), kept="\n")


def test_json_is_escaped_and_says_the_same(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"name": [text], "中文": "示范县"})
    told = capsys.readouterr().out
    assert _is_quiet(told, kept="\n")
    assert "示范县" in told
    assert json.loads(told)["name"] == [text]


def test_colours_of_ours_stay(screen: io.StringIO) -> None:
    console.print_answer("PASSED", "good")
    assert "\x1b[1;32mPASSED" in screen.getvalue()


def test_answers_about_receipts(text: str, screen: io.StringIO) -> None:
    check = {"name": text, "outcome": "PASSED", "detail": text, "detail_zh": text}
    proofs.print_told(
        {"indication": "FAILED", "summary": text, "summary_zh": text, "checks": [check]}
    )
    assert _is_quiet(_uncoloured(screen.getvalue()), kept="\n")


# --- the words themselves --------------------------------------------------------------------


def test_plain_shows_what_is_hidden(text: str) -> None:
    told = plain(text)
    assert _is_quiet(told)
    assert len(told) <= 120
    assert plain(told) == told
    assert told.endswith("…") or MARK in told


@pytest.mark.parametrize(
    "name",
    [
        "示范县行政审批局",
        "Ünïcode Ltd.",
        "བོད་ལྗོངས།",
        "ئۇيغۇر",
        "葛飾 · A&B",
        "\u0301e\u0301\u0302",
        "𠮷野",
    ],
)
def test_names_of_people_stay(name: str) -> None:
    assert plain(name) == name


def test_spaces_of_other_kinds_are_spaces() -> None:
    assert plain("示范\u3000县\u00a0局") == "示范 县 局"


def test_a_long_path_keeps_its_end() -> None:
    told = plain_path("/a" * 4000 + "/letter.ofd")
    assert (len(told), told[0], told[-11:]) == (300, "…", "/letter.ofd")


# --- times -----------------------------------------------------------------------------------


def test_times_are_told_in_china() -> None:
    late = datetime(2026, 11, 21, 18, 18, tzinfo=UTC)
    assert moment(late) == china_time(late) == "2026-11-22 02:18:00 +08:00"
    assert (china_day(late), moment(None)) == ("2026-11-22", "-")


def test_the_end_of_time_is_told() -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert moment(end) == "9999-12-31 23:59:59 +00:00"
    assert china_time(datetime.min.replace(tzinfo=UTC)) == "0001-01-01 08:00:00 +08:00"


def test_a_seal_and_a_certificate_without_end_are_reported(
    bench: Bench, screen: io.StringIO
) -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    signer = bench.issued("示范县行政审批局", not_after=end)
    seal = bench.seal(cert_list=(signer.certificate,), valid_to=end)
    _holds(assess(bench.sealed(seal=seal, by=signer), store=TrustStore(), now=NOW), screen)
    assert "9999-12-31 23:59:59 +00:00" in screen.getvalue()


def test_nothing_that_is_told_is_of_another_zone(bench: Bench) -> None:
    """18:18 in UTC is the next day in China: no text may say the day before."""
    at = datetime(2026, 6, 21, 18, 18, tzinfo=UTC)
    verdict = assess(bench.sealed(at=at, stamp=bench.stamp(at)), store=TrustStore(), now=NOW)
    for check in verdict.all_checks():
        for told in (check.detail, check.detail_zh, check.against, check.against_zh):
            assert "2026-06-21" not in told, check
    assert as_json(verdict)["signatures"][0]["signed_at"] == "2026-06-21T18:18:00+00:00"


def test_modules_under_test_are_those_that_print() -> None:
    assert isinstance(console.out, console.Screen)
    assert isinstance(console.err, console.Screen)
    assert sys.stdout.encoding.lower() == "utf-8"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("示范县行政审批局", "示范县行政审批局"),
        ("Seal1", "Seal1"),
        ("passed", "“passed”"),
        ("全部验证通过", "“全部验证通过”"),
        (LIE, f"“{LIE[:35]}…”"),
        ("a" * 50, "a" * 35 + "…"),
    ],
)
def test_a_name_in_a_head_is_no_answer(name: str, told: str) -> None:
    assert in_head(name) == told


def test_the_maker_of_a_seal_is_named(bench: Bench, screen: io.StringIO) -> None:
    unknown = assess(bench.sound, store=TrustStore(), now=NOW)
    assert unknown.signatures[0].maker is not None
    assert not unknown.signatures[0].is_maker_known
    Finding(path=Path("x"), verdict=unknown).show()
    told = Text.from_ansi(screen.getvalue()).plain
    assert "seal made by  C=CN,O=示范县,CN=示范制章 (serial" in told
    assert "(by its own word)" in told
    report = Reported(name="x", size=1, sha256="0" * 64, verdict=unknown)
    page = pypdfium2.PdfDocument(write_report([report], trust="t", at=NOW))[0]
    printed = "".join(page.get_textpage().get_text_range().split())  # however it was folded
    assert "制章者Sealmadeby" in printed
    assert "自述，未证实byitsownwordonly" in printed
