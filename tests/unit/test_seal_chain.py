"""Chains: what an anchor is trusted for, and what never builds a path. A row is a rule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from seal import der, suites, trust
from seal.trust import Purpose
from tests.builders.ocsp import extension
from tests.builders.seal_pki import BEGIN, END, NOON, Holder, issue, pki

DAY = timedelta(days=1)
SERVER, STAMPING, SIGNING, OWN = (
    "1.3.6.1.5.5.7.3.1",
    "1.3.6.1.5.5.7.3.8",
    "1.3.6.1.5.5.7.3.36",
    "1.2.156.99999.1",
)


def usages(*oids: str, critical: bool) -> list[bytes]:
    value = der.sequence(*(der.oid(one) for one in oids))
    return [extension("2.5.29.37", value, critical=critical)]


def strange(oid: str = "1.2.3.4.5", value: bytes = b"\x05\x00", *, critical: bool = True):
    return [extension(oid, value, critical=critical)]


def anchor(root: Holder, **changes) -> trust.TrustAnchor:
    fields = {"name": "r", "certificate": root.certificate, "valid_from": BEGIN, **changes}
    return trust.TrustAnchor(**fields)


def judge(leaf, *anchors, at=NOON, purpose=Purpose.SIGNER, known=(), extra=()):
    store = trust.TrustStore(anchors=anchors, intermediates=tuple(one.certificate for one in known))
    brought = [one.certificate for one in extra]
    return trust.assess_chain(leaf.certificate, at=at, store=store, purpose=purpose, extra=brought)


# --- what an anchor is for -------------------------------------------------------------------


@pytest.mark.parametrize("trusted", list(Purpose))
@pytest.mark.parametrize("asked", list(Purpose))
def test_an_anchor_is_for_its_purposes_alone(trusted, asked):
    made = pki()
    one = anchor(made.root, purposes=frozenset({trusted}))
    found = judge(made.signer, one, purpose=asked, known=[made.intermediate])
    assert found.status == ("TRUSTED" if trusted is asked else "PURPOSE_NOT_TRUSTED")


def test_two_entries_of_one_root_add_up():
    made = pki()
    before = anchor(made.root, name="a", valid_to=NOON, purposes=frozenset({Purpose.SIGNER}))
    after = anchor(made.root, name="b", valid_from=NOON + DAY, source="recognised: 示范市")
    for at, name in ((NOON, "a"), (NOON + 2 * DAY, "b")):
        found = judge(made.signer, before, after, at=at, known=[made.intermediate])
        assert (found.status, found.anchor) == ("TRUSTED", name)
    assert found.source == "recognised: 示范市"
    between = NOON + timedelta(hours=1)
    found = judge(made.signer, before, after, at=between, known=[made.intermediate])
    assert found.status == "ANCHOR_WITHDRAWN"


def test_of_several_paths_the_one_counts_that_lasts_the_longest():
    made = pki()
    withdrawn = anchor(made.root, name="withdrawn", valid_to=NOON + DAY)
    again = anchor(made.root, name="again")
    for both in ((withdrawn, again), (again, withdrawn)):
        found = judge(made.signer, *both, known=[made.intermediate])
        assert (found.status, found.anchor, found.withdrawn_at) == ("TRUSTED", "again", None)


def test_an_authority_that_had_a_newer_certificate_lasts_as_long_as_that():
    root = pki().root
    now = issue("中", root, is_ca=True)
    before = issue("中", root, is_ca=True, signer=now.signer, not_after=NOON + DAY)
    for known in ((before, now), (now, before)):
        found = judge(issue("叶", now), anchor(root), known=known)
        assert min(one.not_after for one in found.path) == END


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        ((), "TRUSTED"),
        ((suites.P256, suites.SM2), "TRUSTED"),
        ((suites.SM2,), "SUITE_NOT_TRUSTED"),
        ((suites.P256,), "SUITE_NOT_TRUSTED"),
    ],
)
def test_every_key_beneath_an_anchor_is_of_its_kinds(allowed, status):
    root = issue("根", None, suite=suites.P256, is_ca=True)
    one = anchor(root, suites=frozenset(allowed))
    assert judge(issue("叶", root), one).status == status


@pytest.mark.parametrize(
    ("at", "status", "withdrawn"),
    [
        (BEGIN - DAY, "NOT_YET_VALID", None),
        (BEGIN + DAY, "ANCHOR_NOT_YET_TRUSTED", NOON),
        (NOON - DAY, "TRUSTED", NOON),
        (NOON, "TRUSTED", NOON),
        (NOON + DAY, "ANCHOR_WITHDRAWN", NOON),
    ],
)
def test_the_window_of_an_anchor(at, status, withdrawn):
    root = pki().root
    one = anchor(root, valid_from=BEGIN + 2 * DAY, valid_to=NOON)
    found = judge(issue("叶", root), one, at=at)
    assert (found.status, found.withdrawn_at) == (status, withdrawn)


def test_an_anchor_that_ends_with_its_certificate_is_not_withdrawn():
    root = pki().root
    assert judge(issue("叶", root), anchor(root, valid_to=END)).withdrawn_at is None


def test_a_withdrawn_anchor_under_a_trusted_one_still_leads_there():
    made = pki()
    gone = anchor(made.intermediate, name="gone", valid_to=NOON - DAY)
    found = judge(made.signer, gone, anchor(made.root, name="root"))
    assert (found.status, found.anchor, len(found.path)) == ("TRUSTED", "root", 3)
    assert judge(made.signer, gone).status == "ANCHOR_WITHDRAWN"


# --- look-alikes -----------------------------------------------------------------------------


def named_as(holder: Holder) -> dict[str, str]:
    return dict(trust.parse_certificate(holder.certificate).subject_fields)


def without_identifiers(holder: Holder, issuer: Holder) -> Holder:
    """The same certificate, of the same serial number, without key identifiers."""
    from asn1crypto import x509

    body = x509.Certificate.load(holder.certificate)["tbs_certificate"]
    kept = [
        one.dump()
        for one in body["extensions"]
        if one["extn_id"].native not in ("key_identifier", "authority_key_identifier")
    ]
    parts = [one.raw for one in der.children(body.dump())]
    parts[-1] = der.tlv(0xA3, der.sequence(*kept))
    signed = der.sequence(*parts)
    algorithm = suites.suite(issuer.signer.suite_name).signature_algorithm
    signature = der.bits(issuer.signer.sign(signed))
    return Holder(signer=holder.signer, certificate=der.sequence(signed, algorithm, signature))


def test_an_issuer_of_the_same_name_and_another_key():
    made = pki()
    fake = issue("示范根", None, is_ca=True, subject=named_as(made.root))
    leaf = issue("叶", fake)
    # Its key identifier gives it away; without one, its signature does.
    assert judge(leaf, anchor(made.root)).status == "OTHER_KEY"
    assert judge(leaf, anchor(made.root), extra=[fake]).status == "OTHER_KEY"
    bare = without_identifiers(leaf, fake)
    assert judge(bare, anchor(made.root)).status == "BAD_SIGNATURE"
    assert judge(bare, anchor(made.root), extra=[fake]).status == "BAD_SIGNATURE"


def test_an_issuer_of_the_same_name_serial_and_key_identifier():
    made = pki()
    number = trust.parse_certificate(made.intermediate.certificate).serial
    stranger = issue("x", None, is_ca=True)
    fake = without_identifiers(
        issue("示范中间", stranger, is_ca=True, subject=named_as(made.intermediate), serial=number),
        stranger,
    )
    bare = without_identifiers(issue("叶", fake), fake)
    for extra in ([], [fake], [fake, stranger]):
        found = judge(bare, anchor(made.root), known=[made.intermediate], extra=extra)
        assert found.status == "BAD_SIGNATURE", extra


def test_a_look_alike_beside_it_does_not_hide_the_genuine_one():
    made = pki()
    crowd = [
        issue("示范中间", None, is_ca=True, subject=named_as(made.intermediate)) for _ in range(9)
    ]
    found = judge(made.signer, anchor(made.root), extra=[*crowd, made.intermediate])
    assert found.status == "TRUSTED"


def test_a_root_of_the_genuine_name_and_number_is_no_anchor():
    made = pki()
    number = trust.parse_certificate(made.root.certificate).serial
    fake = issue("示范根", None, is_ca=True, subject=named_as(made.root), serial=number)
    assert judge(fake, anchor(made.root)).status in ("OTHER_KEY", "BAD_SIGNATURE")


def test_revocation_of_a_namesake_is_not_ones_own():
    """Another authority's list, of the same name, with one's serial number."""
    made = pki()
    fake = issue("示范中间", None, is_ca=True, subject=named_as(made.intermediate))
    entry = trust.Revocation(
        serial=trust.parse_certificate(made.signer.certificate).serial, at=BEGIN
    )
    listed = trust.issue_crl(
        issuer=fake.signer,
        issuer_certificate=fake.certificate,
        this_update=NOON,
        next_update=END,
        number=1,
        revoked=[entry],
    )
    store = made.store(crls=[listed])
    found = trust.assess_chain(
        made.signer.certificate, at=NOON, store=store, purpose=Purpose.SIGNER
    )
    assert (found.status, found.revoked_at) == ("TRUSTED", None)


# --- what is in a certificate ----------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A path root - middle - leaf, with what one of them holds more."""

    status: str
    leaf: dict = field(default_factory=dict)
    middle: dict = field(default_factory=dict)
    root: dict = field(default_factory=dict)
    purpose: Purpose = Purpose.SIGNER


NAMES = der.sequence(der.tlv(0xA1, der.sequence(der.tlv(0x82, b"x.example"))))
POLICY = der.sequence(der.tlv(0x80, b"\x00"))
STAMPS = Purpose.TIMESTAMP
ROWS = {
    "plain": Row("TRUSTED"),
    # critical extensions
    "strange and critical in the leaf": Row("CRITICAL_EXTENSION", leaf={"extensions": strange()}),
    "strange and critical in the middle": Row(
        "CRITICAL_EXTENSION", middle={"extensions": strange()}
    ),
    "strange and critical in the root": Row("CRITICAL_EXTENSION", root={"extensions": strange()}),
    "strange and not critical": Row(
        "TRUSTED",
        leaf={"extensions": strange(critical=False)},
        middle={"extensions": strange(critical=False)},
    ),
    "critical name constraints": Row(
        "CRITICAL_EXTENSION", middle={"extensions": strange("2.5.29.30", NAMES)}
    ),
    "name constraints that are not critical": Row(
        "CRITICAL_EXTENSION", middle={"extensions": strange("2.5.29.30", NAMES, critical=False)}
    ),
    "critical policy constraints": Row(
        "CRITICAL_EXTENSION", middle={"extensions": strange("2.5.29.36", POLICY)}
    ),
    "critical inhibit any policy": Row(
        "CRITICAL_EXTENSION", middle={"extensions": strange("2.5.29.54", b"\x02\x01\x00")}
    ),
    "critical policies": Row(
        "TRUSTED",
        leaf={"extensions": strange("2.5.29.32", der.sequence(der.sequence(der.oid(OWN))))},
    ),
    # extended key usage
    "for documents": Row("TRUSTED", leaf={"extended_key_usage": [SIGNING]}),
    "for servers": Row("TRUSTED", leaf={"extended_key_usage": [SERVER]}),
    "for servers alone": Row(
        "EXTENDED_KEY_USAGE", leaf={"extensions": usages(SERVER, critical=True)}
    ),
    "for servers and time-stamps": Row("TRUSTED", leaf={"extended_key_usage": [SERVER, STAMPING]}),
    "for servers and documents": Row("TRUSTED", leaf={"extended_key_usage": [SERVER, SIGNING]}),
    "for time-stamps, and signs": Row(
        "EXTENDED_KEY_USAGE", leaf={"extended_key_usage": [STAMPING]}
    ),
    "for something of the authority's own": Row("TRUSTED", leaf={"extended_key_usage": [OWN]}),
    "for something of its own alone": Row(
        "EXTENDED_KEY_USAGE", leaf={"extensions": usages(OWN, critical=True)}
    ),
    "for documents alone": Row("TRUSTED", leaf={"extensions": usages(SIGNING, critical=True)}),
    "a middle for servers": Row("TRUSTED", middle={"extended_key_usage": [SERVER]}),
    "a middle for time-stamps": Row(
        "EXTENDED_KEY_USAGE", middle={"extended_key_usage": [STAMPING]}
    ),
    "a middle for documents": Row("TRUSTED", middle={"extended_key_usage": [SIGNING]}),
    "time-stamps for time-stamps": Row(
        "TRUSTED", leaf={"extensions": usages(STAMPING, critical=True)}, purpose=STAMPS
    ),
    "documents for time-stamps": Row(
        "EXTENDED_KEY_USAGE", leaf={"extended_key_usage": [SIGNING]}, purpose=STAMPS
    ),
    # rights of issuers
    "a middle that is no authority": Row("NOT_CA", middle={"is_ca": False}),
    "a root that is no authority": Row("NOT_CA", root={"is_ca": False}),
    "a middle that may not sign": Row("KEY_USAGE", middle={"key_usage": ["crl_sign"]}),
    "a root of no depth": Row("NOT_CA", root={"path_length": 0}),
    "a root of one": Row("TRUSTED", root={"path_length": 1}),
    "a middle of no depth": Row("TRUSTED", middle={"path_length": 0}),
    # dates
    "a leaf that has ended": Row("EXPIRED", leaf={"not_after": NOON - DAY}),
    "a leaf to come": Row("NOT_YET_VALID", leaf={"not_before": NOON + DAY}),
    "a middle that has ended": Row("EXPIRED", middle={"not_after": NOON - DAY}),
    "a middle to come": Row("NOT_YET_VALID", middle={"not_before": NOON + DAY}),
    "a root that has ended": Row("EXPIRED", root={"not_after": NOON - DAY}),
    "a root to come": Row("NOT_YET_VALID", root={"not_before": NOON + DAY}),
}


@pytest.mark.parametrize("name", ROWS)
def test_what_is_in_a_certificate(name):
    row = ROWS[name]
    root = issue("根", None, **{"is_ca": True, **row.root})
    middle = issue("中", root, **{"is_ca": True, **row.middle})
    leaf = issue("叶", middle, **row.leaf)
    assert judge(leaf, anchor(root), known=[middle], purpose=row.purpose).status == row.status
    assert judge(leaf, anchor(root), extra=[middle], purpose=row.purpose).status == row.status


def test_other_uses_are_told():
    root = pki().root
    for named, told in (([SERVER], True), ([SIGNING, SERVER], False), ([], False)):
        leaf = issue("叶", root, extended_key_usage=named)
        assert judge(leaf, anchor(root)).is_meant_otherwise is told


def test_a_new_key_of_an_authority_takes_no_step_of_the_length():
    """RFC 5280 §6.1.4 (l): a self-issued certificate is not counted."""
    root = issue("根", None, is_ca=True, path_length=1)
    old = issue("中", root, is_ca=True, path_length=0)
    new = issue("中", old, is_ca=True, path_length=0)
    leaf = issue("叶", new)
    assert judge(leaf, anchor(root), known=[old, new]).status == "TRUSTED"
    other = issue("别", old, is_ca=True)
    assert judge(issue("叶", other), anchor(root), known=[old, other]).status == "NOT_CA"


def test_a_path_has_an_end():
    line = [issue("0", None, is_ca=True)]
    for number in range(1, 9):
        line.append(issue(str(number), line[-1], is_ca=True))
    assert judge(line[7], anchor(line[0]), known=line[1:]).status == "TRUSTED"
    assert judge(line[8], anchor(line[0]), known=line[1:]).status == "NO_ANCHOR"


def test_a_leaf_that_signed_itself_leads_nowhere():
    own = issue("自签", None, is_ca=True)
    assert judge(own, anchor(pki().root), extra=[own]).status == "NO_ANCHOR"


def test_what_we_cannot_judge_is_not_called_forged():
    """A signature algorithm or an issuer's key that we have no suite for."""
    root = pki().root
    leaf = issue("叶", root)
    info = trust.parse_certificate(leaf.certificate)
    foreign = der.sequence(der.oid("1.2.840.113549.1.1.10"), der.tlv(der.NULL, b""))
    parts = [one.raw for one in der.children(info.signed_bytes)]
    parts[2] = foreign  # version, serial number, algorithm
    odd = der.sequence(der.sequence(*parts), foreign, der.bits(info.signature))
    assert judge(replace(leaf, certificate=odd), anchor(root)).status == "UNSUPPORTED_KEY"
