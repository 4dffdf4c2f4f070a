"""A license as SD-JWT VC, signed by the seal service, read by the reference implementation."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store
from jwcrypto.jwk import JWK
from jwcrypto.jws import InvalidJWSSignature
from sd_jwt.holder import SDJWTHolder
from sd_jwt.verifier import SDJWTVerifier

from licenses.credentials import Credentials, read_credential
from runtime.errors import DomainError
from seal.model import Indication
from seal.v1 import seal_pb2 as pb
from seal.verify import assess
from tests.builders.licenses import a_license, a_type
from tests.builders.seal_node import DEPARTMENT, NOW, SEAL, STRANGER, SealNode, seal_request, start
from tongban.verifying import Question, judge_file

KIND = a_type()
CREDENTIALS = Credentials(b"a passphrase of a test")
LICENSE = a_license(issue_time=NOW)
DRAFT = CREDENTIALS.draft(LICENSE, KIND)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealNode]:
    found = start(tmp_path_factory.mktemp("credentials"))
    found.make_seal()
    yield found
    found.server.database.close()


def sign_request(payload: bytes = DRAFT.payload, **changes: Any) -> pb.SealDocumentRequest:
    changes = {"format": pb.DOCUMENT_FORMAT_SD_JWT, "placements": [], **changes}
    return seal_request(payload, **changes)


@pytest.fixture(scope="module")
def credential(node: SealNode) -> bytes:
    return DRAFT.bound(node.call("SealDocument", sign_request()).document)


def _by_reference(data: bytes | str) -> dict[str, Any]:
    """What the reference implementation of SD-JWT makes of a credential, by its x5c."""

    def key(_issuer: str, header: dict[str, Any]) -> JWK:
        assert header["typ"] == "dc+sd-jwt"
        assert header["alg"] == "ES256"
        leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
        public = leaf.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return JWK.from_pem(public)

    text = data if isinstance(data, str) else data.decode()
    found: dict[str, Any] = SDJWTVerifier(text, key).get_verified_payload()
    return found


def test_reference_implementation_reads_every_field(credential: bytes) -> None:
    claims = _by_reference(credential)
    assert {k: claims[k] for k in LICENSE.metadata} == dict(LICENSE.metadata)
    assert claims["metadata_sha256"] == LICENSE.metadata_sha256
    assert claims["vct"] == f"urn:tongban:license-type:{KIND.code}"
    assert claims["iat"] == int(NOW.timestamp())
    first, last = (date.fromisoformat(LICENSE.metadata[f"ZZYXQ{one}RQ"]) for one in ("QS", "JZ"))
    china = timedelta(hours=8)
    assert datetime.fromtimestamp(claims["nbf"], UTC) + china == datetime(
        first.year, first.month, first.day, tzinfo=UTC
    )
    end = last + timedelta(days=1)
    assert datetime.fromtimestamp(claims["exp"], UTC) + china == datetime(
        end.year, end.month, end.day, tzinfo=UTC
    )


def test_holder_shows_two_fields_and_nothing_else(credential: bytes) -> None:
    holder = SDJWTHolder(credential.decode())
    holder.create_presentation({"ZZMC": True, "KZ_DJLX": True})
    shown = holder.sd_jwt_presentation
    claims = _by_reference(shown)
    assert {k for k in claims if k.isupper()} == {"ZZMC", "KZ_DJLX"}
    assert "metadata_sha256" not in claims
    read = read_credential(shown.encode())
    assert dict(read.metadata) == {k: LICENSE.metadata[k] for k in ("ZZMC", "KZ_DJLX")}
    assert read.metadata_sha256 == ""


def test_holder_key_binds_the_credential(node: SealNode) -> None:
    holder = JWK.generate(kty="EC", crv="P-256")
    draft = CREDENTIALS.draft(LICENSE, KIND, holder_key=holder.export_public(as_dict=True))
    data = draft.bound(node.call("SealDocument", sign_request(draft.payload)).document)
    presentation = SDJWTHolder(data.decode())
    presentation.create_presentation({"ZZMC": True}, "nonce", "verifier", holder_key=holder)
    shown = presentation.sd_jwt_presentation

    def key(_issuer: str, header: dict[str, Any]) -> JWK:
        leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
        return JWK.from_pyca(leaf.public_key())

    SDJWTVerifier(shown, key, "verifier", "nonce")
    bound = read_credential(data).holder_key
    assert bound is not None
    assert bound["x"] == holder.export_public(as_dict=True)["x"]


def test_certificate_leads_to_the_nodes_root_by_another_library(
    node: SealNode, credential: bytes
) -> None:
    header = json.loads(base64.urlsafe_b64decode(credential.split(b".")[0] + b"=="))
    leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
    assert len(header["x5c"]) == 1  # the anchor itself is the verifier's to have
    root = x509.load_der_x509_certificate(node.server.custody.hierarchy.root_p256)
    verifier = (
        PolicyBuilder()
        .store(Store([root]))
        .time(NOW)
        .extension_policies(
            ca_policy=ExtensionPolicy.permit_all().require_present(
                x509.BasicConstraints, Criticality.AGNOSTIC, None
            ),
            ee_policy=ExtensionPolicy.permit_all(),
        )
        .build_client_verifier()
    )
    assert verifier.verify(leaf, []).chain[-1] == root


def test_no_field_stands_in_what_is_signed(credential: bytes) -> None:
    payload = json.loads(DRAFT.payload)
    assert set(payload) == {"_sd", "_sd_alg", "iat", "nbf", "exp", "vct"}
    assert payload["_sd"] == sorted(payload["_sd"])
    assert len(payload["_sd"]) == len(set(payload["_sd"])) == 24
    assert len(DRAFT.disclosures) == 1 + len(LICENSE.metadata)
    for name in set(LICENSE.metadata) - {"ZZLXDM", "CZZTDMLXDM"}:  # vct has the former
        assert LICENSE.metadata[name].encode() not in DRAFT.payload


def test_a_repeat_is_the_same_bytes(node: SealNode, credential: bytes) -> None:
    again = Credentials(b"a passphrase of a test").draft(LICENSE, KIND)
    assert again == DRAFT
    request = sign_request(request_id="a-repeat-of-one-request")
    first, second = (node.call("SealDocument", request).document for _ in range(2))
    assert first == second
    other = Credentials(b"another passphrase").draft(LICENSE, KIND)
    assert not set(other.disclosures) & set(DRAFT.disclosures)
    another = CREDENTIALS.draft(replace(LICENSE, id="f" * 24), KIND)
    assert not set(another.disclosures) & set(DRAFT.disclosures)


def test_own_verifier_and_reader_agree(node: SealNode, credential: bytes) -> None:
    verdict = assess(credential, store=node.server.material.current(), now=NOW)
    assert (verdict.indication, verdict.document_format) == (Indication.PASSED, "SD_JWT_VC")
    answer = node.call("VerifyDocument", pb.VerifyDocumentRequest(document=credential))
    assert answer.verdict.indication == pb.INDICATION_PASSED
    read = read_credential(credential)
    assert read.metadata == LICENSE.metadata
    assert read.metadata_sha256 == LICENSE.metadata_sha256
    assert read.type_code == KIND.code


def test_a_use_is_in_the_seals_log(node: SealNode) -> None:
    node.call("SealDocument", sign_request(kind="license-types/employment-registration"))
    every = node.call("ListSealings", pb.ListSealingsRequest(parent=SEAL)).sealings
    used = next(one for one in every if one.kind == "license-types/employment-registration")
    assert used.format == pb.DOCUMENT_FORMAT_SD_JWT
    assert used.state == pb.SEALING_STATE_RELEASED
    assert [leaf["phase"] for leaf in node.leaves("document_sealed")][-2:] == [
        "prepared",
        "released",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"document": b""}, "BAD_CREDENTIAL"),
        ({"document": b"[]"}, "BAD_CREDENTIAL"),
        ({"document": b'{"vct":"a","_sd_alg":"sha-256"}'}, "BAD_CREDENTIAL"),
        ({"document": b'{"vct":"a","iat":1,"iat":2,"_sd_alg":"sha-256"}'}, "BAD_CREDENTIAL"),
        ({"document": b'{"vct":"a","iat":1e9,"_sd_alg":"sha-256"}'}, "BAD_CREDENTIAL"),
        ({"document": DRAFT.payload + b" " * 70_000}, "BAD_CREDENTIAL"),
        ({"placements": seal_request(b"").placements}, "NOT_FOR_THIS_FORMAT"),
        ({"close": True}, "NOT_FOR_THIS_FORMAT"),
        ({"format": pb.DOCUMENT_FORMAT_UNSPECIFIED}, "DOCUMENT_FORMAT_UNKNOWN"),
    ],
)
def test_what_is_no_credential_is_refused(
    node: SealNode, changes: dict[str, Any], reason: str
) -> None:
    request = sign_request(**changes) if "document" not in changes else sign_request()
    request.document = changes.get("document", request.document)
    with pytest.raises(DomainError) as caught:
        node.call("SealDocument", request)
    assert caught.value.reason == reason


def test_another_department_has_no_such_seal(node: SealNode) -> None:
    with pytest.raises(DomainError) as caught:
        node.call("SealDocument", sign_request(), STRANGER)
    assert caught.value.reason == "SEAL_NOT_FOUND"


def test_a_credential_of_before_its_certificate_is_not_given_out(node: SealNode) -> None:
    """Nobody dates a credential to when the seal was not there."""
    early = CREDENTIALS.draft(replace(LICENSE, issue_time=NOW - timedelta(days=9)), KIND)
    with pytest.raises(DomainError) as caught:
        node.call("SealDocument", sign_request(early.payload), DEPARTMENT)
    assert caught.value.reason == "SEALED_DOCUMENT_NOT_GOOD"


# --- forgeries ---------------------------------------------------------------------------------


def _encode(value: Any) -> bytes:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _with_payload(credential: bytes, **changes: Any) -> bytes:
    head, payload, rest = credential.split(b".", 2)
    found = json.loads(base64.urlsafe_b64decode(payload + b"=="))
    return b".".join((head, _encode({**found, **changes}), rest))


def _with_header(credential: bytes, **changes: Any) -> bytes:
    head, rest = credential.split(b".", 1)
    found = json.loads(base64.urlsafe_b64decode(head + b"=="))
    return b".".join((_encode({**found, **changes}), rest))


def _with_name_changed(credential: bytes) -> bytes:
    parts = credential.split(b"~")
    at = next(
        i
        for i, one in enumerate(parts[1:-1], 1)
        if b'"CZZT"' in base64.urlsafe_b64decode(one + b"==")
    )
    salt, name, _ = json.loads(base64.urlsafe_b64decode(parts[at] + b"=="))
    parts[at] = _encode([salt, name, "钱示例"])
    return b"~".join(parts)


FORGERIES = {
    "another name": (_with_name_changed, "signature_format"),
    "a disclosure twice": (
        lambda c: c[:-1] + c[c.index(b"~") :][: c[c.index(b"~") + 1 :].index(b"~") + 2],
        "signature_format",
    ),
    "a longer validity": (lambda c: _with_payload(c, exp=4_000_000_000), "document_signature"),
    "no algorithm": (lambda c: _with_header(c, alg="none"), "signature_format"),
    "another kind of token": (lambda c: _with_header(c, typ="JWT"), "signature_format"),
    "critical and unknown": (lambda c: _with_header(c, crit=["exp"]), "signature_format"),
    "no certificate": (lambda c: _with_header(c, x5c=[]), "signature_format"),
    "one bit of the signature": (
        lambda c: (
            c.replace(c.split(b".")[2][:4], bytes(c.split(b".")[2][:3]) + b"_", 1)
            if c.split(b".")[2][3:4] != b"_"
            else c.replace(c.split(b".")[2][:4], bytes(c.split(b".")[2][:3]) + b"-", 1)
        ),
        "document_signature",
    ),
    "padding": (lambda c: c.replace(b".", b"=.", 1), "signature_format"),
    "issued in the future": (
        lambda c: _with_payload(c, iat=int(NOW.timestamp()) + 86_400),
        "document_signature",
    ),
    "cut off": (lambda c: c[: len(c) // 3], "signature_format"),
    "nested too deep": (
        lambda c: _with_payload(c, deep=json.loads("[" * 40 + "]" * 40)),
        "signature_format",
    ),
    "a digest twice": (
        lambda c: _with_payload(c, again={"_sd": json.loads(DRAFT.payload)["_sd"][:1]}),
        "signature_format",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_is_named(node: SealNode, credential: bytes, name: str) -> None:
    forge, check = FORGERIES[name]
    forged = forge(credential)
    assert forged != credential
    verdict = assess(forged, store=node.server.material.current(), now=NOW)
    assert verdict.indication is Indication.FAILED
    every = (*verdict.checks, *(c for one in verdict.signatures for c in one.checks))
    assert check in {one.name for one in every if one.indication is Indication.FAILED}


def test_reference_implementation_refuses_the_same(credential: bytes) -> None:
    with pytest.raises(InvalidJWSSignature):
        _by_reference(_with_payload(credential, exp=4_000_000_000))
    assert "CZZT" not in _by_reference(_with_name_changed(credential))


def test_a_revoked_seal_signs_nothing_and_what_it_signed_is_told_so(tmp_path: Any) -> None:
    node = start(tmp_path)
    node.make_seal()
    data = DRAFT.bound(node.call("SealDocument", sign_request()).document)
    node.act("Revoke")
    verdict = assess(data, store=node.server.material.current(), now=node.clock.now())
    assert verdict.now.indication is not Indication.PASSED
    with pytest.raises(DomainError) as caught:
        node.call("SealDocument", sign_request())
    assert caught.value.reason == "SEAL_NOT_IN_FORCE"
    node.server.database.close()


def test_the_verifiers_command_judges_a_credential(
    node: SealNode, credential: bytes, tmp_path: Any
) -> None:
    path = tmp_path / "license.jwt"
    path.write_bytes(credential)
    found = judge_file(path, Question(), store=node.server.material.current, now=NOW)
    assert found.verdict is not None
    assert found.verdict.indication is Indication.PASSED
