"""What goes into an archive package: of a license, and of a case.

1. A package tells by itself what belongs to it: which forms a license has, of which acts it tells,
   which questions a case asked. The checks (`checking`) hold it to that.
2. A record that should be in the log and is not yet found stops the archiving: nothing is archived
   without its proofs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from licenses import store as licenses
from licenses.archiving import package
from licenses.archiving.proofs import log_proof, proof_of
from licenses.archiving.surroundings import Logged, Surroundings
from licenses.documents import Documents
from licenses.held import license_not_found
from licenses.materials.copying import Copying
from licenses.materials.model import Collection
from licenses.model import License, LicenseFormat, LicenseState
from licenses.types.service import Types
from runtime.database import Database
from runtime.errors import Unavailable
from runtime.records import instant

#: Records of the acts that lead to a state; to ACTIVE, after the issue.
_ACTS: Final[Mapping[LicenseState, tuple[str, ...]]] = {
    LicenseState.ACTIVE: ("license_resumed",),
    LicenseState.SUSPENDED: ("license_suspended",),
    LicenseState.REVOKED: ("license_revoked",),
    LicenseState.CANCELLED: ("license_cancelled",),
    LicenseState.SUPERSEDED: ("license_corrected", "license_renewed"),
    LicenseState.TRANSFERRED: ("license_transferred",),
}


class Contents:
    """Gathers what a package holds."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        copying: Copying,
        types: Types,
        surroundings: Surroundings,
    ) -> None:
        self._database = database
        self._documents = documents
        self._copying = copying
        self._types = types
        self._around = surroundings

    def of_license(self, one: License) -> dict[str, bytes]:
        """A license's files. Raises Unavailable (NOT_IN_LOG_YET) and DataLoss."""
        kind = self._types.version(one.type_id, one.type_version)
        forms = [form for form in LicenseFormat if one.sha256(form)]
        acts = self._acts(one)
        files = {
            "metadata.json": package.pretty(dict(one.metadata)),
            "license.json": package.pretty(_told_of(one, forms, len(acts))),
            "type/type.toml": kind.text.encode(),
            "type/template.toml": kind.template_text.encode(),
        }
        for form in forms:
            data = self._documents.read(one, form)
            files[f"forms/license{form.value}"] = data
            files[f"evidence/verdict{form.value}.json"] = package.pretty(self._around.verdict(data))
        files |= self._evidence()
        files |= {f"audit/{number}.json": proof_of(act) for number, act in enumerate(acts, 1)}
        files["audit/log-proof.json"] = log_proof(one.ofd_sha256, acts)
        return files

    def _acts(self, one: License) -> list[Logged]:
        """The records of its issue, and of its last act where there was one after that."""
        issued = one.activated_at or one.issue_time
        # By its file; records of before name it.
        naming = (one.ofd_sha256, one.name)
        acts = [self._logged(("license_issued",), naming, issued)]
        if one.state is not LicenseState.ACTIVE or one.state_time > issued:
            acts.append(self._logged(_ACTS[one.state], naming, one.state_time))
        return acts

    def of_case(self, one: Collection) -> dict[str, bytes]:
        """A case's files. Raises as `of_license`, NotFound (LICENSE_NOT_FOUND)."""
        result = one.result
        files = {
            "case.json": package.pretty(
                {
                    "name": one.name,
                    "service_item": one.service_item,
                    "consented": instant(one.create_time),
                    "consent": one.consent,
                    "collected": instant(one.collect_time or one.create_time),
                    "materials": one.plan,
                    "asked": result.asked,
                    "decision": result.decision.value,
                    "outcomes": result.outcomes,
                    "copies": result.copies,
                    "questions": len(result.log_indices),
                    "handling_version": result.handling_version,
                    "handling_sha256": result.handling_sha256,
                }
            ),
            "form.json": package.pretty(result.form),
        }
        if result.salt:
            # Opens what the records of the consent and of collecting committed to, which stands in
            # the two above.
            salts = {"salt": result.salt, "consent_salt": one.consent_salt}
            files["audit/opening.json"] = package.pretty(salts)
        if one.consent_salt:
            agreed = self._logged(("collection_consented",), (one.name,), one.create_time)
            files["audit/consent.json"] = proof_of(agreed)
        for copy in result.copies:
            with self._database.reading() as session:
                license_ = licenses.license_by_id(session, copy.license.rpartition("/")[2])
            if license_ is None:
                raise license_not_found()
            data = self._copying.read(copy, license_)
            files[f"forms/{copy.sha256}.ofd"] = data
            files[f"evidence/{copy.sha256}.json"] = package.pretty(self._around.verdict(data))
        files |= self._evidence()
        for number, index in enumerate(result.log_indices, 2):
            files[f"audit/{number}.json"] = proof_of(self._around.logged_at(index))
        found = self._logged(
            ("materials_collected",), (one.name,), one.collect_time or one.create_time
        )
        files["audit/1.json"] = proof_of(found)
        return files

    def _logged(self, kinds: Sequence[str], naming: Sequence[str], at: datetime) -> Logged:
        found = self._around.logged(kinds, naming, at)
        if found is None:
            raise Unavailable(
                "its records are not in the log yet: repeat it in a few seconds",
                reason="NOT_IN_LOG_YET",
                message_zh="其审计记录尚未入日志：请稍后重试",
                retry_after=5,
            )
        return found

    def _evidence(self) -> dict[str, bytes]:
        return {f"evidence/trust/{name}": data for name, data in self._around.trust().items()}


def _told_of(one: License, forms: Sequence[LicenseFormat], acts: int) -> dict[str, object]:
    return {
        "name": one.name,
        "identifier": one.identifier,
        "state": one.state.value,
        "state_time": instant(one.state_time),
        "state_reason": one.state_reason,
        "issue_time": instant(one.issue_time),
        "metadata_sha256": one.metadata_sha256,
        "type": one.type_id,
        "type_version": one.type_version,
        "predecessor": one.predecessor,
        "successor": one.successor,
        "origin": one.origin.value,
        "seal": one.seal,
        "forms": [form.value.removeprefix(".") for form in forms],
        "acts": acts,
    }
