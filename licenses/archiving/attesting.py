"""What the records of a package must be, by the log and not by what the package says of itself.

1. The first record is the one that made what is archived: of a license its issue, of a case the
   collecting. That of a case names it. That of a license has the digests of its forms; those of
   before name the license, too.
2. A case has the record of each question that its first record names, and of no other; where that
   record commits to the form, the package opens the commitments.
3. Each further record of a license has the digest of its OFD, or names it.
4. What a license's package calls it by its identifier stands in its metadata.
5. The manifest is the one that its page under seal carries, where there is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from licenses.archiving.model import Archive, Finding, Property
from licenses.archiving.package import MANIFEST, SEALED, Package
from licenses.carried import attached
from runtime.errors import InvalidArgument
from runtime.records import commit

#: The same records once more, for the offline verifier.
LOG_PROOF: Final = "audit/log-proof.json"
#: What the record of collecting committed to.
OPENING: Final = "audit/opening.json"
#: The record of the applicant's consent to a case.
CONSENT: Final = "audit/consent.json"
_FORMS: Final = ("ofd", "pdf", "jwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is said of a sealed document: whether it passed, and who sealed it."""

    passed: bool
    who: str
    summary: str
    summary_zh: str


def kind_of(archive: Archive) -> str:
    """What a package of this archive is of."""
    return "case" if archive.is_case else "license"


def records(held: Package) -> dict[str, Mapping[str, Any]]:
    """The records of a package by file; an empty one where it cannot be read."""
    return {
        name: _record(data)
        for name, data in sorted(held.files.items())
        if name.startswith("audit/") and name not in (LOG_PROOF, OPENING)
    }


def needed(held: Package) -> Iterator[str]:
    """Files that must be there because the first record says so (rule 2)."""
    first = _leaf(records(held).get("audit/1.json", {}))
    questions = first.get("questions")
    if isinstance(questions, list):
        yield from (f"audit/{number}.json" for number in range(2, len(questions) + 2))
    committed = first.get("commitments")
    if (
        first.get("kind") == "materials_collected"
        and isinstance(committed, dict)
        and ("form" in committed)
    ):
        yield OPENING
        if "consent" in committed:
            yield CONSENT


def attested(archive: Archive, held: Package) -> Iterator[Finding]:
    """Whether manifest and records are those of this archive."""
    wanted = {
        "subject": archive.subject,
        "kind": kind_of(archive),
        "department": archive.department,
        "retention": archive.retention.value,
    }
    other = [name for name, value in wanted.items() if held.facts.get(name) != value]
    told = _json(held.files.get(f"{kind_of(archive)}.json", b""))
    if not isinstance(told, dict) or told.get("name") != archive.subject:
        other.append(f"{kind_of(archive)}.json")
    elif "identifier" in told and told["identifier"] != _identifier_in(held):
        other.append("metadata.json")
    yield Finding(
        property=Property.AUTHENTIC, name="package_of_its_subject", passed=not other,
        detail=f"of something else: {', '.join(other)}" if other
        else "manifest and description are of what was archived",
        detail_zh=f"不属于归档对象：{'、'.join(other)}" if other
        else "清单和说明均属于归档对象",
    )  # fmt: skip
    strange = sorted(set(_strange(archive, held)))
    yield Finding(
        property=Property.AUTHENTIC, name="records_of_its_subject", passed=not strange,
        detail=f"not the records of what was archived: {', '.join(strange)}" if strange
        else "the records that are there are those of what was archived",
        detail_zh=f"不是归档对象的审计记录：{'、'.join(strange)}" if strange
        else "所附审计记录均属于归档对象",
    )  # fmt: skip


def manifest_sealed(held: Package, verdict: Callable[[bytes], Judged]) -> Iterator[Finding]:
    """Whether the manifest is what the page under seal carries, and whose seal it is.

    `verdict` tells of a sealed document whether it passed, who sealed it, and why, in both
    languages. Packages from before have no such page: then nothing is found.
    """
    if not held.sealed:
        return
    try:
        same = attached(held.sealed, MANIFEST) == held.manifest
    except InvalidArgument:
        same = False
    judged = verdict(held.sealed)
    told = (f"{SEALED}: {judged.summary}", f"{SEALED}：{judged.summary_zh}")
    if not same:
        told = (f"{SEALED} carries another manifest", f"{SEALED} 所载清单与归档包的清单不一致")
    elif judged.passed:
        told = (f"under the seal of {judged.who}", f"由{judged.who}加盖电子印章")
    yield Finding(
        property=Property.AUTHENTIC, name="manifest_sealed", passed=same and judged.passed,
        detail=told[0], detail_zh=told[1],
    )  # fmt: skip


def _strange(archive: Archive, held: Package) -> Iterator[str]:
    """Files whose record, or that themselves, are not what they must be."""
    found = records(held)
    first = _leaf(found.get("audit/1.json", {}))
    case = archive.is_case
    kind, fact = ("materials_collected", "collection") if case else ("license_issued", "license")
    named = first.get(fact) if case or fact in first else archive.subject
    if first.get("kind") != kind or named != archive.subject:
        yield "audit/1.json"
        return
    if case:
        questions = first.get("questions")
        named = questions if isinstance(questions, list) else []
        there = {f"audit/{number}.json": str(at) for number, at in enumerate(named, 2)}
        if CONSENT in found and not _agreed(archive, held, _leaf(found[CONSENT])):
            yield CONSENT
        for name in there.keys() | found.keys() - {"audit/1.json", CONSENT}:
            if name not in found or str(found[name].get("index")) != there.get(name):
                yield name
        return
    if fact not in first and "ofd_sha256" not in first:
        yield "audit/1.json"
    for form in _FORMS:
        digest = first.get(f"{form}_sha256")
        data = held.files.get(f"forms/license.{form}")
        if digest is not None and (data is None or hashlib.sha256(data).hexdigest() != digest):
            yield f"forms/license.{form}"
    naming = (archive.subject, first.get("ofd_sha256"))
    needles = [orjson.dumps(one).decode() for one in naming if one]
    for name, record in found.items():
        if not any(one in str(record.get("leaf")) for one in needles):
            yield name


def _identifier_in(held: Package) -> object:
    metadata = _json(held.files.get("metadata.json", b""))
    return metadata.get("ZZBS") if isinstance(metadata, dict) else None


def _agreed(archive: Archive, held: Package, leaf: Mapping[str, Any]) -> bool:
    """Whether a record is the consent of this case, to the words that the package has."""
    if leaf.get("kind") != "collection_consented" or leaf.get("collection") != archive.subject:
        return False
    try:
        salt = bytes.fromhex(_json(held.files[OPENING])["consent_salt"])
        words = _json(held.files["case.json"])["consent"].encode()
        return bool(leaf["commitments"]["consent"] == commit(salt, "consent", words))
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _record(data: bytes) -> Mapping[str, Any]:
    found = _json(data)
    return found if isinstance(found, dict) else {}


def _leaf(record: Mapping[str, Any]) -> Mapping[str, Any]:
    found = _json(str(record.get("leaf")).encode())
    return found if isinstance(found, dict) else {}


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
