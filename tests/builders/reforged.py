"""A sealed document that is changed, and signed anew by an insider; what the verdict on it says."""

from __future__ import annotations

from collections.abc import Callable

from seal.model import Indication, Verdict
from seal.ses import assemble_signature, parse_signature, to_be_signed
from seal.suites import SM2_SM3_OID, SM3_OID, digest
from seal.trust import TrustStore
from seal.verify import assess_ofd
from tests.builders.ofd import (
    NOW,
    SEALED_AT,
    later,
    pack,
    plain_ofd,
    seal_ofd,
    unpack,
    world,
)

SEALED = seal_ofd(plain_ofd())
TWICE = seal_ofd(SEALED, signed_at=later(5))
PAGE = "Doc_0/Pages/Page_0/Content.xml"
SIGN_0 = "Doc_0/Signs/Sign_0/"
LIST = "Doc_0/Signs/Signatures.xml"


def judged(data: bytes, store: TrustStore | None = None) -> Verdict:
    """The verdict on it today."""
    return assess_ofd(data, store=store or world().store(), now=NOW)


def wrong_in(verdict: Verdict) -> set[str]:
    """The checks of a FAILED verdict that failed."""
    assert verdict.indication is Indication.FAILED
    return {c.name for c in verdict.all_checks() if c.indication is Indication.FAILED}


def open_in(verdict: Verdict) -> set[tuple[str, str]]:
    """The checks of an INDETERMINATE verdict that did not pass, and why."""
    assert verdict.indication is Indication.INDETERMINATE
    return {(c.name, c.reason) for c in verdict.all_checks() if c.indication != "PASSED"}


def forged(change: Callable[[dict[str, bytes]], None], package: bytes = SEALED) -> Verdict:
    """The verdict on a sealed document whose files were changed."""
    files = unpack(package)
    change(files)
    return judged(pack(files))


def resign(files: dict[str, bytes], folder: str = SIGN_0, seal: bytes | None = None) -> None:
    """Sign Signature.xml anew with the department's own key: what an insider could do."""
    xml = files[folder + "Signature.xml"]
    old = parse_signature(files[folder + "SignedValue.dat"])
    here = world()
    tbs = to_be_signed(
        seal=seal or old.seal.raw,
        signed_at=SEALED_AT,
        data_hash=digest(SM3_OID, xml),
        property_info=f"/{folder}Signature.xml",
    )
    files[folder + "SignedValue.dat"] = assemble_signature(
        tbs,
        certificate=here.certificate,
        signature=here.signer.sign(tbs),
        suite_oid=SM2_SM3_OID,
    )
