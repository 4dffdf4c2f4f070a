"""What a verdict rests on: certificates, revocation data, and the roots that were trusted.

1. All of it is public. A certificate inside may build a path, never end one; a revocation list
   inside counts as any other, once its issuer's signature holds.
2. The trust list inside says whom the maker of the bundle trusted. It is trusted by nobody else,
   unless somebody asks for that by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runtime.errors import InvalidArgument
from seal.evidence.layout import TRUST_LIST, canonical, malformed
from seal.ofd.package import OfdPackage
from seal.pki.ocsp import parse_ocsp
from seal.pki.trust_list import read_trust_list, tell_trust_list
from seal.trust import (
    ChainResult,
    Purpose,
    RevocationPolicy,
    TrustAnchor,
    TrustStore,
    parse_certificate,
    parse_crl,
)

INSIDE: Final = "the list inside the bundle"
_MOST: Final = 900  # so that no file's number has four digits, nor the bundle too many files


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Public material of one verdict, DER."""

    anchors: tuple[TrustAnchor, ...]
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsp: tuple[bytes, ...]
    policy: RevocationPolicy

    def store(self) -> TrustStore:
        """Its maker's view: what is trusted by the list inside."""
        return TrustStore(
            anchors=self.anchors,
            intermediates=self.certificates,
            crls=self.crls,
            ocsp=self.ocsp,
            policy=self.policy,
        )

    def beside(self, own: TrustStore) -> TrustStore:
        """A verifier's view: trusted is who the verifier trusts, known is also what is inside."""
        return replace(
            own,
            intermediates=_once(own.intermediates, self.certificates),
            crls=_once(own.crls, self.crls),
            ocsp=_once(own.ocsp, self.ocsp),
        )

    def entries(self) -> dict[str, bytes]:
        """The files of the bundle. Raises InvalidArgument where it is too much for one."""
        if len(self.anchors) + len(self.certificates) + len(self.crls) + len(self.ocsp) > _MOST:
            raise malformed(
                f"a bundle holds at most {_MOST} certificates and revocation lists",
                f"证据包最多容纳 {_MOST} 个证书和吊销列表",
            )
        files = _numbered("certificates/{:03d}.cer", self.certificates)
        files |= _numbered("revocation/{:03d}.crl", self.crls)
        files |= _numbered("revocation/{:03d}.ocsp", self.ocsp)
        roots = _numbered("trust/anchors/{:03d}.cer", [one.certificate for one in self.anchors])
        told = tell_trust_list(zip(roots, self.anchors, strict=True), self.policy)
        return files | roots | {TRUST_LIST: canonical(told)}


def _once(first: Iterable[bytes], then: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys((*first, *then)))


def _numbered(pattern: str, pieces: Sequence[bytes]) -> dict[str, bytes]:
    return {pattern.format(number): one for number, one in enumerate(pieces, start=1)}


def material_of(store: TrustStore, chains: Iterable[ChainResult]) -> Material:
    """What a store had to say to these chains, and to a time-stamp that is still to come.

    The certificates are those of every path that was found, and whatever may stand between a
    time-stamp and its root; the lists are those of their issuers.
    """
    paths = [one for chain in chains for one in chain.path]
    roots = {one.certificate for one in store.anchors}
    certificates = _once((one.raw for one in paths if one.raw not in roots), store.intermediates)
    times = [
        parse_certificate(one.certificate).subject_key
        for one in store.anchors
        if Purpose.TIMESTAMP in one.purposes
    ]
    issuers = {one.issuer_key for one in paths} | set(times)
    serials = {one.serial for one in paths}
    return Material(
        # A list has no place for what nobody ever trusted.
        anchors=tuple(one for one in store.anchors if one.is_ever_in_force),
        certificates=certificates,
        crls=tuple(one for one in store.crls if parse_crl(one).issuer_key in issuers),
        ocsp=tuple(one for one in store.ocsp if _is_about(one, serials)),
        policy=store.policy,
    )


def _is_about(response: bytes, serials: set[int]) -> bool:
    return any(single.serial in serials for single in parse_ocsp(response).singles)


def read_material(package: OfdPackage) -> Material:
    """The material of a bundle. Raises InvalidArgument (`EVIDENCE_MALFORMED`, or a piece's own)."""
    listed = _read_list(package)

    def every(folder: str, kind: str) -> tuple[bytes, ...]:
        return tuple(
            package.read(name)
            for name in package
            if name.startswith(folder) and name.endswith(kind)
        )

    material = Material(
        anchors=listed[0],
        certificates=every("certificates/", ".cer"),
        crls=every("revocation/", ".crl"),
        ocsp=every("revocation/", ".ocsp"),
        policy=listed[1],
    )
    material.store()  # every piece reads
    return material


def _read_list(package: OfdPackage) -> tuple[tuple[TrustAnchor, ...], RevocationPolicy]:
    named: list[str] = []

    def read(name: str) -> bytes:
        named.append(name)
        return package.read(name)

    try:
        found = read_trust_list(package.read(TRUST_LIST), read)
    except InvalidArgument as error:
        why, why_zh = f"inside, {error.message}", f"证据包内：{error.message_zh}"
        raise malformed(why, why_zh) from error
    except KeyError:
        raise malformed("there is no trust list inside", "证据包内没有信任列表") from None
    held = {name for name in package if name.startswith("trust/anchors/")}
    if set(named) != held or len(named) != len(held):
        raise malformed(
            "the trust list inside does not name every root there, each once",
            "证据包内的信任列表未将每个根证书恰好列出一次",
        )
    return found
