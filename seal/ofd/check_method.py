"""The algorithms that Signature.xml names: of the files' digests, and of the signature.

CheckMethod of the References says by which digest the files are compared.
GB/T 33190 §18.2.2 takes any, and MD5 where nothing is said; GM/T 0031 takes SM3. Makers write the
name or the OID. A digest that is broken proves nothing: whoever knows two files of one digest has
one signed and shows the other.

SignatureMethod says once more what the value itself says, and may be left out (§18.2.1). Makers
write an OID of SM2, with SM3 or without, or its name.
"""

from __future__ import annotations

from typing import Final

from seal.model import Check, failed
from seal.suites import (
    SHA256_OID,
    SHA384_OID,
    SHA512_OID,
    SM2,
    SM2_CURVE_OID,
    SM2_SM3_OID,
    SM3_OID,
    suite,
)

_NAME: Final = "references"
_KNOWN: Final = {
    "SM3": SM3_OID,
    SM3_OID: SM3_OID,
    f"{SM3_OID}.1": SM3_OID,  # GM/T 0006: SM3 without a key
    "SHA256": SHA256_OID,
    SHA256_OID: SHA256_OID,
    "SHA384": SHA384_OID,
    SHA384_OID: SHA384_OID,
    "SHA512": SHA512_OID,
    SHA512_OID: SHA512_OID,
}
_BROKEN: Final = {
    "": "MD5",
    "MD5": "MD5",
    "1.2.840.113549.2.5": "MD5",
    "SHA1": "SHA-1",
    "1.3.14.3.2.26": "SHA-1",
}
_SHOWN: Final = 40


def check_method(written: str) -> str | Check:
    """The OID of the digest; or why the files can't be compared by what is written."""
    word = written.strip().upper().replace("-", "").replace("_", "")
    if word in _KNOWN:
        return _KNOWN[word]
    broken = _BROKEN.get(word)
    shown = "".join(c for c in written if c.isprintable())[:_SHOWN]
    if broken and not word:
        return failed(
            _NAME,
            "no CheckMethod is given, which means MD5 (GB/T 33190): MD5 is broken",
            "未给出摘要算法（CheckMethod），按 GB/T 33190 即为 MD5，而 MD5 已被攻破",
            reason="DIGEST_WEAK",
        )
    if broken:
        return failed(
            _NAME,
            f"the CheckMethod is {broken}, which is broken: it does not prove that the files are "
            "those that were signed",
            f"摘要算法为 {broken}，已被攻破，不能证明文件未被替换",
            reason="DIGEST_WEAK",
        )
    return failed(
        _NAME,
        f"the CheckMethod {shown!a} is not known",
        f"无法识别的摘要算法：{shown}",
        reason="CHECK_METHOD",
    )


_SM2_METHODS: Final = frozenset(
    {
        "SM2",
        "SM2WITHSM3",
        "SM3WITHSM2",
        SM2_SM3_OID,
        SM2_CURVE_OID,
        f"{SM2_CURVE_OID}.1",  # GM/T 0006: the signatures of SM2
    }
)


def is_method_of(method: str, suite_name: str) -> bool:
    """Whether a SignatureMethod as written is of that suite; one that says nothing is of any."""
    if not method or not suite_name:
        return True
    if suite_name == SM2:
        return method.strip().replace("-", "").replace("_", "").upper() in _SM2_METHODS
    return method == suite(suite_name).signature_oid


def names_algorithm(method: str, oid: str) -> bool:
    """Whether a SignatureMethod as written names, if any, the algorithm that the value names."""
    return method in ("", oid) or (oid == SM2_SM3_OID and is_method_of(method, SM2))


def told_of_method(method: str) -> tuple[str, str]:
    """What is worth a notice of a SignatureMethod; empty for nothing."""
    if method:
        return "", ""
    return (
        "; Signature.xml names no SignatureMethod, the value names it alone",
        "；Signature.xml 未写明签名算法，仅签名值中有",
    )
