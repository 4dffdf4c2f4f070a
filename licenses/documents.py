"""The sealed files of licenses, and whether they are still what was sealed.

1. A file is stored under its own SHA-256, once; what is read back is hashed again.
2. That a seal verified is remembered by the file's hash and the trust material's, for as long as
   both stay the same; a failure and the license's state are never remembered.
3. A license is intact when the metadata in its row, the digest kept when it was issued, and the
   metadata inside the sealed OFD are one. Its three forms were found to carry one digest before any
   of them was given out.
4. Pictures and scans lie beside the files, each under its own SHA-256, before anything is reserved
   that names them; `licenses.enclosures` says when one may go.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from licenses.carried import carried_digest
from licenses.checks import DocumentVerdict
from licenses.metadata import metadata_digest
from licenses.model import License, LicenseFormat
from licenses.neighbours import Neighbours
from runtime.errors import DataLoss, NotFound
from runtime.objects import ObjectStore, content_name, get_content

FOLDER = "licenses"
#: Pictures of fields and scans of paper licenses.
ENCLOSURES = "license-enclosures"
_ENCLOSED = ".bin"
MEDIA_TYPES = {
    LicenseFormat.OFD: "application/ofd",
    LicenseFormat.PDF: "application/pdf",
    LicenseFormat.JWT: "application/dc+sd-jwt",
}
REMEMBERED = 4096
TRUST_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What verifying a file gave: why it failed, if it did, and the metadata it carries."""

    problem: str
    metadata_sha256: str


class Documents:
    """Keeps, reads and verifies the files of licenses."""

    def __init__(self, objects: ObjectStore, neighbours: Neighbours) -> None:
        self._objects = objects
        self._neighbours = neighbours
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, bytes], _Known] = OrderedDict()
        self._trust = b""
        self._trust_until = 0.0

    def keep(self, data: bytes, form: LicenseFormat) -> None:
        """Put a sealed file under its own hash, unless it is there."""
        self._objects.put_if_absent(content_name(FOLDER, data, form.value), data)

    def read(self, license_: License, form: LicenseFormat) -> bytes:
        """A license's file.

        Raises DataLoss (OBJECT_CHANGED, OBJECT_MISSING) and, of one that was issued without this
        form, NotFound (FORM_NOT_MADE).
        """
        digest = license_.sha256(form)
        if not digest:
            raise NotFound(
                "this license was issued without this form: correct or renew it to have one",
                reason="FORM_NOT_MADE",
                message_zh="该证照签发时没有此格式的文件：换发后即有",
            )
        return self._get(FOLDER, digest, form.value)

    def enclose(self, data: bytes) -> None:
        """Put a picture or a scan under its own hash, unless it is there."""
        self._objects.put_if_absent(content_name(ENCLOSURES, data, _ENCLOSED), data)

    def take_away(self, digest: str) -> None:
        """Remove a picture or a scan that no license names (`licenses.enclosures`)."""
        self._objects.delete(f"{ENCLOSURES}/{digest[:2]}/{digest}{_ENCLOSED}")

    def enclosed(self, digest: str) -> bytes:
        """A picture or a scan by its SHA-256, hex. Raises DataLoss."""
        return self._get(ENCLOSURES, digest, _ENCLOSED)

    def _get(self, folder: str, digest: str, suffix: str) -> bytes:
        try:
            return get_content(self._objects, f"{folder}/{digest[:2]}/{digest}{suffix}")
        except NotFound as error:
            raise DataLoss(
                "the license's document is no longer in the object store: restore it from a backup",
                reason="OBJECT_MISSING",
                message_zh="对象存储中已没有该证照文件：请从备份恢复",
            ) from error

    def check_output(self, sealed: bytes, form: LicenseFormat, license_: License) -> None:
        """Verify a file just sealed, before anybody sees it. Raises DataLoss, OUTPUT_NOT_GOOD."""
        problem = self._neighbours.document_problem(sealed)
        if not problem and carried_digest(sealed, form) != license_.metadata_sha256:
            problem = "METADATA_CHANGED"
        if problem:
            raise DataLoss(
                f"the license just sealed does not verify ({problem}): nothing was given out; "
                "see the seal service's log",
                reason="OUTPUT_NOT_GOOD",
                message_zh=f"刚签章的证照未通过验证（{problem}），未予发出；请查看签章服务日志",
            )

    def assess(self, license_: License) -> DocumentVerdict:
        """Whether the stored OFD is whole, sealed as it should be, and says what the row says.

        Raises Unavailable where the seal service does not answer.
        """
        key = (license_.ofd_sha256, self._trust_fingerprint())
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = self._look(license_)
            if not known.problem:  # a file may be restored from a backup at any time
                with self._lock:
                    self._known[key] = known
                    while len(self._known) > REMEMBERED:
                        self._known.popitem(last=False)
        sealed = known.metadata_sha256 if not known.problem else license_.metadata_sha256
        return DocumentVerdict(
            passed=not known.problem,
            intact=metadata_digest(license_.metadata) == license_.metadata_sha256 == sealed,
            detail=known.problem or "the seal and all it covers verify",
            detail_zh=known.problem or "电子印章及其保护内容验证通过",
        )

    def _look(self, license_: License) -> _Known:
        try:
            data = self.read(license_, LicenseFormat.OFD)
        except DataLoss as error:
            return _Known(problem=error.reason, metadata_sha256="")
        problem = self._neighbours.document_problem(data)
        carried = "" if problem else carried_digest(data, LicenseFormat.OFD)
        return _Known(problem=problem, metadata_sha256=carried)

    def _trust_fingerprint(self) -> bytes:
        with self._lock:
            if time.monotonic() < self._trust_until:
                return self._trust
        found = self._neighbours.trust_fingerprint()
        with self._lock:
            self._trust, self._trust_until = found, time.monotonic() + TRUST_SECONDS
        return found
