"""The four checks of an archive (四性检测): authentic, complete, usable, safe.

1. Authentic (真实): the bytes are those that were archived, the log says so, every seal verifies
   now, each form carries the metadata that stands beside it, the log still holds the records, and
   they are those of this license or case.
2. Complete (完整): the manifest names every file and no more, each with its digest, and nothing is
   missing that a package of its kind has, nor what this one or its first record in the log says it
   has: every form, the records of the issue and the last act; of a case every copy, the record of
   every question, and what opens the commitments (`attesting`).
3. Usable (可用): pages open in an OFD reader and a PDF reader, texts are what they say.
4. Safe (安全): it is kept as long as it should be, by whom is said, and nothing in it is encrypted
   or meant to run.
5. A check that cannot be made has failed; a neighbour that does not answer is no finding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

import orjson
import pypdfium2

from licenses.archiving import attesting, package
from licenses.archiving.attesting import LOG_PROOF, OPENING
from licenses.archiving.model import Archive, Finding, Property
from licenses.archiving.package import Package
from licenses.archiving.surroundings import Surroundings
from licenses.carried import carried_digest
from licenses.metadata import metadata_digest
from licenses.model import LicenseFormat
from licenses.pages.ofd_reader import read_ofd
from runtime.errors import DomainError, NotFound, Unavailable
from runtime.pdfium import PDFIUM
from runtime.records import canonical, commit
from runtime.retention import OBJECT_LOCK, RetainedStore

_PASSED: Final = "PASSED"
_NEEDED: Final = {
    "license": ("metadata.json", "license.json", "forms/license.ofd", "forms/license.pdf",
                "type/type.toml", "audit/1.json", "evidence/trust/makers.json"),
    "case": ("case.json", "form.json", "audit/1.json", "evidence/trust/makers.json"),
}  # fmt: skip
_SUFFIXES: Final = (".json", ".ofd", ".pdf", ".jwt", ".toml", ".cer", ".crl")
#: What a PDF says where something in it runs or asks for a key.
_ACTIVE: Final = (b"/JavaScript", b"/Launch", b"/Encrypt")


def check(archive: Archive, retained: RetainedStore, around: Surroundings) -> tuple[Finding, ...]:
    """What the four checks find. Raises Unavailable where a neighbour does not answer."""
    try:
        data = retained.get(archive.object_name)
    except NotFound:
        return (_finding(Property.AUTHENTIC, "package_there", False, "absent", "缺失"),)
    same = hashlib.sha256(data).hexdigest() == archive.sha256
    found = [
        _finding(
            Property.AUTHENTIC, "package_digest", same,
            f"the bytes are {'' if same else 'not '}those that were archived",
            f"与归档时的字节{'一致' if same else '不一致'}",
        ),
        _logged(archive, around),
        *_safe(archive, retained),
    ]  # fmt: skip
    try:
        held = package.read(data)
    except DomainError:
        return (
            *found,
            _finding(Property.COMPLETE, "package_readable", False, "unreadable", "无法读取"),
        )
    return tuple(
        sorted(
            (
                *found,
                *complete(held),
                *attesting.attested(archive, held),
                *attesting.manifest_sealed(held, lambda data: _judged(around.verdict(data))),
                *_authentic(held, around),
                *_usable(held),
                *_harmless(held),
            ),
            key=lambda one: tuple(Property).index(one.property),
        )
    )


def not_made(reason: str) -> Finding:
    """Rule 5."""
    return _finding(
        Property.USABLE, "check_made", False,
        f"the check cannot be made: {reason}", f"无法检测：{reason}",
    )  # fmt: skip


def moved_on(state: str, told_by: str, archived: bool) -> Finding:
    """Whether an archive tells of the state that its license is in, or `told_by`, a later one."""
    if archived:
        told = ("the license is as it was archived", "证照状态与归档时一致")
    elif told_by:
        told = (f"{told_by} tells what came after", f"其后的变更见 {told_by}")
    else:
        told = (
            f"the license is {state} since: archive it again (`tongban archives add`)",
            f"证照其后变为 {state}：请再次归档（tongban archives add）",
        )
    return _finding(Property.COMPLETE, "state_since", archived or bool(told_by), *told)


def _logged(archive: Archive, around: Surroundings) -> Finding:
    found = around.logged(("archived",), (archive.sha256,), archive.archive_time)
    said = orjson.loads(found.leaf) if found else {}
    passed = said.get("archive") == archive.name and said.get("subject") == archive.subject
    return _finding(
        Property.AUTHENTIC, "archived_in_log", passed,
        f"leaf {found.index} of the log" if found else "no record in the log",
        f"审计日志第 {found.index} 条" if found else "审计日志中无归档记录",
    )  # fmt: skip


def complete(held: Package) -> Iterator[Finding]:
    """Rule 2."""
    yield _finding(
        Property.COMPLETE, "manifest_agrees", not held.differing,
        ", ".join(held.differing) or f"{len(held.files)} files, each as listed",
        "、".join(held.differing) or f"{len(held.files)} 个文件均与清单一致",
    )  # fmt: skip
    needed = _NEEDED.get(str(held.facts.get("kind")), ("manifest of a known kind",))
    wanted = dict.fromkeys((*needed, *attesting.needed(held), *_told(held)))
    missing = [name for name in wanted if name not in held.files]
    yield _finding(
        Property.COMPLETE, "parts_present", not missing,
        ", ".join(missing) or "all parts of its kind are there",
        "、".join(missing) or "应有组成部分齐全",
    )  # fmt: skip


def _told(held: Package) -> Iterator[str]:
    """Names of the files that a package says it has; packages from before that say nothing."""
    license_, case = (_json(held.files.get(f"{one}.json", b"")) for one in ("license", "case"))
    try:
        if isinstance(license_, dict):
            yield from (f"forms/license.{form}" for form in license_.get("forms", ()))
            acts = int(license_.get("acts", 1 if license_["state"] == "ACTIVE" else 2))
            yield from (f"audit/{number}.json" for number in range(1, acts + 1))
        if isinstance(case, dict):
            yield from (f"forms/{copy['sha256']}.ofd" for copy in case["copies"])
            questions = int(case.get("questions", 0))
            yield from (f"audit/{number}.json" for number in range(2, questions + 2))
    except (KeyError, TypeError, ValueError):
        yield "what the package says of itself"


def _authentic(held: Package, around: Surroundings) -> Iterator[Finding]:
    metadata = _json(held.files.get("metadata.json", b""))
    for name, data in _sealed(held):
        verdict = around.verdict(data)
        indication = str(verdict.get("indication", "")).removeprefix("INDICATION_")
        yield _finding(
            Property.AUTHENTIC, f"seal_of_{_word(name)}", indication == _PASSED,
            f"{name}: {verdict.get('summary', indication)}",
            f"{name}：{verdict.get('summary_zh', indication)}",
        )  # fmt: skip
        if isinstance(metadata, dict):
            form = LicenseFormat("." + name.rpartition(".")[2])
            same = carried_digest(data, form) == metadata_digest(metadata)
            yield _finding(
                Property.AUTHENTIC, f"metadata_of_{_word(name)}", same,
                f"{name}: carries the archived metadata" if same else f"{name}: other metadata",
                f"{name}：元数据{'一致' if same else '不一致'}",
            )  # fmt: skip
    for name in sorted(held.files):
        if name.startswith("audit/") and name not in (LOG_PROOF, OPENING):
            said = _json(held.files[name])
            there = isinstance(said, dict) and _there(said, around)
            yield _finding(
                Property.AUTHENTIC, f"log_holds_{_word(name)}", bool(there),
                f"{name}: the log holds this record" if there else f"{name}: not in the log",
                f"{name}：审计日志{'仍存' if there else '未存'}该记录",
            )  # fmt: skip
    if OPENING in held.files:
        fits = opening_fits(held)
        yield _finding(
            Property.AUTHENTIC, "decision_in_log", fits,
            "form, copies and decision are those that the log committed to" if fits
            else "form, copies or decision are not those that the log committed to",
            f"表单、附件和决定与审计日志的承诺{'一致' if fits else '不一致'}",
        )  # fmt: skip


def _judged(verdict: dict[str, Any]) -> attesting.Judged:
    indication = str(verdict.get("indication", "")).removeprefix("INDICATION_")
    signatures = verdict.get("signatures") or [{}]
    return attesting.Judged(
        passed=indication == _PASSED,
        who=str(signatures[0].get("signer", "")),
        summary=str(verdict.get("summary", indication)),
        summary_zh=str(verdict.get("summary_zh", indication)),
    )


def opening_fits(held: Package) -> bool:
    """Whether the record of collecting commits to what the package says was collected."""
    try:
        salt = bytes.fromhex(_json(held.files[OPENING])["salt"])
        leaf = orjson.loads(_json(held.files["audit/1.json"])["leaf"])
        case, form = _json(held.files["case.json"]), _json(held.files["form.json"])
        said = {
            "licenses": canonical([one["license"] for one in case["copies"]]),
            "documents": canonical([one["sha256"] for one in case["copies"]]),
            "asked": canonical(case["asked"]),
            "decision": case["decision"].encode(),
            "rule": canonical(
                [
                    [one["field"], one["holds"], *filter(None, [one.get("missing")])]
                    for one in case["outcomes"]
                ]
            ),
            "form": canonical([[one["code"], one["value"], one["source"]] for one in form]),
        }
        told = leaf["commitments"]
        return all(told[label] == commit(salt, label, value) for label, value in said.items())
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _there(said: dict[str, Any], around: Surroundings) -> bool:
    index, leaf = said.get("index"), said.get("leaf")
    if not isinstance(index, int) or not isinstance(leaf, str) or index < 0:
        return False
    return around.leaf(index) == leaf.encode()


def _usable(held: Package) -> Iterator[Finding]:
    for name, data in _sealed(held):
        opens: Callable[[bytes], int] | None = {".ofd": _ofd_pages, ".pdf": _pdf_pages}.get(
            "." + name.rpartition(".")[2]
        )
        if opens is None:
            continue
        try:
            pages = opens(data)
        except (DomainError, pypdfium2.PdfiumError):
            pages = 0
        yield _finding(
            Property.USABLE, f"opens_{_word(name)}", pages > 0,
            f"{name}: {pages} pages" if pages else f"{name}: does not open",
            f"{name}：{f'{pages} 页可打开' if pages else '无法打开'}",
        )  # fmt: skip
    texts = [name for name in held.files if name.endswith(".json")]
    broken = [name for name in texts if _json(held.files[name]) is None]
    yield _finding(
        Property.USABLE, "texts_read", not broken,
        ", ".join(broken) or f"{len(texts)} JSON files read",
        "、".join(broken) or f"{len(texts)} 个 JSON 文件可读",
    )  # fmt: skip


def _safe(archive: Archive, retained: RetainedStore) -> Iterator[Finding]:
    try:
        until: datetime | None = retained.kept_until(archive.object_name)
        passed = until is None or (
            archive.retain_until is not None and until >= archive.retain_until
        )
        told = until.date().isoformat() if until else "for good"
    except Unavailable:
        raise
    except DomainError as error:
        passed, told = False, error.reason
    yield _finding(
        Property.SAFE, "retained", passed, f"kept: {told}", f"留存：{told}",
    )  # fmt: skip
    same = retained.lock == archive.locked_by
    locked = retained.lock == OBJECT_LOCK
    yield _finding(
        Property.SAFE, "written_once", same,
        f"archived under {archive.locked_by}, kept under {retained.lock}" if not same
        else "locked by the object store itself" if locked
        else "kept by this program only: whoever owns the folder can remove it",
        f"归档时为 {archive.locked_by}，现为 {retained.lock}" if not same
        else "由对象存储锁定" if locked else "仅由本程序防改删：目录属主仍可删除",
    )  # fmt: skip


def _harmless(held: Package) -> Iterator[Finding]:
    strange = [name for name in held.files if not name.endswith(_SUFFIXES)]
    strange += [
        name
        for name, data in held.files.items()
        if name.endswith(".pdf") and any(word in data for word in _ACTIVE)
    ]
    yield _finding(
        Property.SAFE, "nothing_active", not strange,
        ", ".join(strange) or "nothing is encrypted, and nothing runs",
        "、".join(strange) or "无加密内容、无可执行内容",
    )  # fmt: skip


def _sealed(held: Package) -> Iterator[tuple[str, bytes]]:
    return ((name, held.files[name]) for name in sorted(held.files) if name.startswith("forms/"))


def _ofd_pages(data: bytes) -> int:
    return len(read_ofd(data).pages)


def _pdf_pages(data: bytes) -> int:
    opened: Any = pypdfium2.PdfDocument  # only partly typed
    with PDFIUM:
        pdf = opened(data)
        try:
            return len(pdf)
        finally:
            pdf.close()


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _word(name: str) -> str:
    return name.replace("/", "_").replace(".", "_")


def _finding(what: Property, name: str, passed: bool, detail: str, zh: str) -> Finding:
    return Finding(property=what, name=name, passed=passed, detail=detail, detail_zh=zh)
