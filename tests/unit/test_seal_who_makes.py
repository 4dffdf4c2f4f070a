"""Who may make seals, and what is known of revocation today: one test a rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from seal.detached import assess_detached
from seal.evidence.layout import TRUST_LIST
from seal.evidence.material import material_of
from seal.model import Check, Indication, Verdict
from seal.pki.trust_list import read_trust_list, tell_trust_list
from seal.ses import SignerList
from seal.trust import Purpose, Revocation, RevocationPolicy, TrustStore, assess_chain, issue_crl
from seal.trust import parse_certificate as read
from seal.verify import assess
from tests.builders.forged_signers import (
    clinic_as_government,
    clinic_with_one_key,
    clinic_with_two_certificates,
    document_signer_as_maker,
)
from tests.builders.forging import ABOUT, DIGEST, JUDGED, SEALED, Bench
from tests.builders.seal_pki import BEGIN, NOON, Holder, issue, pki

DAY = timedelta(days=1)
MADE = pki()


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def store_of(
    *makers: Holder, crls: tuple[bytes, ...] = (), policy: RevocationPolicy | None = None
) -> TrustStore:
    store = MADE.store(crls=crls)
    listed = tuple(read(one.certificate).fingerprint for one in makers)
    return replace(store, anchors=(replace(store.anchors[0], makers=listed, policy=policy),))


def making(leaf: Holder, store: TrustStore) -> str:
    return assess_chain(leaf.certificate, at=NOON, store=store, purpose=Purpose.SEAL_MAKER).status


# --- who makes seals ------------------------------------------------------------------------------


def test_whoever_is_not_on_an_anchors_list_makes_no_seals() -> None:
    assert making(MADE.maker, store_of(MADE.maker)) == "TRUSTED"
    assert making(MADE.signer, store_of(MADE.maker)) == "MAKER_NOT_LISTED"
    assert making(MADE.root, store_of(MADE.maker)) == "MAKER_NOT_LISTED"
    assert making(MADE.signer, store_of()) == "TRUSTED", "where nobody is named"


def test_the_list_is_of_makers_and_says_nothing_of_signers() -> None:
    store = store_of(MADE.maker)
    found = assess_chain(MADE.signer.certificate, at=NOON, store=store, purpose=Purpose.SIGNER)
    assert found.is_trusted


def test_one_who_is_on_the_list_may_be_revoked() -> None:
    revoked = Revocation(serial=read(MADE.maker.certificate).serial, at=NOON - DAY)
    store = store_of(MADE.maker, crls=(MADE.crl(revoked),))
    assert making(MADE.maker, store) == "REVOKED"


def test_a_certificate_for_signing_documents_makes_no_seals_unless_it_is_listed() -> None:
    clinic = issue("卫生室", MADE.intermediate, extended_key_usage=("document_signing",))
    assert making(clinic, store_of()) == "SIGNER_AS_MAKER"
    assert making(clinic, store_of(clinic)) == "TRUSTED"
    usage = ("document_signing", "any_extended_key_usage")
    anything = issue("卫生室", MADE.intermediate, extended_key_usage=usage)
    assert making(anything, store_of()) == "TRUSTED"


def test_a_trust_list_tells_and_reads_makers() -> None:
    (anchor,) = store_of(MADE.maker).anchors
    told = tell_trust_list([("anchors/01.cer", anchor)])
    (found,), _policy = read_trust_list(_json(told), lambda _name: anchor.certificate)
    assert found.makers == anchor.makers == (read(MADE.maker.certificate).fingerprint,)
    (bare,) = store_of().anchors
    assert "makers" not in tell_trust_list([("anchors/01.cer", bare)])["anchors"][0]


def test_a_bundle_of_evidence_tells_makers_too() -> None:
    store = store_of(MADE.maker)
    told = json.loads(material_of(store, []).entries()[TRUST_LIST])
    assert told["anchors"][0]["makers"] == list(store.anchors[0].makers)


@pytest.mark.parametrize(
    "makers", [[], ["AB" * 32], ["ab"], [7], "ab" * 32, None, ["ab" * 32] * 1001]
)
def test_makers_that_are_not_understood_make_the_list_unreadable(makers: object) -> None:
    told = tell_trust_list([("anchors/01.cer", store_of().anchors[0])])
    told["anchors"][0]["makers"] = makers
    with pytest.raises(Exception, match="cannot be read"):
        read_trust_list(_json(told), lambda _name: MADE.root.certificate)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


# --- documents ------------------------------------------------------------------------------------


def judged(bench: Bench, document: bytes, **changes: object) -> Verdict:
    folder = bench.trust_folder()
    store = MADE.store()
    anchor = replace(store.anchors[0], certificate=bench.root.certificate)
    fields = {
        "intermediates": (bench.intermediate.certificate,),
        "crls": tuple(data for name, data in folder.items() if name.endswith(".crl")),
        "at": JUDGED,
        "makers": (),
        "policy": None,
        **changes,
    }
    at, makers, policy = fields.pop("at"), fields.pop("makers"), fields.pop("policy")
    store = TrustStore(anchors=(replace(anchor, makers=makers, policy=policy),), **fields)
    return assess(document, store=store, now=at)


def reasons(verdict: Verdict) -> set[tuple[str, str]]:
    return {(one.name, one.why) for one in verdict.all_checks() if one.indication != "PASSED"}


def test_a_clinic_is_no_government(bench: Bench) -> None:
    document = clinic_as_government(bench)
    verdict = judged(bench, document)
    assert verdict.indication is Indication.INDETERMINATE
    assert reasons(verdict) == {("seal_maker_certificate", "SELF_MADE_SEAL")}
    listed = judged(bench, document, makers=(read(bench.maker.certificate).fingerprint,))
    assert listed.indication is Indication.FAILED
    assert reasons(listed) == {("seal_maker_certificate", "MAKER_NOT_LISTED")}
    (report,) = listed.signatures
    assert report.maker is not None
    assert "示范县某村卫生室" in report.maker.subject
    assert report.to_dict()["maker"]["subject"] == report.maker.subject


@pytest.mark.parametrize("forge", [clinic_with_two_certificates, clinic_with_one_key])
def test_another_certificate_of_a_signer_makes_no_seal(
    bench: Bench, forge: Callable[[Bench], bytes]
) -> None:
    document = forge(bench)
    verdict = judged(bench, document)
    assert verdict.indication is Indication.INDETERMINATE
    assert reasons(verdict) == {("seal_maker_certificate", "SELF_MADE_SEAL")}
    named = (read(bench.maker.certificate).fingerprint,)
    assert reasons(judged(bench, document, makers=named)) == {
        ("seal_maker_certificate", "MAKER_NOT_LISTED")
    }


def test_a_signature_by_itself_tells_a_maker_that_signs(bench: Bench) -> None:
    one, other = (bench.issued("示范县某村卫生室") for _ in range(2))
    listed = {"cert_list": (other.certificate,), "version": 5, "signer_list": SignerList.DIGESTS}
    value = bench.detached(bench.seal(maker=one, **listed), by=other)
    verdict = assess_detached(value, DIGEST, store=bench.store(), now=JUDGED, about=ABOUT)
    assert reasons(verdict) == {("seal_maker_certificate", "SELF_MADE_SEAL")}


def test_that_no_list_names_makers_is_told(bench: Bench) -> None:
    def of_maker(verdict: Verdict) -> Check:
        return next(one for one in verdict.all_checks() if one.name == "seal_maker_certificate")

    told = of_maker(judged(bench, bench.sound))
    assert told.notice
    assert told.detail.endswith("no list says who makes seals under that root")
    named = (read(bench.maker.certificate).fingerprint,)
    assert not of_maker(judged(bench, bench.sound, makers=named)).notice


def test_a_signer_of_documents_is_no_maker(bench: Bench) -> None:
    verdict = judged(bench, document_signer_as_maker(bench))
    assert verdict.indication is Indication.FAILED
    assert reasons(verdict) == {("seal_maker_certificate", "SIGNER_AS_MAKER")}


def test_a_listed_maker_may_sign_too(bench: Bench) -> None:
    own = bench.seal(cert_list=(bench.maker.certificate,))
    document = bench.sealed(seal=own, by=bench.maker)
    assert reasons(judged(bench, document)) == {("seal_maker_certificate", "SELF_MADE_SEAL")}
    named = (read(bench.maker.certificate).fingerprint,)
    assert judged(bench, document, makers=named).indication is Indication.PASSED


def test_the_maker_of_a_sound_document_is_told(bench: Bench) -> None:
    (report,) = judged(bench, bench.sound).signatures
    assert report.maker is not None
    assert "CN=示范制章" in report.maker.subject


# --- what is known today --------------------------------------------------------------------------


def lists(bench: Bench, until: datetime) -> tuple[bytes, ...]:
    return tuple(
        issue_crl(
            issuer=one.signer, issuer_certificate=one.certificate, this_update=SEALED - DAY,
            next_update=until, number=1, revoked=(),
        )
        for one in (bench.root, bench.intermediate, bench.time_root)
    )  # fmt: skip


REQUIRED = RevocationPolicy(required=True)
UNTIL = datetime.fromisoformat("2026-06-25T00:00:00+00:00")


def test_that_nothing_has_ended_is_said_where_lists_reach_to_today(bench: Bench) -> None:
    now = judged(bench, bench.sound).now
    assert (now.indication, now.summary) == (Indication.PASSED, "nothing has ended since")


def test_without_revocation_data_nothing_is_known_to_have_ended(bench: Bench) -> None:
    verdict = judged(bench, bench.used_by(bench.later_revoked), crls=())
    assert verdict.now.indication is Indication.PASSED
    expected = "nothing is known to have ended; no revocation data was given"
    assert verdict.now.summary == verdict.signatures[0].now.summary == expected
    assert verdict.now.summary_zh == "未发现失效事件；未提供吊销数据"


def test_lists_that_ended_tell_until_when_it_is_known(bench: Bench) -> None:
    now = judged(bench, bench.sound, crls=lists(bench, UNTIL)).now
    assert now.indication is Indication.PASSED
    assert now.summary == "nothing is known to have ended; revocation is known until 2026-06-25"
    assert now.summary_zh == "未发现失效事件；吊销情况仅知至 2026-06-25"
    assert judged(bench, bench.sound, crls=lists(bench, UNTIL), at=UNTIL).now.summary == (
        "nothing has ended since"
    )


def test_lists_that_ended_leave_it_open_where_they_are_required(bench: Bench) -> None:
    verdict = judged(bench, bench.sound, crls=lists(bench, UNTIL), policy=REQUIRED)
    assert verdict.indication is Indication.PASSED
    assert (verdict.now.indication, verdict.now.sub_indication) == (
        Indication.INDETERMINATE,
        "TRY_LATER",
    )
    assert verdict.now.summary.endswith("not known: revocation is known until 2026-06-25")
    assert verdict.now.summary_zh.endswith("此后情况不明：吊销情况仅知至 2026-06-25")


def test_the_grace_of_a_list_counts_today_too(bench: Bench) -> None:
    policy = RevocationPolicy(required=True, grace=timedelta(days=200))
    now = judged(bench, bench.sound, crls=lists(bench, UNTIL), policy=policy).now
    assert (now.indication, now.summary) == (Indication.PASSED, "nothing has ended since")


def test_what_a_time_stamp_proves_older_needs_no_newer_list(bench: Bench) -> None:
    document, old = bench.sealed(stamp=bench.stamp()), lists(bench, UNTIL)
    verdict = judged_with_time(bench, document, old)
    assert verdict.now.indication is Indication.PASSED
    assert verdict.now.summary.endswith("revocation is known until 2026-06-25")


def judged_with_time(bench: Bench, document: bytes, crls: tuple[bytes, ...]) -> Verdict:
    anchor = replace(MADE.store().anchors[0], valid_from=BEGIN, policy=REQUIRED)
    anchors = tuple(
        replace(anchor, certificate=one.certificate) for one in (bench.root, bench.time_root)
    )
    known = (bench.intermediate.certificate,)
    store = TrustStore(anchors=anchors, intermediates=known, crls=crls)
    return assess(document, store=store, now=JUDGED)


def test_the_certificate_of_which_less_is_known_is_named(bench: Bench) -> None:
    other = issue("示范中间丁", bench.root, is_ca=True, path_length=0)
    signer = issue("示范县丁", other)
    document = bench.sealed(seal=bench.seal(cert_list=(signer.certificate,)), by=signer)
    known = (bench.intermediate.certificate, other.certificate)
    now = judged(bench, document, intermediates=known).now
    assert now.summary == (
        "nothing is known to have ended; no revocation data of the signer's certificate was given"
    )
    assert now.summary_zh == "未发现失效事件；未提供签章者证书的吊销数据"
