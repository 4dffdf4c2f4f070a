"""Agreement with npm's `sm-crypto`, another implementation of SM2 and SM3, both ways."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import zlib
from pathlib import Path
from zipfile import BadZipFile

import pytest

from runtime.errors import InvalidArgument
from seal import der, ses, suites, trust
from seal.verify import assess
from tests.builders import makers
from tests.builders.forging import VALUE, XML
from tests.builders.ofd import NOW, pack, plain_ofd, seal_ofd, unpack, world
from tests.builders.seal_pki import BEGIN, NOON, pki, seal
from tests.builders.signed_data import FORMS, signed_data

FORGERIES = Path(__file__).parent / "forgeries"
FOLDER = Path(__file__).parent / "sm-crypto"
SEALS = Path(__file__).parent / "data" / "seals"
SM2 = suites.suite(suites.SM2)
POINT = 65  # octets: a SubjectPublicKeyInfo of an SM2 key ends in its point


@pytest.fixture(scope="session")
def ask(tmp_path_factory):
    """Ask the library many things at once; the answers, in order."""
    folder = tmp_path_factory.mktemp("sm-crypto")
    for name in ("package.json", "package-lock.json", "answer.js"):
        shutil.copy(FOLDER / name, folder)
    quiet = os.environ | {"npm_config_prefer_offline": "true"}
    installed = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder, env=quiet, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr

    def ask_all(*questions):
        lines = "\n".join(json.dumps(one) for one in questions)
        done = subprocess.run(
            ["node", "answer.js"],
            cwd=folder, input=lines, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask_all


def verify(message, signature, public_key):
    return {
        "ask": "verify",
        "message": message.hex(),
        "signature": signature.hex(),
        "key": public_key[-POINT:].hex(),
    }


def issuer_key(certificate):
    return trust.parse_certificate(certificate).public_key


def test_digests_agree(ask):
    draw = random.Random(1)
    messages = [draw.randbytes(size) for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 4096)]
    answers = ask(*({"ask": "digest", "message": one.hex()} for one in messages))
    assert answers == [suites.digest("sm3", one).hex() for one in messages]


def test_it_accepts_what_we_sign_and_nothing_else(ask):
    signer = pki().signer.signer
    messages = [f"示范 {number}".encode() for number in range(40)]
    signatures = [signer.sign(one) for one in messages]
    good = [verify(m, s, signer.public_key) for m, s in zip(messages, signatures, strict=True)]
    shifted = zip(messages, [*signatures[1:], signatures[0]], strict=True)
    bad = [verify(m, s, signer.public_key) for m, s in shifted]
    assert ask(*good, *bad) == [True] * 40 + [False] * 40


def test_we_accept_what_it_signs_and_nothing_else(ask):
    (made,) = ask({"ask": "create"})
    message = b"message"
    question = {
        "ask": "sign",
        "message": message.hex(),
        "secret": made["privateKey"],
        "key": made["publicKey"],
    }
    prefix = pki().signer.signer.public_key[:-POINT]
    public_key = prefix + bytes.fromhex(made["publicKey"])
    for answer in ask(*[question] * 20):
        signature = bytes.fromhex(answer)
        assert SM2.verify(public_key, message, signature)
        assert not SM2.verify(public_key, b"massage", signature)


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("listed", ses.SignerList)
def test_it_accepts_our_seals_and_seal_signatures(ask, version, listed):
    made = pki()
    encoded = ses.sign_data(
        seal=seal(version=version, signer_list=listed),
        signed_at=NOON,
        data_hash=suites.digest("sm3", b"Signature.xml"),
        property_info="/Doc_0/Signs/Sign_0/Signature.xml",
        signer=made.signer.signer,
        certificate=made.signer.certificate,
    )
    read = ses.parse_signature(encoded)
    questions = [
        verify(one.signed_bytes, one.signature, issuer_key(certificate))
        for one, certificate in (
            (read, read.certificate),
            (read.seal, read.seal.maker_certificate),
            (read, read.seal.maker_certificate),
        )
    ]
    assert ask(*questions) == [True, True, False]


def test_it_accepts_our_chains_and_revocation_lists(ask):
    made = pki()
    revoked = trust.Revocation(serial=7, at=BEGIN)
    links = [
        (trust.parse_certificate(made.root.certificate), made.root),
        (trust.parse_certificate(made.intermediate.certificate), made.root),
        (trust.parse_certificate(made.maker.certificate), made.intermediate),
        (trust.parse_certificate(made.signer.certificate), made.intermediate),
        (trust.parse_crl(made.crl(revoked)), made.intermediate),
        (trust.parse_certificate(made.signer.certificate), made.root),
    ]
    questions = [
        verify(child.signed_bytes, child.signature, issuer_key(issuer.certificate))
        for child, issuer in links
    ]
    assert ask(*questions) == [True] * 5 + [False]


def test_we_agree_about_seals_made_by_other_software(ask):
    read = [ses.parse_seal(one.read_bytes()) for one in sorted(SEALS.glob("*.esl"))]
    read += [ses.parse_signature(one.read_bytes()) for one in sorted(SEALS.glob("*.dat"))]
    questions = [
        verify(
            one.signed_bytes,
            one.signature,
            issuer_key(one.certificate if hasattr(one, "certificate") else one.maker_certificate),
        )
        for one in read
    ]
    assert len(questions) == 7
    assert ask(*questions) == [True] * 7


def numbers(signature):
    """r and s, if the octets are SEQ of two INTEGERs."""
    try:
        return [one.integer() for one in der.children(signature)]
    except InvalidArgument:
        return []


def plain_numbers(signature):
    """What it can read at all: two numbers, neither negative nor written in another way."""
    found = numbers(signature)
    whole = len(found) == 2 and min(found) >= 0
    return whole and der.sequence(*map(der.integer, found)) == signature


def test_we_agree_about_forged_signatures(ask):
    """Of every stored forgery that reads, over the bytes as received; it knows no certificates."""
    asked, ours = [], []
    for path in sorted(FORGERIES.glob("*.ofd")):
        try:
            value = ses.parse_signature(unpack(path.read_bytes())[VALUE])
            key = issuer_key(value.certificate)
        except (InvalidArgument, KeyError, BadZipFile, zlib.error):
            continue
        signature = suites.sm2_value(value.signature)
        if plain_numbers(signature) and key[:-POINT] == pki().signer.signer.public_key[:-POINT]:
            asked.append(verify(value.signed_bytes, signature, key))
            ours.append(SM2.verify(key, value.signed_bytes, signature))
    assert len(ours) > 50
    assert {True, False} == set(ours)
    assert ask(*asked) == ours


def created(ask):
    """A key of its making: the question that signs with it, its public key."""
    (made,) = ask({"ask": "create"})
    prefix = pki().signer.signer.public_key[:-POINT]
    return made, prefix + bytes.fromhex(made["publicKey"])


class Asking:
    """A signer that asks the library."""

    suite_name = suites.SM2

    def __init__(self, ask, made, public_key):
        self.ask, self.made, self.public_key = ask, made, public_key

    def sign(self, message):
        question = {
            "ask": "sign",
            "message": message.hex(),
            "secret": self.made["privateKey"],
            "key": self.made["publicKey"],
        }
        (answer,) = self.ask(question)
        return bytes.fromhex(answer)


@pytest.mark.parametrize("form", [None, "attached-digest", "attributes"])
def test_a_document_it_signed_passes(ask, form):
    """A whole sealed document, and one of Type=Sign, whose signatures are of its making."""
    here = world()
    made, public_key = created(ask)
    signer = Asking(ask, made, public_key)
    certificate = here.issue(public_key, "示范县行政审批局")
    if form is None:
        sealed_by = here.seal(listed=(certificate,))
        document = seal_ofd(plain_ofd(), seal=sealed_by, signer=signer, certificate=certificate)
    else:
        files = unpack(makers.made(makers.Habit(sign=FORMS[form])))
        files[VALUE] = signed_data(files[XML], (signer, certificate), form=FORMS[form])
        document = pack(files)
    verdict = assess(document, store=here.store(), now=NOW)
    assert verdict.indication == "PASSED", verdict.to_dict()


def test_a_seal_it_made_passes(ask):
    here = world()
    made, public_key = created(ask)
    certificate = here.issue(public_key, "示范制章")
    encoded = here.seal(maker=Asking(ask, made, public_key), maker_certificate=certificate)
    verdict = assess(seal_ofd(plain_ofd(), seal=encoded), store=here.store(), now=NOW)
    assert verdict.indication == "PASSED", verdict.to_dict()


def test_it_too_accepts_the_published_signature(ask):
    point = bytes.fromhex(
        "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
        "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
    )
    signature = der.sequence(
        der.integer(0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3),
        der.integer(0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA),
    )
    good = verify(b"message digest", signature, point)
    assert ask(good, verify(b"message digest.", signature, point)) == [True, False]
