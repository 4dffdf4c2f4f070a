"""The folder of public trust material that verifies offline.

1. `list.json` says who is trusted, for what, until when and on whose word (`seal.pki.trust_list`);
   the certificates that it names stand in `anchors/`, `timestamp-anchors/` and
   `recognised-anchors/`.
   Without it, those in `anchors/` are trusted for everything and those in `timestamp-anchors/` for
   the time, as long as the certificates say.
2. `intermediates/` helps to build paths; `revocation-lists/` and `ocsp-responses/` tell what is
   revoked. What `tongban seal fetch` brings has names of its own and is renewed in place.
3. Writing anew takes away what was written before: an anchor that is trusted no more does not stay.
   Files that somebody added by hand stay, and a list has to name them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runtime.errors import InvalidArgument
from seal.pki.crls import MAX_CRL
from seal.pki.revocation import RevocationPolicy
from seal.pki.revocation_cache import RevocationCache
from seal.pki.trust_list import read_trust_list, tell_trust_list
from seal.trust import (
    EVERY_PURPOSE,
    FOR_TIME,
    Purpose,
    TrustAnchor,
    TrustStore,
    parse_certificate,
)
from tongban.files import problem, read_file, write_file

if TYPE_CHECKING:  # whoever verifies offline has no gRPC
    from google.protobuf.timestamp_pb2 import Timestamp

    from seal.v1 import seal_pb2, trust_pb2

LIST: Final = "list.json"
OWN_SOURCE: Final = "the node's own roots"
_ANCHORS: Final = ("anchors", "timestamp-anchors", "recognised-anchors")
_LISTS, _RESPONSES = "revocation-lists", "ocsp-responses"
_OURS: Final = re.compile(r"\d{2,}\.(?:cer|crl)")
_NAMED: Final = re.compile(rf"(?:{'|'.join(_ANCHORS)})/[\w-][\w.-]*")
_GREATEST_CERTIFICATE: Final = 1024 * 1024
_PURPOSES: Final = {1: Purpose.SEAL_MAKER, 2: Purpose.SIGNER, 3: Purpose.TIMESTAMP}


@dataclass(frozen=True, slots=True)
class TrustFolder:
    """A folder of public trust material."""

    path: Path

    def write(self, material: seal_pb2.GetTrustMaterialResponse) -> list[Path]:
        """Write what a node gave, in the place of what was written before; the files' paths."""
        # One withdrawn as of before its beginning was never trusted: no list names it.
        recognised = [_recognised(one) for one in material.recognised_anchors]
        anchors = {
            "anchors": [_own(one, material) for one in material.anchors],
            "timestamp-anchors": [_anchor(one, FOR_TIME) for one in material.timestamp_anchors],
            "recognised-anchors": [one for one in recognised if one.is_ever_in_force],
        }
        files: dict[str, bytes] = {}
        listed: list[tuple[str, TrustAnchor]] = []
        for folder, held in anchors.items():
            for number, one in enumerate(held, start=1):
                name = f"{folder}/{number:02d}.cer"
                files[name] = one.certificate
                listed.append((name, one))
        files |= _numbered("intermediates", "cer", material.intermediates)
        files |= _numbered(_LISTS, "crl", material.revocation_lists)
        told = json.dumps(tell_trust_list(listed), ensure_ascii=False, indent=1)
        # The list goes first and comes last: in between the folder cannot be read too widely.
        self._clear(files)
        for name, data in (*files.items(), (LIST, told.encode() + b"\n")):
            write_file(self.path / name, data)
        return [self.path / name for name in (*files, LIST)]

    def _clear(self, kept: Iterable[str]) -> None:
        """Take away what an earlier writing left and this one does not replace."""
        stale = [
            one
            for folder in (*_ANCHORS, "intermediates", _LISTS)
            for one in self._files(folder)
            if _OURS.fullmatch(one.name) and f"{folder}/{one.name}" not in set(kept)
        ]
        for one in (self.path / LIST, *stale):
            try:
                one.unlink(missing_ok=True)
            except OSError as error:
                raise problem(error, one) from error

    def read(self) -> TrustStore:
        """The trust store that the folder holds.

        Raises InvalidArgument: NO_ANCHORS, TRUST_LIST_MALFORMED, TRUST_LIST_INCOMPLETE.
        """
        anchors, policy = self._listed() if (self.path / LIST).exists() else self._unlisted()
        if not any(not one.is_for_time_alone for one in anchors):
            raise InvalidArgument(
                f"{self.path}/anchors has no certificates: fill it with `tongban seal trust`",
                reason="NO_ANCHORS",
                message_zh=f"{self.path}/anchors 中没有证书：请用 `tongban seal trust` 生成",
            )
        return TrustStore(
            anchors=anchors,
            intermediates=tuple(self._read("intermediates")),
            crls=tuple(self._read(_LISTS)),
            ocsp=tuple(self._read(_RESPONSES)),
            policy=policy,
        )

    @property
    def cache(self) -> RevocationCache:
        """Where revocation data that is fetched for this folder is kept: in it."""
        return RevocationCache(self.path / _LISTS, self.path / _RESPONSES)

    @staticmethod
    def store_of(material: seal_pb2.GetTrustMaterialResponse) -> TrustStore:
        """The trust store of what a node gave."""
        return TrustStore(
            anchors=(
                *(_own(one, material) for one in material.anchors),
                *(_anchor(one, FOR_TIME) for one in material.timestamp_anchors),
                *(_recognised(one) for one in material.recognised_anchors),
            ),
            intermediates=tuple(material.intermediates),
            crls=tuple(material.revocation_lists),
        )

    def _unlisted(self) -> tuple[tuple[TrustAnchor, ...], RevocationPolicy]:
        anchors = (
            *(_anchor(one, EVERY_PURPOSE, "") for one in self._read("anchors")),
            *(_anchor(one, FOR_TIME, "") for one in self._read("timestamp-anchors")),
        )
        return anchors, RevocationPolicy()

    def _listed(self) -> tuple[tuple[TrustAnchor, ...], RevocationPolicy]:
        named: set[str] = set()

        def read(name: str) -> bytes:
            if not _NAMED.fullmatch(name):
                raise ValueError("not a file of a trust folder")
            named.add(name)
            return read_file(self.path / name, greatest=_GREATEST_CERTIFICATE)

        found = read_trust_list(read_file(self.path / LIST), read)
        for folder in _ANCHORS:
            for one in self._files(folder):
                if f"{folder}/{one.name}" not in named:
                    raise InvalidArgument(
                        f"{self.path / LIST} does not name {folder}/{one.name}: say there what it "
                        "is trusted for, or take the file away",
                        reason="TRUST_LIST_INCOMPLETE",
                        message_zh=f"{self.path / LIST} 未列出 {folder}/{one.name}："
                        "请在其中注明信任用途，或移除该文件",
                    )
        return found

    def _files(self, folder: str) -> list[Path]:
        return sorted(one for one in (self.path / folder).glob("*") if not one.name.startswith("."))

    def _read(self, folder: str) -> Iterator[bytes]:
        greatest = MAX_CRL if folder == _LISTS else _GREATEST_CERTIFICATE
        return (read_file(one, greatest=greatest) for one in self._files(folder))


def _numbered(folder: str, suffix: str, pieces: Iterable[bytes]) -> dict[str, bytes]:
    return {f"{folder}/{number:02d}.{suffix}": one for number, one in enumerate(pieces, start=1)}


def _anchor(
    certificate: bytes, purposes: frozenset[Purpose], source: str = OWN_SOURCE
) -> TrustAnchor:
    """A root, for as long as its certificate says."""
    found = parse_certificate(certificate)
    return TrustAnchor(
        name=found.subject,
        certificate=certificate,
        valid_from=found.not_before,
        valid_to=found.not_after,
        purposes=purposes,
        source=source,
    )


def _own(certificate: bytes, material: seal_pb2.GetTrustMaterialResponse) -> TrustAnchor:
    """A node's own root, and who makes seals beneath it."""
    return replace(_anchor(certificate, EVERY_PURPOSE), makers=tuple(material.makers))


def _recognised(said: trust_pb2.RecognisedAnchor) -> TrustAnchor:
    """Another authority's root, on the terms it is recognised on."""
    found = parse_certificate(said.certificate)
    return TrustAnchor(
        name=found.subject,
        certificate=said.certificate,
        valid_from=_time(said.start_time),
        valid_to=_time(said.end_time) if said.HasField("end_time") else None,
        purposes=frozenset(_PURPOSES[one] for one in said.purposes) or EVERY_PURPOSE,
        suites=frozenset(said.suites),
        makers=tuple(said.makers),
        source=said.source,
        policy=RevocationPolicy(
            grace=said.revocation_rule.grace.ToTimedelta(), required=said.revocation_rule.required
        ),
    )


def _time(said: Timestamp) -> datetime:
    return said.ToDatetime(tzinfo=UTC)
