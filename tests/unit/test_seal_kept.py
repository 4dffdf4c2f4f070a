"""What is kept between documents changes no answer: chains, parsers, and checks themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from seal.judging.findings import passed
from seal.model import Indication
from seal.ofd.errors import PackageError
from seal.ofd.markup import parse_xml
from seal.trust import Purpose, TrustStore, assess_chain, kept_chains
from seal.verify import assess
from tests.builders.ofd import BEGIN, END, NOW, SEALED_AT, plain_ofd, seal_ofd, world


def test_a_chain_is_judged_once_for_one_instant_and_anew_for_another() -> None:
    here, store = world(), world().store()

    def status(at: object, purpose: Purpose = Purpose.SIGNER) -> str:
        return assess_chain(here.certificate, at=at, store=store, purpose=purpose).status  # type: ignore[arg-type]

    assert [status(SEALED_AT), status(SEALED_AT)] == ["TRUSTED", "TRUSTED"]
    assert status(BEGIN - timedelta(seconds=1)) == "NOT_YET_VALID"
    assert status(END + timedelta(seconds=1)) == "EXPIRED"
    assert status(SEALED_AT) == "TRUSTED"


def test_what_one_store_answered_is_not_believed_by_another() -> None:
    here = world()
    for store, expected in ((here.store(), "TRUSTED"), (TrustStore(), "NO_ANCHOR")):
        for _ in range(2):
            found = assess_chain(
                here.certificate, at=SEALED_AT, store=store, purpose=Purpose.SIGNER
            )
            assert found.status == expected


def test_kept_answers_are_handed_to_whoever_gathers_chains() -> None:
    store = world().store()
    document = seal_ofd(plain_ofd())
    for _ in range(2):
        with kept_chains() as chains:
            assert assess(document, store=store, now=NOW).indication is Indication.PASSED
        assert [chain.status for chain in chains] == ["TRUSTED", "TRUSTED"]


def test_a_store_keeps_a_bounded_number_of_answers() -> None:
    store = TrustStore()
    asked = []
    for number in [0, 0, *range(10_000), 0]:
        store.answered(number, lambda number=number: asked.append(number) or number)  # type: ignore[misc]
    assert asked == [*range(10_000), 0]


def test_a_parser_that_refused_a_file_reads_the_next() -> None:
    def both(number: int) -> str:
        with pytest.raises(PackageError, match="well-formed"):
            parse_xml(b"<a><b></a>", "bad.xml")
        root = parse_xml(b'<a n="%d"><b/></a>' % number, "good.xml")
        return root.get("n", "")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(both, range(200))) == [str(number) for number in range(200)]


def test_a_check_is_made_anew_and_never_changed() -> None:
    check = passed("references", "good", "正常")
    told = check.about("s001").compared("SM3 of 3 file(s)", "3 个文件的 SM3 摘要")
    assert (told.subject, told.against, told.detail) == ("s001", "SM3 of 3 file(s)", "good")
    assert told == check._replace(subject="s001", against=told.against, against_zh=told.against_zh)
    assert check.subject == ""
    with pytest.raises(AttributeError):
        check.subject = "s002"  # type: ignore[misc]
