"""OpenID4VP 1.0 for licenses: the request object, and how an answer is judged.

1. A request is signed by the presenting key (JAR, RFC 9101), whose certificate is its `client_id`
   (`x509_hash`, OpenID4VP §5.9.3); it asks by DCQL for one credential of one license type with
   named claims, and is answered once, by `direct_post`, within its time. It says which department
   asks and what for: by transaction data (§8.4), whose hash the wallet signs, so that its holder
   has seen it; where the purpose is not bound, by `verifier_info` (§5.11), which wallets may show.
2. An answer is an SD-JWT VC with a key binding JWT (RFC 9901 §4.3): signed by the key that the
   issuer bound (`cnf`), for this `aud` and `nonce`, over just these disclosures (`sd_hash`), now.
3. What was not asked for is not kept. A credential is as good as its license is now.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from licenses.presentations.model import Refusal
from licenses.presenting_keys import TrustedKey, key_of_jwk
from licenses.tokens import TokenError, decode, encode
from licenses.types.model import LicenseType
from runtime.errors import FieldViolation, InvalidArgument

REQUEST_TYPE: Final = "oauth-authz-req+jwt"
BINDING_TYPE: Final = "kb+jwt"
PROOF_TYPE: Final = "openid4vci-proof+jwt"
FORMAT: Final = "dc+sd-jwt"
QUERY: Final = "license"
LIFETIME: Final = timedelta(minutes=5)
FRESH: Final = timedelta(minutes=5)
MOST_FIELDS: Final = 50
MOST_ANSWER: Final = 256 * 1024
PURPOSE_TYPE: Final = "urn:tongban:purpose:1"
REQUEST_MEDIA_TYPE: Final = "application/oauth-authz-req+jwt"
#: Of the node's pages.
REQUESTS, RESPONSES = "/wallet/requests/", "/wallet/responses"
_NONCE: Final = re.compile(r"[\x21-\x7e]{1,200}")


class Fault(StrEnum):
    """Why an answer did not pass, beyond what a license itself may be."""

    ANSWER_UNREADABLE = "ANSWER_UNREADABLE"
    CREDENTIAL_NOT_VERIFIED = "CREDENTIAL_NOT_VERIFIED"
    OTHER_LICENSE_TYPE = "OTHER_LICENSE_TYPE"
    NOT_BOUND_TO_A_HOLDER = "NOT_BOUND_TO_A_HOLDER"
    KEY_BINDING_MISSING = "KEY_BINDING_MISSING"
    KEY_BINDING_WRONG = "KEY_BINDING_WRONG"
    WRONG_NONCE = "WRONG_NONCE"
    WRONG_AUDIENCE = "WRONG_AUDIENCE"
    KEY_BINDING_STALE = "KEY_BINDING_STALE"
    PURPOSE_NOT_SEEN = "PURPOSE_NOT_SEEN"
    CLAIMS_MISSING = "CLAIMS_MISSING"
    VALUES_CHANGED = "VALUES_CHANGED"
    CREDENTIAL_NOT_ISSUED = "CREDENTIAL_NOT_ISSUED"
    LICENSE_UNKNOWN = "LICENSE_UNKNOWN"


Reason = Fault | Refusal
SENTENCES: Final[Mapping[Fault, tuple[str, str]]] = {
    Fault.ANSWER_UNREADABLE: ("the wallet's answer cannot be read", "钱包的应答无法读取"),
    Fault.CREDENTIAL_NOT_VERIFIED: (
        "the credential's signature does not verify", "凭证签名验证不通过",
    ),
    Fault.OTHER_LICENSE_TYPE: ("the credential is of another type", "凭证类型不符"),
    Fault.NOT_BOUND_TO_A_HOLDER: (
        "the credential is bound to no key of a holder", "凭证未绑定持有人密钥",
    ),
    Fault.KEY_BINDING_MISSING: ("the holder's proof is missing", "缺少持有人密钥证明"),
    Fault.KEY_BINDING_WRONG: (
        "the holder's proof is not of this key, or of other disclosures", "持有人密钥证明不正确",
    ),
    Fault.WRONG_NONCE: ("the proof answers another request", "持有人密钥证明用于其他请求"),
    Fault.WRONG_AUDIENCE: ("the proof is for another verifier", "持有人密钥证明用于其他核验方"),
    Fault.KEY_BINDING_STALE: ("the proof is old", "持有人密钥证明已过时"),
    Fault.PURPOSE_NOT_SEEN: (
        "the wallet did not sign for what it was asked", "钱包未对请求的用途签名确认",
    ),
    Fault.VALUES_CHANGED: (
        "the credential says other than the license does", "凭证内容与证照不一致",
    ),
    Fault.CREDENTIAL_NOT_ISSUED: (
        "this credential was never given out for the license: it was made by somebody else",
        "该凭证不是为该证照发放的：系他人另行制作",
    ),
    Fault.CLAIMS_MISSING: ("not all that was asked for was shown", "未出示全部所请求的字段"),
    Fault.LICENSE_UNKNOWN: ("the license is none of this node's", "该证照不是本节点签发的"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletRequest:
    """One request to a wallet; `result` is "" until it was answered, PASSED or a reason then."""

    id: str
    department: str
    system: str
    type_id: str
    fields: tuple[str, ...]
    purpose: str = field(repr=False)
    verifier_name: str = ""
    purpose_bound: bool = False
    nonce: str = field(repr=False)
    client_id: str
    response_uri: str
    create_time: datetime
    expire_time: datetime
    answer_time: datetime | None = None
    result: str = ""
    license_id: str = ""
    disclosed: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """presentationRequests/{presentation_request}."""
        return f"presentationRequests/{self.id}"

    @property
    def license_type(self) -> str:
        """licenseTypes/{license_type}."""
        return f"licenseTypes/{self.type_id}"


def client_id_of(key: TrustedKey) -> str:
    """`x509_hash:` and the certificate's SHA-256, base64url."""
    return "x509_hash:" + encode(hashlib.sha256(key.certificate).digest()).decode()


def check_response_uri(uri: str, origin: str, hosts: Collection[str]) -> str:
    """Where answers go: the node's pages (`origin`), or an https address of one of `hosts`.

    The node signs it, so it names nobody whom the node's operator did not. Raises InvalidArgument,
    BAD_RESPONSE_URI.
    """
    if not uri and origin:
        return origin + RESPONSES
    parts = urlsplit(uri) if len(uri) <= 500 and uri.isascii() and uri.isprintable() else None
    good = parts is not None and parts.scheme == "https" and not parts.fragment
    good = good and parts is not None and not (parts.username or parts.password)
    if (
        not good
        or parts is None
        or not ((origin and uri == origin + RESPONSES) or parts.hostname in hosts)
    ):
        raise InvalidArgument(
            "response_uri must be an https address of at most 500 characters, without a fragment, "
            "at a host that the node's settings name (`wallet_hosts`); leave it empty for the "
            "node's pages",
            reason="BAD_RESPONSE_URI",
            message_zh="response_uri 应为不超过 500 个字符、不含片段的 https 地址，"
            "且主机须在节点配置 wallet_hosts 中；留空则使用节点门户",
            violations=[FieldViolation("response_uri", "not such an address")],
        )
    return uri


def wanted_fields(fields: Sequence[str], kind: LicenseType) -> tuple[str, ...]:
    """The fields that are asked for, each once. Raises InvalidArgument, UNKNOWN_FIELDS."""
    chosen = tuple(dict.fromkeys(fields))
    known = {one.code for one in kind.fields}
    if not 0 < len(chosen) <= MOST_FIELDS or not all(
        one in known or (one.startswith(("ZZ", "CZZT")) and one.isalnum()) for one in chosen
    ):
        raise InvalidArgument(
            "ask for at least one field, each a key of such a license's metadata",
            reason="UNKNOWN_FIELDS",
            message_zh="至少请求一个字段，且须为该类证照元数据中的项",
            violations=[FieldViolation("fields", "none, too many, or unknown")],
        )
    return chosen


def check_wallet_nonce(nonce: str) -> str:
    """Raises InvalidArgument, BAD_WALLET_NONCE."""
    if nonce and not _NONCE.fullmatch(nonce):
        raise InvalidArgument(
            "wallet_nonce is 1 to 200 visible ASCII characters",
            reason="BAD_WALLET_NONCE",
            message_zh="wallet_nonce 应为 1 至 200 个可见 ASCII 字符",
            violations=[FieldViolation("wallet_nonce", "not such a text")],
        )
    return nonce


def purpose_of(request: WalletRequest) -> str:
    """The transaction data (OpenID4VP §8.4): base64url of JSON, always the same."""
    told = {
        "type": PURPOSE_TYPE,
        "credential_ids": [QUERY],
        "transaction_data_hashes_alg": ["sha-256"],
        **_told_of(request),
    }
    return encode(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).decode()


def _told_of(request: WalletRequest) -> dict[str, str]:
    return {
        "purpose": request.purpose,
        "verifier": request.department,
        "verifier_name": request.verifier_name,
    }


def request_claims(request: WalletRequest, vct: str, wallet_nonce: str = "") -> dict[str, Any]:
    """The claims of the request object (OpenID4VP §5)."""
    claims = _claims(request, vct)
    if wallet_nonce:
        claims["wallet_nonce"] = wallet_nonce
    if request.purpose_bound:
        claims["transaction_data"] = [purpose_of(request)]
    else:
        claims["verifier_info"] = [{"format": PURPOSE_TYPE, "data": _told_of(request)}]
    return claims


def _claims(request: WalletRequest, vct: str) -> dict[str, Any]:
    return {
        "iss": request.client_id,
        "aud": "https://self-issued.me/v2",
        "iat": int(request.create_time.timestamp()),
        "exp": int(request.expire_time.timestamp()),
        "response_type": "vp_token",
        "response_mode": "direct_post",
        "client_id": request.client_id,
        "response_uri": request.response_uri,
        "nonce": request.nonce,
        "state": request.id,
        "dcql_query": {
            "credentials": [
                {
                    "id": QUERY,
                    "format": FORMAT,
                    "meta": {"vct_values": [vct]},
                    "claims": [{"path": [one]} for one in request.fields],
                }
            ]
        },
        "client_metadata": {
            "client_name": request.verifier_name,
            "vp_formats_supported": {
                FORMAT: {"sd-jwt_alg_values": ["ES256"], "kb-jwt_alg_values": ["ES256"]}
            },
        },
    }


def presented_of(vp_token: str) -> bytes:
    """The one SD-JWT+KB of a vp_token (OpenID4VP §8.1). Raises TokenError."""
    if len(vp_token) > MOST_ANSWER:
        raise TokenError("ANSWER_UNREADABLE")
    try:
        found = orjson.loads(vp_token)
    except orjson.JSONDecodeError:
        raise TokenError("ANSWER_UNREADABLE") from None
    shown = found.get(QUERY) if isinstance(found, dict) and len(found) == 1 else None
    if not isinstance(shown, list) or len(shown) != 1 or not isinstance(shown[0], str):
        raise TokenError("ANSWER_UNREADABLE")
    return bytes(shown[0], "utf-8")


def binding_fault(
    presented: bytes, holder_key: Mapping[str, Any] | None, request: WalletRequest, now: datetime
) -> Fault | None:
    """Judge the key binding (rule 2). Never raises on what it holds."""
    credential, _, binding = presented.rpartition(b"~")
    if holder_key is None:
        return Fault.NOT_BOUND_TO_A_HOLDER
    if not binding:
        return Fault.KEY_BINDING_MISSING
    try:
        said = read_own(binding, holder_key, kind=BINDING_TYPE)
    except TokenError:
        return Fault.KEY_BINDING_WRONG
    digest = encode(hashlib.sha256(credential + b"~").digest()).decode()
    if said.get("sd_hash") != digest:
        return Fault.KEY_BINDING_WRONG
    if said.get("aud") != request.client_id:
        return Fault.WRONG_AUDIENCE
    if said.get("nonce") != request.nonce:
        return Fault.WRONG_NONCE
    if not _is_fresh(said.get("iat"), now):
        return Fault.KEY_BINDING_STALE
    return None if not request.purpose_bound or _saw(said, request) else Fault.PURPOSE_NOT_SEEN


def _saw(said: Mapping[str, Any], request: WalletRequest) -> bool:
    """Whether the wallet signed the hash of the transaction data (OpenID4VP §B.3.3)."""
    hashes = said.get("transaction_data_hashes")
    if said.get("transaction_data_hashes_alg", "sha-256") != "sha-256":
        return False
    if not isinstance(hashes, list) or len(hashes) != 1 or not isinstance(hashes[0], str):
        return False
    wanted = encode(hashlib.sha256(purpose_of(request).encode()).digest())
    return hmac.compare_digest(hashes[0].encode(), wanted)


def proof_fault(proof: bytes, jwk: Mapping[str, Any], audience: str, now: datetime) -> str:
    """Why a proof of possession of a key is none; "" where it is."""
    try:
        said = read_own(proof, jwk, kind=PROOF_TYPE)
    except TokenError as error:
        return error.reason
    if said.get("aud") != audience:
        return "it is for another license"
    return "" if _is_fresh(said.get("iat"), now) else "it is old"


def read_own(token: bytes, jwk: Mapping[str, Any], *, kind: str) -> Mapping[str, Any]:
    """The claims of a compact JWS that the key of a JWK signed. Raises TokenError."""
    parts = token.split(b".")
    if len(parts) != 3 or len(token) > 16_384:
        raise TokenError("TOKEN_UNREADABLE")
    try:
        header, claims = (orjson.loads(decode(one)) for one in parts[:2])
    except orjson.JSONDecodeError:
        raise TokenError("TOKEN_UNREADABLE") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenError("TOKEN_UNREADABLE")
    if header.get("alg") != "ES256" or header.get("typ") != kind or "crit" in header:
        raise TokenError("TOKEN_UNREADABLE")
    if not key_of_jwk(jwk).good_for(decode(parts[2]), parts[0] + b"." + parts[1]):
        raise TokenError("SIGNATURE_WRONG")
    return claims


def _is_fresh(iat: Any, now: datetime) -> bool:
    if not isinstance(iat, int) or isinstance(iat, bool) or not 0 <= iat <= 253402300799:
        return False
    return abs(now - datetime.fromtimestamp(iat, UTC)) <= FRESH
