"""Verifying a bundle of evidence, years later, from itself and the verifier's own trust.

1. The container is read strictly; what has two meanings is refused by name.
2. Its files are those that belong there, the list names exactly them, and every digest holds: else
   nothing in it is believed, and nothing further is asked.
3. The time-stamp over the list proves when all of it existed: so what ended since, a certificate
   that expired or was revoked, does no harm. Without one, nothing proves that, and the report says
   so.
4. Trusted is who the verifier trusts. The list inside is compared with that, and used in its place
   only on request.
5. The verdict inside has to be what the material inside gives, check by check. The printed report
   is a picture of it that is not compared: the answer says so.

Nothing here opens a socket, reads a file or the clock, or raises on what the bytes hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final

from runtime.errors import InvalidArgument
from seal.detached import assess_detached
from seal.evidence.comparing import difference
from seal.evidence.layout import (
    ABOUT,
    LIMITS,
    LOG_KEY,
    MANIFEST,
    MIMETYPE,
    MISREAD,
    REPORT,
    SIGNATURE,
    TIMESTAMP,
    UNLISTED,
    VERDICT,
    About,
    canonical,
    layout_fault,
    read_about,
)
from seal.evidence.manifest import digests_of, read_manifest
from seal.evidence.material import INSIDE, Material, read_material
from seal.judging.seal_checks import CLOCK_SKEW, time_stamp_check
from seal.judging.telling import moment, plain
from seal.model import Check, SignatureReport, Verdict, conclude, failed, passed, undetermined
from seal.ofd.package import Buffer, OfdPackage, PackageError, read_package
from seal.trust import TrustStore
from seal.verify import assess, refusal

FORMAT: Final = "EVIDENCE"
ReceiptJudge = Callable[[bytes, str, str], Check]
"""From a receipt's file, the log key inside and the document's SHA-256 (hexadecimal) to its check,
named `evidence_receipt`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bundle:
    """A bundle whose files are all there and unchanged."""

    package: OfdPackage
    about: About
    material: Material

    @property
    def document(self) -> memoryview:
        """The document where it lies; it is not compressed."""
        return memoryview(self.package.entries[self.about.document].packed)


def assess_evidence(
    data: Buffer,
    *,
    store: TrustStore,
    now: datetime,
    judge_receipt: ReceiptJudge | None = None,
    trust_inside: bool = False,
    maker: str = "",
) -> Verdict:
    """Judge a bundle of evidence. Never raises on what the bytes hold.

    `store` is the verifier's own trust; `trust_inside` takes the bundle's list in its place.
    `judge_receipt` is asked about every receipt of the audit log inside; without one, they are told
    as not judged. `maker` names this software as `make_evidence` is told it: of a bundle made by
    the same, the verdict inside is held to every check (`seal.evidence.comparing`).
    """
    try:
        package = read_package(data, LIMITS)
        checks = _whole(package)
        if any(one.indication != "PASSED" for one in checks):
            return conclude(FORMAT, checks, [])
        found = _opened(package)
        if isinstance(found, Check):
            return conclude(FORMAT, [*checks, found], [])
    except PackageError as error:
        return conclude(FORMAT, [refusal(error.check, error)], [])
    trusted = found.material.store() if trust_inside else found.material.beside(store)
    stamp = _time(found, trusted, now)
    answer = assess_said(found.document, found.about, store=trusted, now=now)
    checks += [_read_well(), stamp, _anchors(found.material, store, trust_inside=trust_inside)]
    checks += [_same_verdict(found, maker), *_receipts(found, judge_receipt), *answer.checks]
    reports = [_proved(one, stamp) for one in answer.signatures]
    if trust_inside:
        reports = [_by_the_list_inside(one) for one in reports]
    return conclude(FORMAT, checks, reports)


def assess_said(document: Buffer, said: About, *, store: TrustStore, now: datetime) -> Verdict:
    """The verdict over what a bundle says it is about."""
    if said.document == SIGNATURE:
        signature = bytes(document)
        return assess_detached(signature, said.digest, store=store, now=now, about=said.about)
    return assess(document, store=store, now=now)


# --- the container ---------------------------------------------------------------------------


def _whole(package: OfdPackage) -> list[Check]:
    """Rule 2. Raises PackageError where a file is damaged."""
    fault, fault_zh = layout_fault(package)
    if not fault and package.read("mimetype") != MIMETYPE:
        fault, fault_zh = "mimetype says something else", "mimetype 内容不符"
    if fault:
        return [failed("evidence_layout", fault, fault_zh)]
    layout = passed("evidence_layout", f"{len(package.entries)} files, all of a bundle's kind",
                    f"共 {len(package.entries)} 个文件，均属证据包")  # fmt: skip
    try:
        listed, stamped = read_manifest(package.read(MANIFEST))
    except InvalidArgument as error:
        return [layout, failed("evidence_manifest", error.message, error.message_zh)]
    wanted = {name for name in package if name not in UNLISTED}
    for names, what, what_zh in (
        (wanted - set(listed), "is not on the list: it was added", "不在清单中：是后来添加的"),
        (set(listed) - wanted, "is on the list and not there", "在清单中但不存在"),
    ):
        if names:
            name = min(names)
            return [layout, failed("evidence_manifest", f"/{name} {what}", f"/{name} {what_zh}")]
    if stamped != (TIMESTAMP in package):
        detail = "the list and the time-stamp do not belong together"
        return [layout, failed("evidence_manifest", detail, "清单与时间戳不相配")]
    manifest = passed(
        "evidence_manifest",
        f"the list names all {len(listed)} files",
        f"清单列出全部 {len(listed)} 个文件",
    )
    changed = [name for name in listed if digests_of(package.pieces(name)) != listed[name]]
    against = (
        f"SHA-256 and SM3 of {len(listed)} files",
        f"{len(listed)} 个文件的 SHA-256 和 SM3 摘要",
    )
    if changed:
        told = ", ".join(f"/{name}" for name in changed[:5])
        digests = failed(
            "evidence_digests", f"changed since the bundle was made: {told}",
            f"证据包生成后被修改：{told}", against=against,
        )  # fmt: skip
    else:
        digests = passed(
            "evidence_digests", "no file was changed", "文件均未被修改", against=against
        )
    return [layout, manifest, digests]


def _opened(package: OfdPackage) -> _Bundle | Check:
    """What the files say, or why they do not read."""
    try:
        about = read_about(package.read(ABOUT))
        if about.document not in package or about.document in UNLISTED:
            raise InvalidArgument(
                f"/{ABOUT} is about a file that is not there",
                message_zh=f"/{ABOUT} 所指的文件不存在",
            )
        return _Bundle(package=package, about=about, material=read_material(package))
    except InvalidArgument as error:
        return failed("evidence_material", error.message, error.message_zh)


def _read_well() -> Check:
    return passed("evidence_material", "certificates, revocation data and trust list read",
                  "证书、吊销数据和信任列表均可读取")  # fmt: skip


# --- when ------------------------------------------------------------------------------------


def _time(bundle: _Bundle, trusted: TrustStore, now: datetime) -> Check:
    """Rule 3; `proves` is set where the time is proved."""
    name = "evidence_time"
    if TIMESTAMP not in bundle.package:
        return passed(
            name,
            "the bundle has no time-stamp: nothing but its own word says when it was made",
            "证据包没有时间戳：除其自称外，无法证明其生成时间",
            notice=True,
        )
    found = time_stamp_check(
        name,
        bundle.package.read(TIMESTAMP),
        over=bundle.package.read(MANIFEST),
        claimed=bundle.about.made_at,
        store=trusted,
        now=now,
    )
    if found.proves is not None:
        at = moment(found.proves)
        words = (f"all of it existed at {at}", f"全部内容在 {at} 已存在")
    else:
        words = _TIME_FAULTS.get(found.reason, (found.detail, found.detail_zh))
    return found._replace(detail=words[0], detail_zh=words[1])


_TIME_FAULTS: Final = {
    "TIME_STAMP_OF_OTHER_BYTES": ("the time-stamp is over another list", "时间戳不属于该清单"),
    "TIME_STAMP_TOO_EARLY": (
        "the bundle says that it was made after its time-stamp",
        "证据包自称的生成时间晚于时间戳",
    ),
}


def _proved(report: SignatureReport, stamp: Check) -> SignatureReport:
    """The report with what the bundle's time-stamp adds: the signature is at least that old."""
    if stamp.proves is None:
        return report
    proof = stamp.about(report.id)
    if report.signed_at is not None and report.signed_at > stamp.proves + CLOCK_SKEW:
        proof = failed(
            stamp.name, "it says that it was signed after the bundle's time-stamp",
            "签章自称的时间晚于证据包时间戳",
        ).about(report.id)  # fmt: skip
    return replace(report, checks=(*report.checks, proof))


# --- whom to trust ---------------------------------------------------------------------------


def _anchors(material: Material, own: TrustStore, *, trust_inside: bool) -> Check:
    """Rule 4."""
    name = "evidence_anchors"
    # By the verifier's own names: what the bundle calls them says nothing.
    inside = {one.certificate for one in material.anchors}
    known = {one.certificate: one.name for one in own.anchors}
    shared = [told for certificate, told in known.items() if certificate in inside]
    listed = ", ".join(plain(told) for told in shared[:5])
    against = (f"{len(known)} roots of the verifier's own", f"验证者自己的 {len(known)} 个根证书")
    if trust_inside:
        return passed(
            name,
            f"judged by the list inside, as was asked for: whoever made the bundle chose its "
            f"{len(inside)} roots, {len(shared)} of which are the verifier's own",
            f"按要求以证据包内的信任列表判断：其中 {len(inside)} 个根证书由生成者选定，"
            f"{len(shared)} 个也在验证者自己的列表中",
            notice=True,
            against=against,
        )
    if shared or not inside:
        return passed(
            name,
            f"{len(shared)} of the {len(inside)} roots inside are the verifier's own: {listed}",
            f"证据包内 {len(inside)} 个根证书中，{len(shared)} 个也在验证者自己的列表中：{listed}",
            against=against,
        )
    return undetermined(
        name,
        f"none of the {len(inside)} roots inside is trusted by the verifier: get the roots from "
        "their authorities, or ask for a verdict by the list inside",
        f"验证者不信任证据包内的 {len(inside)} 个根证书：请向其机构取得根证书，"
        "或要求按证据包内的列表判断",
        reason="NO_TRUST_ANCHOR",
        against=against,
    )


def _by_the_list_inside(report: SignatureReport) -> SignatureReport:
    """Say of every root that it was the bundle's own list that named it."""
    checks = (
        one._replace(trust=replace(one.trust, source=INSIDE)) if one.trust else one
        for one in report.checks
    )
    return replace(report, checks=tuple(checks))


# --- what it says ----------------------------------------------------------------------------


def _same_verdict(bundle: _Bundle, maker: str) -> Check:
    """Rule 5: by the material and the trust list inside, as of when it was made."""
    name = "evidence_verdict"
    said = bundle.about
    again = assess_said(bundle.document, said, store=bundle.material.store(), now=said.made_at)
    against = (
        f"the material inside, as of {moment(said.made_at)}",
        f"证据包内的材料，截至 {moment(said.made_at)}",
    )
    try:
        raw = bundle.package.read(VERDICT)
        told, found = json.loads(raw), json.loads(canonical(again.to_dict()))
        if canonical(told) != raw:
            raise ValueError("two readers may read it in two ways")
        other = plain(difference(told, found, whole=said.maker == maker))
    except MISREAD:
        return failed(name, f"/{VERDICT} cannot be read", f"无法读取 /{VERDICT}", against=against)
    if other:
        return failed(
            name,
            f"/{VERDICT} says something else than the material gives: {other}",
            f"/{VERDICT} 与材料得出的结论不一致：{other}",
            against=against,
        )
    words = f"it says {again.indication.value}, and so does the material"
    words_zh = f"报告结论为 {again.indication.value}，与材料一致"
    if told != found:
        words += "; its sentences, or what it lists of passed checks, differ"
        words_zh += "；其文字说明或所列已通过的检查项有所不同"
    if REPORT in bundle.package:
        words += f"; the printed /{REPORT} was not compared: the answer is this one"
        words_zh += f"；未比对打印用的 /{REPORT}：以本结论为准"
    notice = told != found or REPORT in bundle.package
    return passed(name, words, words_zh, notice=notice, against=against)


def _receipts(bundle: _Bundle, judge: ReceiptJudge | None) -> Iterable[Check]:
    """One check for each receipt of the audit log."""
    package = bundle.package
    key = package.read(LOG_KEY).decode(errors="replace").strip() if LOG_KEY in package else ""
    names = [one for one in package if one.startswith("receipts/") and one.endswith(".json")]
    document = sha256(bundle.document).hexdigest() if names else ""
    for name in names:
        if judge is not None:
            yield judge(package.read(name), key, document)
        else:
            yield passed(
                "evidence_receipt", f"/{name} is unchanged; what it proves was not judged here",
                f"/{name} 未被修改；其证明内容未在此判断", notice=True,
            )  # fmt: skip
