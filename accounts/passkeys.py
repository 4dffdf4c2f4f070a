"""Passkeys (WebAuthn): what a browser is asked for, and whether its answer is right.

A credential can be found by the authenticator itself (no login is typed), and its user is verified
(a PIN, a finger, a face): it is both factors. Attestation is not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import options_to_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.parse_authentication_credential_json import (
    parse_authentication_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from runtime.errors import InvalidArgument

TITLE: Final = "通办 Tongban"
GREATEST: Final = 16 * 1024
_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new passkey."""

    credential: bytes
    public_key: bytes
    uses: int


def to_register(origin: str, challenge: bytes, *, user: str, shown_as: str) -> str:
    """What `navigator.credentials.create` is asked for, JSON."""
    options = webauthn.generate_registration_options(
        rp_id=_host(origin),
        rp_name=TITLE,
        user_id=user.encode(),
        user_name=shown_as,
        user_display_name=shown_as,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        supported_pub_key_algs=_ALGORITHMS,
    )
    return options_to_json(options)


def registered(origin: str, challenge: bytes, answer: str) -> Made:
    """The passkey that a browser made. Raises InvalidArgument (BAD_PASSKEY)."""
    _check_size(answer)
    try:
        found = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=_host(origin),
            expected_origin=origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):
        raise bad_passkey() from None
    return Made(
        credential=found.credential_id,
        public_key=found.credential_public_key,
        uses=found.sign_count,
    )


def to_sign(origin: str, challenge: bytes) -> str:
    """What `navigator.credentials.get` is asked for, JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=_host(origin),
        challenge=challenge,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def credential_of(answer: str) -> bytes:
    """Which passkey a browser's answer is by. Raises InvalidArgument (BAD_PASSKEY)."""
    _check_size(answer)
    try:
        return parse_authentication_credential_json(answer).raw_id
    except (WebAuthnException, ValueError, TypeError, KeyError):
        raise bad_passkey() from None


def signed(origin: str, challenge: bytes, answer: str, *, public_key: bytes, uses: int) -> int:
    """How often its authenticator says that a passkey was used. Raises BAD_PASSKEY."""
    try:
        found = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=_host(origin),
            expected_origin=origin,
            credential_public_key=public_key,
            credential_current_sign_count=uses,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):
        raise bad_passkey() from None
    return found.new_sign_count


def bad_passkey() -> InvalidArgument:
    """What is said of every answer that is not right."""
    return InvalidArgument(
        "the passkey was not accepted: try again, or sign in another way",
        reason="BAD_PASSKEY",
        message_zh="通行密钥未通过验证：请重试，或换用其他登录方式",
    )


def _check_size(answer: str) -> None:
    if len(answer) > GREATEST:
        raise bad_passkey()


def _host(origin: str) -> str:
    return urlsplit(origin).hostname or ""
