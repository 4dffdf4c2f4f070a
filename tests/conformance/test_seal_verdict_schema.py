"""Every verdict about every stored document fits the schema, and its checks say all they should."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from seal.detached import assess_detached
from seal.judging.check_names import CHECKS
from seal.model import Verdict
from seal.trust import TrustAnchor, TrustStore, parse_certificate
from seal.verify import assess, assess_seal
from tests.builders.ofd import NOW
from tests.builders.verdicts import SCHEMA, as_json

HERE = Path(__file__).parent
KINDS = (".ofd", ".pdf", ".esl", ".dat")
FILES = sorted(path for path in HERE.rglob("*") if path.suffix in KINDS)
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


def _store() -> TrustStore:
    anchors = []
    for path in sorted(HERE.rglob("*root*.der")):
        certificate = path.read_bytes()
        info = parse_certificate(certificate)
        anchors.append(
            TrustAnchor(name=info.subject, certificate=certificate, valid_from=info.not_before)
        )
    return TrustStore(anchors=tuple(anchors))


def _judge(path: Path) -> Verdict:
    data, store = path.read_bytes(), _store()
    if path.suffix == ".esl":
        return assess_seal(data, store=store, now=NOW)
    if path.suffix == ".dat":
        return assess_detached(data, bytes(32), store=store, now=NOW)
    return assess(data, store=store, now=NOW)


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_verdict_fits_the_schema(path: Path) -> None:
    verdict = _judge(path)
    VALIDATOR.validate(as_json(verdict))
    for check in verdict.all_checks():
        assert check.name in CHECKS
        assert check.against, check.name
        assert check.against_zh, check.name
        for text in (check.detail, check.detail_zh, check.against, check.against_zh):
            assert text.isprintable(), check.name


def test_there_are_documents() -> None:
    assert len(FILES) > 60
