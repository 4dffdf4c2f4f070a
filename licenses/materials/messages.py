"""Handlings, plans and collections: model to protobuf and back, for `rpc`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from exchange.v1 import query_pb2
from licenses.materials.answers import GREATEST_ANSWERS, Answered
from licenses.materials.model import (
    DEFAULT_ENTRY,
    Collection,
    CollectionState,
    Comparison,
    Condition,
    Decision,
    Disposition,
    FieldSource,
    FormField,
    Handling,
    Look,
    MaterialSource,
    Offered,
    Planned,
    Proof,
    Replacement,
)
from licenses.materials.planning import without_grants
from licenses.materials.reporting import Line
from licenses.types.model import FieldKind, LicenseField
from licenses.v1 import materials_pb2 as pb
from licenses.wire import to_time, wrong

SOURCES: Final = {
    one: pb.MaterialSource.Value(f"MATERIAL_SOURCE_{one.name}") for one in MaterialSource
}
DISPOSITIONS: Final = {
    one: pb.ProofDisposition.Value(f"PROOF_DISPOSITION_{one.name}") for one in Disposition
}
REPLACEMENTS: Final = {
    one: pb.ProofReplacement.Value(f"PROOF_REPLACEMENT_{one.name}") for one in Replacement
}
COMPARISONS: Final = {one: pb.Comparison.Value(f"COMPARISON_{one.name}") for one in Comparison}
STATES: Final = {
    one: pb.CollectionState.Value(f"COLLECTION_STATE_{one.name}") for one in CollectionState
}
FINDINGS: Final = {
    (True, False): pb.RULE_FINDING_HOLDS,
    (False, False): pb.RULE_FINDING_FAILS,
    (False, True): pb.RULE_FINDING_NOT_KNOWN,
}
DECISIONS: Final = {
    Decision.NONE: pb.COLLECTION_DECISION_UNSPECIFIED,
    Decision.APPROVED: pb.COLLECTION_DECISION_APPROVED,
    Decision.REFERRED: pb.COLLECTION_DECISION_REFERRED,
}
_MATCHES: Final = {
    query_pb2.MATCH_RESULT_MATCH: "match",
    query_pb2.MATCH_RESULT_NO_MATCH: "no_match",
    query_pb2.MATCH_RESULT_NOT_HELD: "not_held",
}
_REASON: Final = re.compile("[A-Z][A-Z0-9_]{0,59}", re.ASCII)
_Word = TypeVar("_Word")


# --- from the wire -----------------------------------------------------------------------------


def handling_of(message: pb.Handling) -> Handling:
    """A handling that is to be put. Raises InvalidArgument, BAD_ARGUMENT."""
    return Handling(
        service_item=message.service_item,
        fields=tuple(
            FormField(
                code=one.code,
                display_name=one.display_name,
                required=one.required,
                length=one.length or DEFAULT_ENTRY,
                sources=tuple(
                    FieldSource(
                        license_type=source.license_type,
                        key=source.key,
                        resource=source.resource,
                        item=source.item,
                    )
                    for source in one.sources
                ),
            )
            for one in message.fields
        ),
        filled_materials=tuple(message.filled_materials),
        proofs=tuple(
            Proof(
                display_name=one.display_name,
                disposition=_word(DISPOSITIONS, one.disposition, f"proofs[{at}].disposition"),
                legal_basis=one.legal_basis,
                note=one.note,
            )
            for at, one in enumerate(message.proofs)
        ),
        rule=tuple(
            Condition(
                field=one.field,
                comparison=_word(COMPARISONS, one.comparison, f"rule[{at}].comparison"),
                values=tuple(one.values),
                reason=one.reason,
                reason_zh=one.reason_zh,
            )
            for at, one in enumerate(message.rule)
        ),
        etag=message.etag,
    )


def answered_of(message: pb.CollectedAnswer, number: int) -> Answered:
    """A question and its answer. Raises InvalidArgument, BAD_ARGUMENT."""
    if message.HasField("query") and message.HasField("queried"):
        query, answer = message.query, message.queried
        values = dict(answer.items)
        # Several keys, and the past, are no question about an applicant now.
        if query.keys or query.HasField("read_time"):
            raise wrong(f"answers[{number}].query", "asks for several keys, or for the past")
        return Answered(
            kind="query",
            grant=query.grant,
            key=query.key,
            items=tuple(query.items),
            claims={},
            values=values,
            results={},
            told={"found": answer.found, "items": values},
            **_receipt(answer.receipt),
        )
    if message.HasField("verify") and message.HasField("verified"):
        asked, said = message.verify, message.verified
        if said.result not in _MATCHES or not set(said.claims.values()) <= set(_MATCHES):
            raise wrong(f"answers[{number}].verified", "not an answer of Verify")
        results = {item: _MATCHES[result] for item, result in said.claims.items()}
        return Answered(
            kind="verify",
            grant=asked.grant,
            key=asked.key,
            items=tuple(asked.claims),
            claims=dict(asked.claims),
            values={},
            results=results,
            told={"claims": results, "result": _MATCHES[said.result]},
            **_receipt(said.receipt),
        )
    raise wrong(f"answers[{number}]", "a question with its answer: query and queried, or verify")


def answers_of(given: Sequence[pb.CollectedAnswer]) -> list[Answered]:
    """Questions and their answers. Raises InvalidArgument, BAD_ARGUMENT."""
    return [answered_of(one, number) for number, one in enumerate(given)]


def refused_of(given: Sequence[pb.RefusedQuestion]) -> dict[str, str]:
    """Reasons by grant. Raises InvalidArgument, BAD_ARGUMENT."""
    if len(given) > GREATEST_ANSWERS:
        raise wrong("refused", f"has more than {GREATEST_ANSWERS}")
    for at, one in enumerate(given):
        if not _REASON.fullmatch(one.reason):
            raise wrong(f"refused[{at}].reason", "is no UPPER_SNAKE word of at most 60 characters")
    return {one.grant: one.reason for one in given}


def told_of(request: pb.CollectMaterialsRequest) -> set[str]:
    """The grants of a request's answers, and of the questions that were refused."""
    return {one.query.grant for one in request.answers} | {one.grant for one in request.refused}


def kept_answers(kept: Mapping[str, bytes]) -> list[pb.CollectedAnswer]:
    """Answers as `queried_of` left them."""
    return [pb.CollectedAnswer.FromString(one) for one in kept.values()]


def queried_of(answers: Sequence[pb.CollectedAnswer]) -> dict[str, bytes]:
    """Questions with their answers, by grant, to be kept."""
    return {one.query.grant: one.SerializeToString() for one in answers if one.HasField("query")}


def _receipt(receipt: Any) -> dict[str, Any]:
    return {
        "leaf": receipt.leaf,
        "salt": receipt.salt,
        "shard": receipt.shard,
        "batch": receipt.batch,
        "position": receipt.position,
    }


def _word(table: Mapping[_Word, int], number: int, field: str) -> _Word:
    for word, value in table.items():
        if value == number:
            return word
    raise wrong(field, "not a value that is known")


# --- to the wire -------------------------------------------------------------------------------


def to_handling(one: Handling) -> pb.Handling:
    """A handling as it is held."""
    return pb.Handling(
        service_item=one.service_item,
        fields=[
            pb.FormField(
                code=field.code,
                display_name=field.display_name,
                required=field.required,
                length=field.length,
                sources=[
                    pb.FieldSource(
                        license_type=source.license_type,
                        key=source.key,
                        resource=source.resource,
                        item=source.item,
                    )
                    for source in field.sources
                ],
            )
            for field in one.fields
        ],
        filled_materials=one.filled_materials,
        proofs=[_to_proof(proof) for proof in one.proofs],
        rule=[
            pb.RuleCondition(
                field=condition.field,
                comparison=COMPARISONS[condition.comparison],
                values=condition.values,
                reason=condition.reason,
                reason_zh=condition.reason_zh,
            )
            for condition in one.rule
        ],
        etag=one.etag,
        version=one.version,
        put_time=to_time(one.put_time) if one.put_time else None,
        put_by=one.put_by,
        handled_at_once=one.handled_at_once,
    )


def to_offered(found: Offered) -> pb.OfferedServiceItem:
    """A service item as an applicant sees it."""
    return pb.OfferedServiceItem(
        name=found.item.name,
        display_name=found.item.display_name,
        handled_at_once=found.is_at_once,
        in_the_way=found.in_the_way,
        conditions=[one.reason for one in found.rule],
        conditions_zh=[one.reason_zh for one in found.rule],
        materials=len(found.item.materials),
    )


def _to_proof(proof: Proof, replaced: Replacement | None = None) -> pb.Proof:
    return pb.Proof(
        display_name=proof.display_name,
        disposition=DISPOSITIONS[proof.disposition],
        legal_basis=proof.legal_basis,
        note=proof.note,
        replaced_by=REPLACEMENTS[replaced] if replaced else pb.PROOF_REPLACEMENT_UNSPECIFIED,
    )


def to_planned(one: Planned) -> pb.PlannedMaterial:
    """A material of a plan."""
    return pb.PlannedMaterial(
        display_name=one.display_name,
        required=one.required,
        source=SOURCES[one.source],
        reason=one.reason,
        detail=one.detail,
        detail_zh=one.detail_zh,
        license=one.license,
        license_type=one.license_type,
        grant=one.grant,
        resource=one.resource,
        items=one.items,
        signed_requests=one.signed_requests,
        license_choices=one.choices,
        form_items=[item for item, _ in one.fills],
        form_fields=[name for _, name in one.fills],
        grant_purpose=one.grant_purpose,
    )


def to_report(one: Line) -> pb.MaterialReport:
    """A service item before and after."""
    return pb.MaterialReport(
        service_item=one.service_item,
        display_name=one.display_name,
        handled_at_once=one.handled_at_once,
        before=one.before,
        after=one.after,
        awaiting=one.awaiting,
        abolished=one.abolished,
        filled=one.filled,
        by_license=one.by_license,
        by_query=one.by_query,
        by_verification=one.by_verification,
        own_data=one.own_data,
        materials=[to_planned(planned) for planned in without_grants(one.materials)],
        proofs=[_to_proof(proof, one.replaced.get(proof.display_name)) for proof in one.proofs],
    )


def to_looks(found: Sequence[Look]) -> list[pb.CollectionLook]:
    """Looks at a collection, for its applicant."""
    return [
        pb.CollectionLook(
            time=to_time(one.time), system=one.system, kind=one.kind, purpose=one.purpose
        )
        for one in found
    ]


ENTRY_KINDS: Final = {
    FieldKind.DATE: pb.ENTRY_KIND_DATE,
    FieldKind.INTEGER: pb.ENTRY_KIND_INTEGER,
    FieldKind.DECIMAL: pb.ENTRY_KIND_DECIMAL,
    FieldKind.CODE: pb.ENTRY_KIND_CODE,
    FieldKind.CITIZEN_NUMBER: pb.ENTRY_KIND_CITIZEN_NUMBER,
    FieldKind.CREDIT_CODE: pb.ENTRY_KIND_CREDIT_CODE,
    FieldKind.REGION: pb.ENTRY_KIND_REGION,
}


def entries_of(request: pb.PutEntriesRequest) -> dict[str, str]:
    """What was entered; an empty text is nothing."""
    return {field: value for field, value in request.entries.items() if value}


def to_entry_field(one: FormField, shape: LicenseField | None) -> pb.EntryField:
    """A field that the applicant enters, and what it is."""
    return pb.EntryField(
        code=one.code,
        display_name=one.display_name,
        required=one.required,
        length=one.length,
        kind=ENTRY_KINDS.get(shape.kind, pb.ENTRY_KIND_TEXT) if shape else pb.ENTRY_KIND_TEXT,
        values=[
            pb.EntryValue(code=value.code, display_name=value.name)
            for value in (shape.values if shape else ())
        ],
    )


def to_collection(one: Collection) -> pb.Collection:
    """A collection as its department sees it."""
    result = one.result
    return pb.Collection(
        name=one.name,
        service_item=one.service_item,
        state=STATES[one.state],
        create_time=to_time(one.create_time),
        expire_time=to_time(one.expire_time),
        materials=[to_planned(planned) for planned in one.plan],
        form=[
            pb.FilledField(
                code=filled.code,
                display_name=filled.display_name,
                value=filled.value,
                source=filled.source,
                origin=filled.origin,
            )
            for filled in result.form
        ],
        copies=[
            pb.AttachedCopy(
                material=copy.material,
                license=copy.license,
                sha256=copy.sha256,
                media_type=copy.media_type,
                endorsed=copy.endorsed,
            )
            for copy in result.copies
        ],
        asked=result.asked,
        decision=DECISIONS[result.decision],
        outcomes=[
            pb.RuleOutcome(
                field=outcome.field,
                holds=outcome.holds,
                reason=outcome.reason,
                reason_zh=outcome.reason_zh,
                finding=FINDINGS[outcome.holds, bool(outcome.missing)],
                missing=outcome.missing,
                missing_zh=outcome.missing_zh,
            )
            for outcome in result.outcomes
        ],
        log_indices=result.log_indices,
        collect_time=to_time(one.collect_time) if one.collect_time else None,
        handling_version=result.handling_version,
        handling_sha256=result.handling_sha256,
        consent=one.consent,
    )
