"""What a verdict rests on: certificates, revocation data, and the roots that were trusted.

1. All of it is public. A certificate inside may build a path, never end one; a revocation list
   inside counts as any other, once its issuer's signature holds.
2. The trust list inside says whom the maker of the bundle trusted. It is trusted by nobody else,
   unless somebody asks for that by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from seal.evidence.layout import (
    MISREAD,
    TRUST_LIST,
    canonical,
    instant,
    malformed,
    read_instant,
)
from seal.ocsp import parse_ocsp
from seal.ofd.package import OfdPackage
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
_LONGEST_GRACE: Final = timedelta(days=3660)
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
        listed = [_told(name, one) for name, one in zip(roots, self.anchors, strict=True)]
        told = {"anchors": listed, "policy": _policy_told(self.policy)}
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
        parse_certificate(one.certificate).subject_name
        for one in store.anchors
        if Purpose.TIMESTAMP in one.purposes
    ]
    issuers = {one.issuer_name for one in paths} | set(times)
    serials = {one.serial for one in paths}
    return Material(
        anchors=store.anchors,
        certificates=certificates,
        crls=tuple(one for one in store.crls if parse_crl(one).issuer_name in issuers),
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


def _told(name: str, one: TrustAnchor) -> dict[str, Any]:
    return {
        "file": name,
        "name": one.name,
        "source": one.source,
        "purposes": sorted(one.purposes),
        "suites": sorted(one.suites),
        "valid_from": instant(one.valid_from),
        "valid_to": instant(one.valid_to) if one.valid_to else None,
        "policy": _policy_told(one.policy) if one.policy else None,
    }


def _policy_told(policy: RevocationPolicy) -> dict[str, Any]:
    return {"grace_seconds": int(policy.grace.total_seconds()), "required": policy.required}


def _policy(told: Mapping[str, Any]) -> RevocationPolicy:
    grace = timedelta(seconds=int(told["grace_seconds"]))
    if not timedelta(0) <= grace <= _LONGEST_GRACE:
        raise ValueError("no such grace is meant")
    return RevocationPolicy(grace=grace, required=bool(told["required"]))


def _read_list(package: OfdPackage) -> tuple[tuple[TrustAnchor, ...], RevocationPolicy]:
    try:
        body = json.loads(package.read(TRUST_LIST))
        anchors = tuple(_anchor(package, one) for one in body["anchors"])
        held = {name for name in package if name.startswith("trust/anchors/")}
        if len(anchors) == len(held) == len({one["file"] for one in body["anchors"]}):
            return anchors, _policy(body["policy"])
    except MISREAD:
        pass
    raise malformed("the trust list inside cannot be read", "无法读取证据包内的信任列表")


def _anchor(package: OfdPackage, told: Mapping[str, Any]) -> TrustAnchor:
    return TrustAnchor(
        name=str(told["name"]),
        certificate=package.read(told["file"]),
        valid_from=read_instant(told["valid_from"]),
        valid_to=None if told["valid_to"] is None else read_instant(told["valid_to"]),
        purposes=frozenset(map(Purpose, told["purposes"])),
        suites=frozenset(map(str, told["suites"])),
        source=str(told["source"]),
        policy=None if told["policy"] is None else _policy(told["policy"]),
    )
