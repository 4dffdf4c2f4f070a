"""Verification of sealed documents, from public material alone; anyone may import it.

`assess` returns a `Verdict`, `verify` raises `VerificationError` for anything but PASSED. For OFD:

1. the package is read strictly (`seal.ofd.package`); what has two meanings is refused by name;
2. ALL signatures of ALL its documents are found and opened;
3. every rule of `seal.judging.seal_checks` and `seal.ofd.checks` is asked of each, over the bytes
   as received, in the order of GM/T 0031-2025, but for what rests on a failed one
   (`seal.judging.resting`);
4. good signatures that cover others are held to be later (`seal.ofd.order`);
5. the worst answer is the verdict's.

PDF goes the same way through `seal.pdf.checks`, an SD-JWT VC through `seal.credentials`. Nothing
here opens a socket, reads a file or the clock, or raises on what the bytes hold.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from runtime.errors import InvalidArgument
from seal import credentials
from seal.credentials import Credential, read_credential
from seal.judging.resting import asked
from seal.judging.seal_checks import common_name, in_force, judge_seal
from seal.judging.signing_times import stamped_since
from seal.judging.telling import facts_of, plain
from seal.model import (
    Check,
    Indication,
    SignatureReport,
    Verdict,
    VerificationError,
    conclude,
    failed,
    undetermined,
)
from seal.ofd.checks import (
    CONTENT_CHECKS,
    DOCUMENT_CHECKS,
    SEALED_CHECKS,
    check_signature_format,
    judge_time_stamp,
)
from seal.ofd.dates import parse_date_time
from seal.ofd.linked import Linked
from seal.ofd.opened import OpenedDocument, OpenedSignature
from seal.ofd.order import in_order
from seal.ofd.package import (
    DEFAULT_LIMITS,
    Buffer,
    Limits,
    OfdPackage,
    PackageError,
    limits_error,
    read_package,
)
from seal.ofd.seen import look
from seal.ofd.sign_checks import sign_rules
from seal.ofd.signed_data import parse_signed_data
from seal.ofd.structure import (
    TYPE_SIGN,
    ListedSignature,
    doc_bodies,
    parse_signature_xml,
    read_list,
)
from seal.ofd.xml_parts import refuse_declared
from seal.ses import parse_seal, parse_signature
from seal.trust import TrustStore

__all__ = [
    "Credential",
    "assess",
    "assess_ofd",
    "assess_pdf",
    "assess_seal",
    "read_credential",
    "refusal",
    "verify",
]

_OFD: Final = "OFD"
_ZIP_MAGIC: Final = b"PK\x03\x04"
_PDF_MAGIC: Final = b"%PDF-"
_MOST_COMPARED: Final = 256 * 4096  # signatures times files
_GREATEST_SIGNATURES: Final = 32 * 1024 * 1024  # bytes of Signature.xml and SignedValue.dat


def verify(data: Buffer, *, store: TrustStore, now: datetime) -> Verdict:
    """`assess`, raising VerificationError unless the verdict is PASSED."""
    verdict = assess(data, store=store, now=now)
    if verdict.indication is not Indication.PASSED:
        raise VerificationError(verdict)
    return verdict


def assess(data: Buffer, *, store: TrustStore, now: datetime) -> Verdict:
    """Judge a document of any format, told by its first bytes (a prefix is no document).

    A mapped file costs no memory of its own as an OFD; a PDF is read whole.
    """
    head = bytes(data[: len(_PDF_MAGIC)])
    if head.startswith(_ZIP_MAGIC):
        return assess_ofd(data, store=store, now=now)
    if head.startswith(_PDF_MAGIC):
        return assess_pdf(data if isinstance(data, bytes) else bytes(data), store=store, now=now)
    if head.startswith(credentials.MAGIC):
        return credentials.assess_credential(bytes(data), store=store, now=now)
    check = failed(
        "document_format",
        "this is neither an OFD nor a PDF nor an SD-JWT",
        "不是 OFD、PDF 或 SD-JWT 文件",
        against=("the first bytes: PK, %PDF- or eyJ", "文件开头的字节：PK、%PDF- 或 eyJ"),
    )
    return conclude("", [check], [])


def assess_pdf(data: bytes, *, store: TrustStore, now: datetime) -> Verdict:
    """Judge a PDF (`seal.pdf.checks`), whose libraries are loaded by the first one only."""
    from seal.pdf import checks

    return checks.assess_pdf(data, store=store, now=now)


def assess_seal(data: bytes, *, store: TrustStore, now: datetime) -> Verdict:
    """Judge a seal (DER SESeal) by itself, for use at `now`. Never raises on what it holds."""
    try:
        seal = parse_seal(data)
    except InvalidArgument as error:
        return conclude("SES", [_refused("seal_format", error, data)], [])
    found = [*judge_seal(seal, store, now), in_force(seal, at=now)]
    report = SignatureReport(
        id=seal.es_id,
        signer="",
        seal_name=seal.name,
        es_id=seal.es_id,
        signed_at=seal.created,
        format=f"SES_V{seal.version}",
        maker=facts_of(seal.maker_certificate),
        checks=tuple(asked(found)),
    )
    return conclude("SES", [], [report])


def assess_ofd(
    data: Buffer, *, store: TrustStore, now: datetime, limits: Limits = DEFAULT_LIMITS
) -> Verdict:
    """Judge an OFD. Never raises on what the bytes hold.

    `store` has the public trust material; `now` (aware) only decides notices and the future.
    """
    try:
        package = read_package(data, limits)
        seen = look(package)
        bodies = doc_bodies(package)
        linked = Linked(package, bodies, seen)
        refuse_declared(seen, linked)
        lists = tuple(read_list(package, body) for body in bodies)
        _bound_work(package, sum(len(each.lines) for each in lists))
    except PackageError as error:
        return conclude(_OFD, [_refused(error.check, error, data)], [])
    opened: list[OpenedSignature] = []
    unreadable: dict[str, SignatureReport] = {}
    alone = sum(len(each.lines) for each in lists) == 1
    size = 0
    for one in (line for each in lists for line in each.lines):
        label = one.id if one.body == 0 else f"{one.body}/{one.id}"
        # A file that is listed again is read again: so what is read counts, not what is there.
        size += package.size(one.path)
        try:
            if size > _GREATEST_SIGNATURES:
                raise limits_error(
                    "the signatures are larger than is allowed", "签章数据超出大小限制"
                )
            read = _open(package, one, label, alone=alone)
        except InvalidArgument as error:
            unreadable[label] = _unreadable(label, one.path, error)
        else:
            opened.append(read)
            size += package.size(read.xml.signed_value)
    document = OpenedDocument(
        package=package,
        bodies=bodies,
        of_bodies=lists,
        signatures=tuple(opened),
        store=store,
        now=now,
        seen=seen,
        linked=linked,
    )
    checks = [found for rule in DOCUMENT_CHECKS if (found := rule(document)) is not None]
    judged = in_order(document, [_report(document, one) for one in opened])
    return conclude(_OFD, checks, [*unreadable.values(), *judged])


def _bound_work(package: OfdPackage, signatures: int) -> None:
    """Each signature is compared with every file and every other one. Raises PackageError."""
    if signatures * len(package.entries) > _MOST_COMPARED:
        raise limits_error(
            f"{signatures} signatures over {len(package.entries)} files are more than is judged",
            f"{signatures} 个签章与 {len(package.entries)} 个文件超出可验证的数量",
        )


def _open(
    package: OfdPackage, listed: ListedSignature, label: str, *, alone: bool
) -> OpenedSignature:
    """Read Signature.xml and SignedValue.dat. Raises InvalidArgument."""
    xml = parse_signature_xml(package.read(listed.path), listed.path, alone=alone)
    raw = package.read(xml.signed_value)
    if listed.type != TYPE_SIGN:
        value = parse_signature(raw)
        return OpenedSignature(listed=listed, label=label, xml=xml, value=value)
    opened = OpenedSignature(listed=listed, label=label, xml=xml, value=None)
    try:
        return replace(opened, signed=parse_signed_data(raw))
    except InvalidArgument as error:
        return replace(opened, unread=error)


def _refused(name: str, error: InvalidArgument, data: Buffer) -> Check:
    """What can't be read in one way only."""
    against = (f"{len(data)} bytes as received", f"收到的 {len(data)} 字节")
    return refusal(name, error, against)


def refusal(name: str, error: InvalidArgument, against: tuple[str, str] = ("", "")) -> Check:
    """What is too large is not wrong: nobody has looked at it."""
    if name == "package_limits":
        reason = "TOO_LARGE_TO_JUDGE"
        return undetermined(name, error.message, error.message_zh, reason=reason, against=against)
    return failed(name, error.message, error.message_zh, against=against)


def _unreadable(label: str, path: str, error: InvalidArgument) -> SignatureReport:
    name, place = getattr(error, "check", "signature_format"), "/" + plain(path)
    check = refusal(name, error, (place, place))
    return SignatureReport(
        id=label,
        signer="",
        seal_name="",
        es_id="",
        signed_at=None,
        format="",
        checks=(check.about(label),),
    )


def _report(document: OpenedDocument, one: OpenedSignature) -> SignatureReport:
    """Ask every rule about one signature."""
    value = one.value
    found: list[Check | None]
    if value is None:
        found = [*sign_rules(document, one), *(rule(document, one) for rule in CONTENT_CHECKS)]
        return _as_report(one, found, form="GBT_35275")
    stamp = judge_time_stamp(document, value)
    of_seal = judge_seal(
        value.seal,
        document.store,
        document.now,
        signer=value.certificate,
        nested=document.nested,
    )
    stamped = stamped_since(value.seal, of_seal)
    one = replace(one, stamp=stamp, seal_stamped=stamped) if stamp or stamped else one
    found = [check_signature_format(document, one), *of_seal]
    found += [rule(document, one, value) for rule in SEALED_CHECKS]
    found += [rule(document, one) for rule in CONTENT_CHECKS]
    return _as_report(one, found, form=f"SES_V{value.version}")


def _as_report(one: OpenedSignature, found: list[Check | None], *, form: str) -> SignatureReport:
    value = one.value
    certificate, signed_at = one.certificate, value.signed_at if value else None
    if one.signed is not None:
        first = one.signed.signers[0]
        certificate = first.certificate
        signed_at = first.signed_at or parse_date_time(one.xml.signed_at_text)
    try:
        signer = common_name(certificate) if certificate else ""
    except InvalidArgument:
        signer = ""
    return SignatureReport(
        id=one.label,
        signer=signer,
        seal_name=value.seal.name if value else "",
        es_id=value.seal.es_id if value else "",
        signed_at=signed_at,
        format=form,
        certificate=facts_of(certificate) if certificate else None,
        maker=facts_of(value.seal.maker_certificate) if value else None,
        checks=tuple(check.about(one.label) for check in asked(found)),
    )
