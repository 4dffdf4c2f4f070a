"""The algorithms that Signature.xml names: of the files' digests, and of the signature.

CheckMethod of the References says by which digest the files are compared.
GB/T 33190 §18.2.2 takes any, and MD5 where nothing is said; GM/T 0031 takes SM3. Makers write the
name or the OID; what names the same digest in other words (`urn:oid:`, `GM-SM3`, a URI of XML
signatures) has no other meaning, and is told. A digest that is broken proves nothing: whoever knows
two files of one digest has one signed and shows the other.

SignatureMethod says once more what the value itself says, and may be left out (§18.2.1). Makers
write an OID of SM2, with SM3 or without, or its name.
"""

from __future__ import annotations

import re
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
_AROUND: Final = re.compile(r"(?:URN:)?OID[:.]\s*|HTTPS?://[^#\s]*#|GM(?=SM)")
_AS: Final = {"SM3256": "SM3", "SHA2256": "SHA256", "SHA2384": "SHA384", "SHA2512": "SHA512"}


def _word(written: str) -> str:
    return written.strip().upper().replace("-", "").replace("_", "")


def _bare(written: str) -> str:
    """The name or OID in a spelling of nobody's standard that can mean nothing else."""
    word = written.strip().upper()
    if not word.startswith("HTTP"):
        word = re.sub(r"[-_/\s]", "", word)
    start = _AROUND.match(word)
    bare = _word(word[start.end() :] if start else word)
    return _AS.get(bare, bare)


def is_usual(written: str) -> bool:
    """Whether a CheckMethod is a digest's name or OID and no more."""
    return written in _KNOWN or _word(written) in _KNOWN


def check_method(written: str) -> str | Check:
    """The OID of the digest; or why the files can't be compared by what is written."""
    if written in _KNOWN:  # nearly all
        return _KNOWN[written]
    word = _word(written)
    if word not in _KNOWN and word:
        word = _bare(written)
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
        return _word(method) in _SM2_METHODS or _bare(method) in _SM2_METHODS
    return suite(suite_name).signature_oid in (method, _bare(method))


def names_algorithm(method: str, oid: str) -> bool:
    """Whether a SignatureMethod as written names, if any, the algorithm that the value names."""
    if method in ("", oid):  # nearly all
        return True
    return is_method_of(method, SM2) if oid == SM2_SM3_OID else _bare(method) == oid


def told_of_method(method: str) -> tuple[str, str]:
    """What is worth a notice of a SignatureMethod; empty for nothing."""
    if method and _AROUND.match(method.upper().replace("-", "")):
        return (
            "; its algorithm is spelled in a way of nobody's standard",
            "；签名算法的写法不合标准，但含义唯一",
        )
    if method:
        return "", ""
    return (
        "; Signature.xml names no SignatureMethod, the value names it alone",
        "；Signature.xml 未写明签名算法，仅签名值中有",
    )
