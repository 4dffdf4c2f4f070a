"""Licenses in wallets: requests by OpenID4VP, answered by the reference SD-JWT implementation."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from sd_jwt.holder import SDJWTHolder

from licenses.v1 import licenses_pb2
from licenses.v1 import presentations_pb2 as presentations
from licenses.v1 import verifying_pb2 as verifying
from licenses.v1 import wallets_pb2 as pb
from runtime.identity import Role
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    HOLDER,
    LicenseNode,
    change,
    document,
    fresh,
    issue,
    refused,
    running,
)
from tests.builders.licenses import BUREAU, TYPE_NAME, citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")
PURPOSE = "办理公积金提取"
POST = "https://portal.example/wallet"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("wallets")) as found:
        yield found


def key() -> JWK:
    return JWK.generate(kty="EC", crv="P-256")


def signed(own: JWK, typ: str, claims: dict[str, Any]) -> str:
    token = JWS(json.dumps(claims))
    token.add_signature(own, None, json.dumps({"alg": "ES256", "typ": typ}))
    return str(token.serialize(compact=True))


async def credential(node: LicenseNode, name: str, own: JWK, **changes: Any) -> bytes:
    iat = int(node.clock.now().timestamp())
    values: dict[str, Any] = {
        "license": name,
        "holder_code": HOLDER,
        "holder_key": own.export_public().encode(),
        "proof": signed(own, "openid4vci-proof+jwt", {"aud": name, "iat": iat}).encode(),
    }
    request = pb.IssueWalletCredentialRequest(**{**values, **changes})
    return bytes((await node.counter.wallets.IssueWalletCredential(request)).credential)


async def asked(node: LicenseNode, *fields: str, **changes: Any) -> tuple[Any, dict[str, Any]]:
    """A request, and its request object as a wallet that trusts the node's authority reads it."""
    values: dict[str, Any] = {
        "license_type": TYPE_NAME,
        "fields": fields or ["CZZT", "KZ_DJLX"],
        "purpose": PURPOSE,
        "response_uri": POST,
        "request_id": fresh(),
    }
    request = pb.CreatePresentationRequestRequest(**{**values, **changes})
    made = await node.verifier.wallets.CreatePresentationRequest(request)
    token = JWS()
    token.deserialize(made.request_object.decode())
    header = json.loads(token.objects["protected"])
    der = base64.b64decode(header["x5c"][0])
    leaf = x509.load_der_x509_certificate(der)
    leaf.verify_directly_issued_by(node.authority.certificate)
    token.verify(JWK.from_pyca(leaf.public_key()))
    assert header["typ"] == "oauth-authz-req+jwt"
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    assert made.client_id == f"x509_hash:{thumbprint}"
    return made, json.loads(token.payload)


def shown(
    node: LicenseNode, held: bytes, own: JWK, claims: dict[str, Any], fields: list[str],
    **changes: Any,
) -> str:  # fmt: skip
    """What a wallet posts, made by another implementation; `changes` make a dishonest one."""
    holder = SDJWTHolder(held.decode())
    holder.create_presentation(dict.fromkeys(fields, True))
    bare = holder.sd_jwt_presentation
    digest = base64.urlsafe_b64encode(hashlib.sha256(bare.encode()).digest()).rstrip(b"=").decode()
    binding = {
        "aud": claims["client_id"],
        "nonce": claims["nonce"],
        "iat": int(node.clock.now().timestamp()),
        "sd_hash": digest,
        **changes,
    }
    if "transaction_data" in claims and "transaction_data_hashes" not in changes:
        (told,) = claims["transaction_data"]
        digest = hashlib.sha256(told.encode()).digest()
        hashed = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        binding["transaction_data_hashes"] = [hashed]
    return json.dumps({"license": [bare + signed(own, "kb+jwt", binding)]})


async def submitted(node: LicenseNode, state: str, token: str) -> str:
    portal = node.client("departments/data-office", Role.PORTAL, system="portal")
    answer = await portal.wallets.SubmitPresentation(
        pb.SubmitPresentationRequest(state=state, vp_token=token)
    )
    passed = answer.verdict.indication == seal_pb2.INDICATION_PASSED
    return "PASSED" if passed else str(answer.verdict.sub_indication)


async def result(node: LicenseNode, name: str) -> Any:
    request = pb.GetPresentationResultRequest(name=name)
    return await node.verifier.wallets.GetPresentationResult(request)


async def test_a_wallets_credential_is_no_file(node: LicenseNode) -> None:
    """Who was shown one shows it on; with or without the wallet's proof it passes nowhere so."""
    license_, own = await issue(node), key()
    held = await credential(node, license_.name, own)
    _, claims = await asked(node)
    (answer,) = json.loads(shown(node, held, own, claims, ["CZZT", "KZ_DJLX"]))["license"]
    for file in (answer, answer.rpartition("~")[0] + "~", held.decode()):
        request = verifying.VerifyLicenseRequest(document=file.encode(), purpose=PURPOSE)
        told = await node.verifier.verifying.VerifyLicense(request)
        assert told.verdict.sub_indication == "WALLET_CREDENTIAL"
        assert (told.license_identifier, told.license_type_display_name) == ("", "")
    wrong = answer.replace("~", "~x", 1)
    request = verifying.VerifyLicenseRequest(document=wrong.encode(), purpose=PURPOSE)
    told = await node.verifier.verifying.VerifyLicense(request)
    assert told.verdict.sub_indication == "DOCUMENT_NOT_VERIFIED"


async def test_two_wallets_credentials_of_one_license_have_nothing_in_common(
    node: LicenseNode,
) -> None:
    name, mine = (await issue(node)).name, [key(), key()]
    node.clock.advance(timedelta(seconds=7))
    first = await credential(node, name, mine[0])
    node.clock.advance(timedelta(seconds=7))
    second = await credential(node, name, mine[1])
    assert await credential(node, name, mine[0]) == first
    told = [read_payload(one.split(b"~")[0]) for one in (first, second)]
    for one in told:
        for label in ("_sd_alg", "vct", "nbf", "exp"):  # as many licenses have
            one.pop(label, None)
        place = one.pop("status")["status_list"]
        one["place"] = (place["uri"], place["idx"])
    assert set(told[0]) == {"_sd", "cnf", "iat", "place"}
    assert not [label for label in told[0] if told[0][label] == told[1][label]]
    assert not set(told[0]["_sd"]) & set(told[1]["_sd"])
    assert not set(first.split(b"~")[1:-1]) & set(second.split(b"~")[1:-1])


async def test_a_wallet_shows_what_is_asked_for_once(node: LicenseNode) -> None:
    license_, own = await issue(node), key()
    held = await credential(node, license_.name, own)
    assert held == await credential(node, license_.name, own)
    made, claims = await asked(node)
    assert claims["response_type"] == "vp_token"
    assert claims["response_mode"] == "direct_post"
    assert (claims["response_uri"], claims["client_id"]) == (POST, made.client_id)
    (query,) = claims["dcql_query"]["credentials"]
    assert query["format"] == "dc+sd-jwt"
    assert query["claims"] == [{"path": ["CZZT"]}, {"path": ["KZ_DJLX"]}]
    # Who asks, and what for, is signed.
    (told,) = claims["transaction_data"]
    purpose = json.loads(base64.urlsafe_b64decode(told + "=="))
    assert purpose["credential_ids"] == [query["id"]]
    assert (purpose["purpose"], purpose["verifier"]) == (PURPOSE, BANK)
    assert purpose["verifier_name"] == "示范县住房公积金中心"
    assert claims["client_metadata"]["client_name"] == "示范县住房公积金中心"
    assert not (await result(node, made.name)).answered
    # The library makes the key binding itself, too: both ways are one.
    holder = SDJWTHolder(held.decode())
    holder.create_presentation(
        {"CZZT": True, "KZ_DJLX": True, "KZ_XLXX": True},
        claims["nonce"],
        claims["client_id"],
        holder_key=own,
    )
    binding = holder.sd_jwt_presentation.rpartition("~")[2]
    said = json.loads(base64.urlsafe_b64decode(binding.split(".")[1] + "=="))
    token = shown(node, held, own, claims, ["CZZT", "KZ_DJLX", "KZ_XLXX"])
    mine = json.loads(token)["license"][0].rpartition("~")[2].split(".")[1]
    assert said["sd_hash"] == json.loads(base64.urlsafe_b64decode(mine + "=="))["sd_hash"]
    answers = await asyncio.gather(
        *(submitted(node, claims["state"], token) for _ in range(2)), return_exceptions=True
    )
    assert answers.count("PASSED") == 1  # the other is refused: answered already
    told = await result(node, made.name)
    # What was shown and not asked for is not kept.
    assert dict(told.fields) == {"CZZT": "赵示例", "KZ_DJLX": "就业登记"}
    assert told.state == licenses_pb2.LICENSE_STATE_ACTIVE
    error = await refused(submitted(node, claims["state"], token))
    assert error.reason == "PRESENTATION_REQUEST_OVER"
    look = presentations.ListLooksRequest(holder_code=HOLDER, license=license_.name)
    seen = (await node.counter.presentations.ListLooks(look)).looks
    assert (seen[0].kind, seen[0].result) == ("wallet_answered", "PASSED")
    assert (seen[0].department, seen[0].purpose) == (BANK, PURPOSE)
    (leaf,) = [one for one in node.leaves("wallet_answered") if one["result"] == "PASSED"]
    assert leaf["actor"] == "departments/data-office/systems/portal"  # who submitted it
    leaf = node.uses("wallet_credential_issued", license_.name)[0]
    assert "key" not in leaf
    other = node.client(BUREAU, Role.DEPARTMENT)
    request = pb.GetPresentationResultRequest(name=made.name)
    error = await refused(other.wallets.GetPresentationResult(request))
    assert error.reason == "PRESENTATION_REQUEST_NOT_FOUND"


async def test_each_dishonest_answer_is_named_and_takes_nothing(node: LicenseNode) -> None:
    license_, own = await issue(node), key()
    held = await credential(node, license_.name, own)
    unbound = await document(node, license_, "JWT")
    _, claims = await asked(node)
    fields, state = ["CZZT", "KZ_DJLX"], claims["state"]
    now = int(node.clock.now().timestamp())
    good = shown(node, held, own, claims, fields)
    bare = json.loads(good)["license"][0].rpartition("~")[0] + "~"
    broken = json.loads(good)["license"][0].replace(".", ".A", 1)
    for token, reason in (
        (shown(node, held, key(), claims, fields), "KEY_BINDING_WRONG"),
        (shown(node, held, own, claims, fields, nonce="of another"), "WRONG_NONCE"),
        (shown(node, held, own, claims, fields, aud="x509_hash:other"), "WRONG_AUDIENCE"),
        (shown(node, held, own, claims, fields, iat=now - 301), "KEY_BINDING_STALE"),
        (shown(node, held, own, claims, fields, iat="now"), "KEY_BINDING_STALE"),
        (shown(node, held, own, claims, fields, sd_hash="x"), "KEY_BINDING_WRONG"),
        (shown(node, held, own, claims, fields, transaction_data_hashes=[]), "PURPOSE_NOT_SEEN"),
        (shown(node, held, own, claims, fields, transaction_data_hashes=["x"]), "PURPOSE_NOT_SEEN"),
        (shown(node, held, own, claims, ["CZZT"]), "CLAIMS_MISSING"),
        (shown(node, unbound, own, claims, fields), "NOT_BOUND_TO_A_HOLDER"),
        (json.dumps({"license": [bare]}), "KEY_BINDING_MISSING"),
        (json.dumps({"license": [broken]}), "ANSWER_UNREADABLE"),
        (json.dumps({"license": [bare, bare]}), "ANSWER_UNREADABLE"),
        (json.dumps({"other": [bare]}), "ANSWER_UNREADABLE"),
        ("no json", "ANSWER_UNREADABLE"),
    ):
        assert await submitted(node, state, token) == reason
    await change(node, "Suspend", license_.name)
    assert await submitted(node, state, good) == "LICENSE_SUSPENDED"
    await change(node, "Resume", license_.name)
    assert await submitted(node, state, good) == "PASSED"
    _, late = await asked(node)
    token = shown(node, held, own, late, fields)
    error = await refused(submitted(node, "0" * 32, token))
    assert error.reason == "PRESENTATION_REQUEST_NOT_FOUND"
    node.clock.advance(timedelta(minutes=5))
    error = await refused(submitted(node, late["state"], token))
    assert error.reason == "PRESENTATION_REQUEST_OVER"


async def sealed(node: LicenseNode, payload: dict[str, Any]) -> bytes:
    """A credential that a department signs by its own seal, whatever it says."""
    request = seal_pb2.SealDocumentRequest(
        seal=f"{BUREAU}/seals/main",
        document=json.dumps(payload).encode(),
        format=seal_pb2.DOCUMENT_FORMAT_SD_JWT,
        reason="试用",
        request_id=fresh(),
    )
    return bytes((await node.issuer.seals.SealDocument(request)).document)


def read_payload(jws: bytes) -> dict[str, Any]:
    part = jws.split(b".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))))


async def test_who_answers_badly_keeps_nobody_else_from_answering(node: LicenseNode) -> None:
    """The request is named in its QR code, which others read, too."""
    name, own = (await issue(node)).name, key()
    held = await credential(node, name, own)
    _, claims = await asked(node)
    portal = node.client("departments/data-office", Role.PORTAL, system="portal")

    async def post(token: str, visitor: str) -> Any:
        return await portal.wallets.SubmitPresentation(
            pb.SubmitPresentationRequest(state=claims["state"], vp_token=token, visitor=visitor)
        )

    for _ in range(20):
        assert (await post("{}", "one")).verdict.sub_indication == "ANSWER_UNREADABLE"
    assert (await refused(post("{}", "one"))).reason == "TOO_MANY_UNKNOWN_CODES"
    good = shown(node, held, own, claims, ["CZZT", "KZ_DJLX"])
    assert (await post(good, "another")).verdict.indication == seal_pb2.INDICATION_PASSED


async def test_a_credential_that_was_never_given_out_passes_nowhere(node: LicenseNode) -> None:
    """Whoever has a seal can sign the status of somebody's license with a key of their own."""
    license_, thief = await issue(node), key()
    own = await document(node, license_, "JWT")
    jws, *disclosures = own.split(b"~")
    taken = {**read_payload(jws), "cnf": {"jwk": json.loads(thief.export_public())}}
    fields = ["CZZT", "KZ_DJLX"]

    async def answered(payload: dict[str, Any], *parts: bytes) -> str:
        _, claims = await asked(node)
        held = b"~".join((await sealed(node, payload), *parts, b""))
        return await submitted(node, claims["state"], shown(node, held, thief, claims, fields))

    # The license's own values, by their own disclosures, bound to the thief's key.
    assert await answered(taken, *disclosures[:-1]) == "CREDENTIAL_NOT_ISSUED"
    # Other values.
    said = {"CZZT": "钱示例", "KZ_DJLX": "就业登记"}
    made = [
        base64.urlsafe_b64encode(json.dumps(["c2FsdHNhbHRzYWx0c2FsdA", k, v]).encode()).rstrip(b"=")
        for k, v in said.items()
    ]
    digests = [
        base64.urlsafe_b64encode(hashlib.sha256(one).digest()).rstrip(b"=").decode() for one in made
    ]
    assert await answered({**taken, "_sd": sorted(digests)}, *made) == "VALUES_CHANGED"
    # A place in the status list that was given to nobody, and another type.
    nobody = {"status_list": {**taken["status"]["status_list"], "idx": 1}}
    assert await answered({**taken, "status": nobody}, *disclosures[:-1]) == "LICENSE_UNKNOWN"
    other = {**taken, "vct": "urn:tongban:license-type:11990101MB9901024T999"}
    assert await answered(other, *disclosures[:-1]) == "OTHER_LICENSE_TYPE"
    # A signature that is none.
    _, claims = await asked(node)
    held = await credential(node, license_.name, thief)
    head, payload, signature = held.partition(b"~")[0].split(b".")
    forged = b".".join((head, payload, signature[:-8] + b"AAAAAAAA"))
    token = shown(node, held.replace(held.partition(b"~")[0], forged), thief, claims, fields)
    assert await submitted(node, claims["state"], token) == "CREDENTIAL_NOT_VERIFIED"
    assert (await result(node, f"presentationRequests/{claims['state']}")).answered is False


async def test_an_abandoned_license_is_unknown_to_wallets(node: LicenseNode) -> None:
    license_, own = await issue(node), key()
    held = await credential(node, license_.name, own)
    _, claims = await asked(node)
    token = shown(node, held, own, claims, ["CZZT", "KZ_DJLX"])
    with node.licenses.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE license SET state = 'ABANDONED' WHERE identifier = ?",
            (license_.license_identifier,),
        )
    assert await submitted(node, claims["state"], token) == "LICENSE_UNKNOWN"


async def test_the_portal_hands_a_request_to_a_wallet(node: LicenseNode) -> None:
    made, claims = await asked(node, response_uri="", purpose_unbound=True)
    assert claims["response_uri"] == "https://pages.example/wallet/responses"
    assert made.request_uri == f"https://pages.example/wallet/requests/{claims['state']}"
    assert "transaction_data" not in claims
    (told,) = claims["verifier_info"]
    assert told["data"]["purpose"] == PURPOSE
    portal = node.client("departments/data-office", Role.PORTAL, system="portal")
    request = pb.GetRequestObjectRequest(name=made.name, wallet_nonce="of-the-wallet")
    found = await portal.wallets.GetRequestObject(request)
    assert found.media_type == "application/oauth-authz-req+jwt"
    assert read_payload(found.request_object) == {**claims, "wallet_nonce": "of-the-wallet"}
    for changes, reason in (
        ({"name": f"presentationRequests/{'0' * 32}"}, "PRESENTATION_REQUEST_NOT_FOUND"),
        ({"wallet_nonce": "a b"}, "BAD_WALLET_NONCE"),
        ({"name": "requests/1"}, "MALFORMED_NAME"),
    ):
        wrong = pb.GetRequestObjectRequest(**{"name": made.name, **changes})
        assert (await refused(portal.wallets.GetRequestObject(wrong))).reason == reason
    # An answer to a request without a bound purpose need not show that it was seen.
    license_, own = await issue(node), key()
    held = await credential(node, license_.name, own)
    assert (
        await submitted(node, claims["state"], shown(node, held, own, claims, ["CZZT", "KZ_DJLX"]))
        == "PASSED"
    )
    request = pb.GetRequestObjectRequest(name=made.name)
    error = await refused(portal.wallets.GetRequestObject(request))
    assert error.reason == "PRESENTATION_REQUEST_OVER"


async def test_wrong_asking_is_refused(node: LicenseNode) -> None:
    name, own = (await issue(node)).name, key()
    for changes, reason in (
        ({"license_type": "licenseTypes/none"}, "LICENSE_TYPE_NOT_FOUND"),
        ({"fields": ["KZ_NONE"]}, "UNKNOWN_FIELDS"),
        ({"purpose": ""}, "BAD_TEXT"),
        ({"response_uri": "http://portal.example/"}, "BAD_RESPONSE_URI"),
        ({"response_uri": "https://elsewhere.example/"}, "BAD_RESPONSE_URI"),
        ({"response_uri": "https://a@portal.example/"}, "BAD_RESPONSE_URI"),
        ({"request_id": ""}, "REQUEST_ID_REQUIRED"),
    ):
        assert (await refused(asked(node, **changes))).reason == reason
    for changes, reason in (
        ({"holder_code": citizen_number(2)}, "LICENSE_NOT_FOUND"),
        ({"holder_key": b"{}"}, "BAD_HOLDER_KEY"),
        ({"holder_key": own.export_private().encode()}, "BAD_HOLDER_KEY"),
        ({"holder_key": JWK.generate(kty="EC", crv="P-384").export_public().encode()},
         "BAD_HOLDER_KEY"),
        ({"holder_key": key().export_public().encode()}, "BAD_PROOF"),
        ({"proof": b"x"}, "BAD_PROOF"),
    ):  # fmt: skip
        assert (await refused(credential(node, name, own, **changes))).reason == reason
    await change(node, "Suspend", name)
    assert (await refused(credential(node, name, own))).reason == "LICENSE_NOT_IN_FORCE"
