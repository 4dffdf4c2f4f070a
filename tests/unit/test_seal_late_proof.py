"""A time-stamp that comes after an end takes nothing from a signature: anybody can add one.

Good by its own word, it is as open today as without the time-stamp.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest

from seal import der
from seal.detached import assess_detached
from seal.model import Verdict
from seal.trust import Purpose, TrustAnchor, TrustStore
from seal.verify import assess
from tests.builders import forging_pdf
from tests.builders.forged_times import stamped_seal
from tests.builders.forging import ABOUT, DIGEST, JUDGED, REVOKED_SINCE, SEALED, VALUE, Bench
from tests.builders.ofd import pack, unpack
from tests.builders.tokens import accuracy, token

DAY = timedelta(days=1)
ENDED = SEALED + 30 * DAY
LATE = SEALED + 120 * DAY
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1)
def bench() -> Bench:
    return Bench()


@lru_cache(maxsize=1)
def store() -> TrustStore:
    made = bench().trust_folder()
    return TrustStore(
        anchors=tuple(
            TrustAnchor(name="r", certificate=one.certificate, valid_from=LONG_AGO)
            for one in (bench().root, bench().time_root)
        ),
        intermediates=(bench().intermediate.certificate,),
        crls=tuple(data for name, data in made.items() if name.startswith("revocation-lists/")),
    )


def judge(document: bytes, known: TrustStore | None = None) -> Verdict:
    return assess(document, store=known or store(), now=JUDGED)


def answers(verdict: Verdict) -> tuple[str, str]:
    return verdict.reason or verdict.indication.value, verdict.now.sub_indication


@pytest.mark.parametrize(
    ("at", "now"), [(None, "OUT"), (SEALED + DAY, ""), (LATE, "OUT")], ids=["none", "soon", "late"]
)
def test_a_seal_or_a_certificate_that_ended(at: datetime | None, now: str) -> None:
    stamp = bench().stamp(at) if at else None
    seal = bench().seal(valid_to=ENDED)
    signer = bench().issued("示范县行政审批局丁", not_after=ENDED)
    word = now and "OUT_OF_BOUNDS_NO_POE"
    assert answers(judge(bench().sealed(seal=seal, stamp=stamp))) == ("PASSED", word)
    assert answers(judge(bench().used_by(signer, stamp=stamp))) == ("PASSED", word)
    detached = bench().detached(seal, **({"stamp": stamp} if stamp else {}))
    verdict = assess_detached(detached, DIGEST, store=store(), now=JUDGED, about=ABOUT)
    assert answers(verdict) == ("PASSED", word)


def test_what_anybody_adds_takes_nothing() -> None:
    files = unpack(bench().sealed(seal=bench().seal(valid_to=ENDED)))
    parts = der.children(files[VALUE])
    late = der.tlv(0xA0, der.bits(bench().stamp(LATE)(parts[3].bits())))
    files[VALUE] = der.sequence(*(one.raw for one in parts), late)
    verdict = judge(pack(files))
    assert answers(verdict) == ("PASSED", "OUT_OF_BOUNDS_NO_POE")
    assert "its time-stamp" in verdict.now.summary
    assert not verdict.now.summary_zh.isascii()


def test_a_signer_revoked_between_the_signature_and_its_time_stamp() -> None:
    late = bench().stamp(REVOKED_SINCE + DAY)
    document = bench().used_by(bench().later_revoked, stamp=late)
    assert answers(judge(document)) == ("PASSED", "REVOKED_NO_POE")
    # One that may be a year late may be later than the revocation.
    year = accuracy(365 * 24 * 3600)
    document = bench().used_by(
        bench().later_revoked,
        stamp=lambda value: token(bench().stamper, value, at=SEALED + DAY, more=[year]),
    )
    assert answers(judge(document)) == ("PASSED", "REVOKED_NO_POE")


def test_who_had_ended_by_the_claimed_time_is_refused_whatever_is_proved() -> None:
    signer = bench().issued("示范县行政审批局丁", not_after=SEALED - DAY)
    late = bench().stamp(LATE)
    assert judge(bench().used_by(signer, stamp=late)).reason == "CERTIFICATE_EXPIRED"
    seal = bench().seal(valid_to=SEALED - DAY)
    assert judge(bench().sealed(seal=seal, stamp=late)).reason == "SEAL_NOT_IN_FORCE"


def test_a_root_given_up_in_between() -> None:
    ended = tuple(
        one if Purpose.SIGNER not in one.purposes else replace(one, valid_to=ENDED)
        for one in (
            replace(store().anchors[0], purposes=frozenset({Purpose.SIGNER, Purpose.SEAL_MAKER})),
            replace(store().anchors[1], purposes=frozenset({Purpose.TIMESTAMP})),
        )
    )
    known = replace(store(), anchors=ended)
    document = bench().sealed(stamp=bench().stamp(LATE))
    assert answers(judge(document, known)) == ("PASSED", "OUT_OF_BOUNDS_NO_POE")


def test_a_pdf_is_judged_alike() -> None:
    made = forging_pdf.PdfBench()
    signed = made.issued("示范县丁", not_after=forging_pdf.SEALED + 30 * DAY)
    known = TrustStore(
        anchors=tuple(
            TrustAnchor(name="r", certificate=one.certificate, valid_from=LONG_AGO)
            for one in (made.root, made.time_root)
        ),
        intermediates=(made.intermediate.certificate,),
    )
    for days, word in ((1, ""), (120, "OUT_OF_BOUNDS_NO_POE")):
        stamper = replace(made.stamper, at=forging_pdf.SEALED + days * DAY)
        verdict = assess(
            made.sealed(by=signed, stamper=stamper), store=known, now=forging_pdf.JUDGED
        )
        assert answers(verdict) == ("PASSED", word)


# --- a seal's own time-stamp ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "reason"), [(-1, ""), (0, ""), (1, "SIGNED_BEFORE_SEAL"), (90, "SIGNED_BEFORE_SEAL")]
)
def test_who_signs_a_stamped_seal_signs_after_its_time_stamp(days: int, reason: str) -> None:
    seal = stamped_seal(bench(), bench().stamp(SEALED + days * DAY))
    assert judge(bench().sealed(seal=seal)).reason == reason


def test_a_seals_time_stamp_that_may_be_early_is_taken_as_early() -> None:
    year = accuracy(365 * 24 * 3600)
    at = SEALED + 30 * DAY
    seal = stamped_seal(bench(), lambda value: token(bench().stamper, value, at=at, more=[year]))
    assert judge(bench().sealed(seal=seal)).reason == ""
