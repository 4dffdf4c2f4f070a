"""A wallet of other makers: joserfc for its keys, the reference implementation for its SD-JWTs."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey
from sd_jwt.holder import SDJWTHolder

#: A certificate stands in the header; the library takes 512 bytes unless told.
_LONG_HEADERS = jws.JWSRegistry(algorithms=["ES256"])
_LONG_HEADERS.max_header_length = 4096


class Wallet:
    """One wallet with one key; `authority` is whom it trusts to certify verifiers, PEM."""

    def __init__(self, authority: bytes) -> None:
        self._key = ECKey.generate_key("P-256")
        self._authority = x509.load_pem_x509_certificate(authority)

    @property
    def public_key(self) -> bytes:
        """Its JWK, JSON."""
        return json.dumps(self._key.as_dict(private=False)).encode()

    def proof(self, license_: str) -> bytes:
        """That it holds the key, for a license to be put into it."""
        claims = {"aud": license_, "iat": int(time.time())}
        return self._signed("openid4vci-proof+jwt", claims).encode()

    def read(self, request_object: bytes, client_id: str) -> dict[str, Any]:
        """The claims of a request object, whose certificate is its client."""
        header = json.loads(_decoded(request_object.decode().split(".")[0]))
        der = base64.b64decode(header["x5c"][0])
        certificate = x509.load_der_x509_certificate(der)
        certificate.verify_directly_issued_by(self._authority)
        assert client_id == f"x509_hash:{_encoded(hashlib.sha256(der).digest())}"
        public = certificate.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        key = ECKey.import_key(public)
        read = jws.deserialize_compact(request_object, key, registry=_LONG_HEADERS)
        claims = json.loads(read.payload)
        assert claims["client_id"] == client_id
        return dict(claims)

    def shown(self, held: bytes, claims: dict[str, Any], fields: list[str]) -> str:
        """The vp_token that answers a request."""
        holder = SDJWTHolder(held.decode())
        holder.create_presentation(dict.fromkeys(fields, True))
        bare = holder.sd_jwt_presentation
        binding = {
            "aud": claims["client_id"],
            "nonce": claims["nonce"],
            "iat": int(time.time()),
            "sd_hash": _encoded(hashlib.sha256(bare.encode()).digest()),
            "transaction_data_hashes": [
                _encoded(hashlib.sha256(one.encode()).digest())
                for one in claims.get("transaction_data", [])
            ],
        }
        (query,) = claims["dcql_query"]["credentials"]
        return json.dumps({query["id"]: [bare + self._signed("kb+jwt", binding)]})

    def _signed(self, kind: str, claims: dict[str, Any]) -> str:
        header = {"alg": "ES256", "typ": kind}
        return jws.serialize_compact(header, json.dumps(claims), self._key, ["ES256"])


def posted(client: httpx.Client, uri: str, **form: str) -> httpx.Response:
    """What a wallet posts to an address of the node's, as a web wallet of another site does."""
    headers = {"Origin": "https://wallet.example", "Sec-Fetch-Site": "cross-site"}
    return client.post(urlsplit(uri).path, data=form, headers=headers)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
