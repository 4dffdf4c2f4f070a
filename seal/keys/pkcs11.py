"""Keys in a PKCS#11 device: found by address, used there, never taken out.

Invariants:

1. A private key stays in its device; what we hold is a handle in a session that we logged in.
2. The PIN is read from its file for one login and kept nowhere. One that the device refused is
   never sent again while the file holds it, and a device's last try is never used: a device locks
   for good after a few.
3. A session serves one thread at a time; a device has a few, and they are opened as needed. One
   that is lost (the device was pulled, or restarted) is opened anew, once for each signature.
4. A key is tried at opening: it signs a fixed text, and the suite itself must find that signature
   good. So no device passes that has another algorithm, or another public key, than it says.
   SoftHSM for one makes keys on the SM2 curve and then signs ECDSA with them.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from runtime.errors import FailedPrecondition, InvalidArgument
from seal import der, suites
from seal.keys.pkcs11_device import Device, find
from seal.keys.pkcs11_uri import Address

_PROBE: Final = b"Tongban tries whether this key signs as its suite says."
_P256_PARAMETERS: Final = der.oid(suites.P256_CURVE_OID)
_EC_KEY: Final = der.oid("1.2.840.10045.2.1")
_WRAP_TAG: Final = b"tongban-wrap-1"


class DeviceKey:
    """A `seal.keys.signers.Signer` whose key is in a device. Safe for use by several threads."""

    __slots__ = ("_address", "_device", "_public_key", "_sign", "_suite")

    def __init__(self, device: Device, address: Address) -> None:
        self._device = device
        self._address = address
        self._public_key = device.use(self._read_public)
        self._suite = _suite_of(self._public_key)
        self._sign = _signing(device, self._suite, self._public_key, address)
        if not self._suite.verify(self._public_key, _PROBE, self.sign(_PROBE)):
            raise _not_what_it_says(address, self._suite.name)

    @property
    def suite_name(self) -> str:
        """The name of its suite in `seal.suites`."""
        return self._suite.name

    @property
    def public_key(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """The signature over the message. Raises as `open_key`, and `HSM_SESSION_LOST`."""
        return self._device.use(
            lambda session: self._sign(session.key(ObjectClass.PRIVATE_KEY, self._address), message)
        )

    def _read_public(self, session: Any) -> bytes:
        return _public_key_info(session.key(ObjectClass.PUBLIC_KEY, self._address))

    def __repr__(self) -> str:
        return f"<Signer {self._suite.name} {sha256(self._public_key).hexdigest()[:8]} in a device>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a signer is not copied")


def open_key(address: Address) -> DeviceKey:
    """The key at an address.

    Raises `InvalidArgument` (`MALFORMED_KEY_ADDRESS`, `HSM_PIN_MISSING`), `FailedPrecondition`
    (`HSM_MODULE_MISSING`, `HSM_TOKEN_MISSING`, `HSM_TOKEN_AMBIGUOUS`, `HSM_PIN_MISSING`,
    `HSM_WRONG_PIN`, `HSM_PIN_LOCKED`, `HSM_LAST_TRY`, `HSM_KEY_MISSING`, `HSM_KEY_AMBIGUOUS`,
    `HSM_KEY_UNUSABLE`, `HSM_WITHOUT_SM2`), `Unavailable` (`HSM_SESSION_LOST`, `HSM_FAILED`).
    """
    if not (address.object or address.id):
        raise InvalidArgument(
            "The PKCS#11 key address names no key: add object=… or id=….",
            reason="MALFORMED_KEY_ADDRESS",
            message_zh="PKCS#11 密钥地址未指明密钥：请加 object=… 或 id=…。",
        )
    return DeviceKey(find(address), address)


def generate_p256(device: Address, label: str) -> Address:
    """Make a P-256 key in the device: sensitive, never extractable. Its new, unique address."""
    made = Address(
        token=device.token, serial=device.serial, object=label, id=secrets.token_bytes(8)
    )

    def generate(session: Any) -> None:
        parameters = session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: _P256_PARAMETERS}, local=True
        )
        parameters.generate_keypair(
            store=True,
            label=label,
            id=made.id,
            capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )

    find(device).change(generate)
    return made


# --- keeping a secret by a key of the device -------------------------------------------------

_wrapping = threading.Lock()


def wrap(address: Address, secret: bytes | bytearray) -> bytes:
    """The secret encrypted (AES-256-GCM) by the device's key at `address`, which is made if absent.

    Only the device can open it: the key is neither readable nor extractable.
    """
    device = find(address)
    nonce = secrets.token_bytes(12)
    with _wrapping:
        if not device.use(lambda session: session.has(ObjectClass.SECRET_KEY, address)):
            device.change(lambda session: _generate_aes(session, address))
    sealed: bytes = device.use(
        lambda session: session.key(ObjectClass.SECRET_KEY, address).encrypt(
            bytes(secret), mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce)
        )
    )
    return nonce + sealed


def unwrap(address: Address, wrapped: bytes) -> bytearray:
    """What `wrap` was given. Raises as `open_key`, and FailedPrecondition (`HSM_WRAP_DAMAGED`)."""
    nonce, sealed = wrapped[:12], wrapped[12:]

    def opened(session: Any) -> bytearray:
        key = session.key(ObjectClass.SECRET_KEY, address)
        try:
            return bytearray(
                key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce))
            )
        except (pkcs11.EncryptedDataInvalid, pkcs11.EncryptedDataLenRange, pkcs11.GeneralError):
            raise FailedPrecondition(
                f"The wrapped passphrase does not open with the key {address}: restore the file, "
                "or name the device that it was wrapped by.",
                reason="HSM_WRAP_DAMAGED",
                message_zh=f"设备密钥 {address} 打不开已封装的口令：请恢复该文件，"
                "或改用当时封装它的设备。",
            ) from None

    return find(address).use(opened)


def _gcm(nonce: bytes) -> Any:
    return pkcs11.GCMParams(nonce, _WRAP_TAG)


def _generate_aes(session: Any, address: Address) -> None:
    session.generate_key(
        KeyType.AES,
        256,
        store=True,
        label=address.object,
        id=address.id or secrets.token_bytes(8),
        capabilities=pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT,
        template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    )


# --- public keys and signatures as PKCS#11 has them ------------------------------------------


def _public_key_info(key: Any) -> bytes:
    """DER SubjectPublicKeyInfo of a public key object. Raises `HSM_KEY_UNUSABLE`."""
    if key.key_type == KeyType.RSA:
        algorithm = suites.suite(suites.RSA).key_algorithm
        numbers = (key[Attribute.MODULUS], key[Attribute.PUBLIC_EXPONENT])
        bits = der.sequence(*(der.integer(int.from_bytes(one, "big")) for one in numbers))
    elif key.key_type == KeyType.EC:
        algorithm = der.sequence(_EC_KEY, key[Attribute.EC_PARAMS])
        bits = _point(key)
    elif key.key_type == KeyType.EC_EDWARDS:
        algorithm = suites.suite(suites.ED25519).key_algorithm
        bits = _point(key)
    else:
        raise _unusable(str(key.key_type))
    return der.sequence(algorithm, der.bits(bits))


def _point(key: Any) -> bytes:
    """EC_POINT is a DER OCTET STRING (PKCS#11 §6.3.3); some devices give the bare point."""
    value: bytes = key[Attribute.EC_POINT]
    try:
        return der.read(value).octets()
    except InvalidArgument:
        return value


def _suite_of(public_key: bytes) -> suites.Suite:
    try:
        return suites.suite_of_key(der.children(public_key)[0].raw)
    except InvalidArgument:
        raise _unusable("curve") from None


_Signing = Callable[[Any, bytes], bytes]


def _signing(device: Device, suite: suites.Suite, public_key: bytes, address: Address) -> _Signing:
    """How keys of that suite sign in a device. Raises `HSM_KEY_UNUSABLE`, `HSM_WITHOUT_SM2`."""
    if suite.name == suites.SM2:
        return _sm2_signing(device, public_key, address)
    how = suite.device_signing
    if how is None:
        raise _unusable(suite.name)
    mechanism, hashed = Mechanism[how.mechanism], suite.digest_name
    if how.over_digest:
        return lambda key, message: _signature(
            key.sign(suites.digest(hashed, message), mechanism=mechanism)
        )
    return lambda key, message: key.sign(message, mechanism=mechanism)


def _sm2_signing(device: Device, public_key: bytes, address: Address) -> _Signing:
    number = address.sm2_mechanism
    if not number or number not in device.mechanisms():
        raise FailedPrecondition(
            f"The key {address} is on the SM2 curve, but its device has no SM2 signature that was "
            "named here: PKCS#11 gives it no number of its own. If the maker of the device "
            "documents one that signs SM3(Z || M), add x-sm2-mechanism=0x… to the address; "
            "otherwise keep SM2 keys in files that the device wraps (setting seal.hsm).",
            reason="HSM_WITHOUT_SM2",
            message_zh=f"密钥 {address} 位于 SM2 曲线，但未指明设备的 SM2 签名机制"
            "（PKCS#11 无标准编号）。若厂商提供对 SM3(Z‖M) 签名的机制，"
            "请在地址加 x-sm2-mechanism=0x…；否则请用由设备封装口令的密钥文件（配置 seal.hsm）。",
        )
    # The library takes members of its enumeration only, and has no way to name a maker's own.
    mechanism = int.__new__(Mechanism, number)
    return lambda key, message: _signature(
        key.sign(suites.sm2_digest(public_key, message), mechanism=mechanism)
    )


def _signature(halves: bytes) -> bytes:
    """DER SEQ{r, s} of r || s."""
    half = len(halves) // 2
    numbers = (int.from_bytes(one, "big") for one in (halves[:half], halves[half:]))
    return der.sequence(*(der.integer(one) for one in numbers))


def _unusable(kind: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"The device holds a key of a kind that signs nothing here ({kind}); known: P-256, RSA, "
        "Ed25519, and SM2 where the device has it.",
        reason="HSM_KEY_UNUSABLE",
        message_zh=f"设备中的密钥类型（{kind}）不可用；支持 P-256、RSA、Ed25519 及设备自带的 SM2。",
    )


def _not_what_it_says(address: Address, suite: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"The device signs with the key {address}, but not as {suite} asks: the mechanism is "
        "another one, or its public key belongs to another private key. It is not used.",
        reason="HSM_KEY_UNUSABLE",
        message_zh=f"设备用密钥 {address} 所作签名不符合 {suite}：机制不同或公私钥不配对。",
    )
