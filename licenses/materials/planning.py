"""Where each material comes from, and which questions get it: pure rules.

1. In this order: the item's own form; a license that the applicant holds in force; data that a
   grant in force gives whole; a yes or no that a grant allows; data that the accepting department
   holds itself; else it is asked.
2. A question is about the applicant and nobody else: the resource's key must be of the kind of
   number that the applicant was identified by.
3. A grant counts that is the accepting department's, in force, and for this item or for any; one
   for this item comes first, and the plan says what each was given for.
4. Without an applicant a plan tells what nobody has to bring who holds what there is to hold.
5. Where an applicant holds several licenses that could stand in, they say which one does.
6. What stands in for a material that the applicant refused is not read for the form either, nor
   under another material's question; a plan names what it reads for the form.
7. What the accepting department is the source of it looks up in its own records: nobody brings it,
   and nothing of it is fetched, nor filled into the form, without a grant like any other's. With
   one that it gave itself they are data under a grant: consent, question, log and receipt as ever.
8. A rule approves only what it has seen: where a required material must be asked, or nothing tells
   a fact that it compares, it can approve nobody, and the item is not handled at once.
"""

from __future__ import annotations

from collections.abc import Collection as AnyOf
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from licenses.materials.model import (
    CONSENTED,
    Disposition,
    FormField,
    GrantGiven,
    Handling,
    Item,
    Material,
    MaterialSource,
    Planned,
    Resource,
)
from runtime import names
from runtime.errors import InvalidArgument

CITIZEN = "GB 11643"
CREDIT = "GB 32100"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLicense:
    """A license of the applicant; `in_force`: ACTIVE, begun, not over."""

    name: str
    type_name: str
    in_force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a plan is made from.

    `held` None: no applicant. `standard`: of the applicant's number; "" for either. `types`: names
    of the license types that there are.
    """

    handling: Handling
    resources: Mapping[str, Resource]
    grants: Sequence[GrantGiven]
    types: AnyOf[str]
    held: Sequence[HeldLicense] | None
    standard: str
    now: datetime


def plan(item: Item, known: Known) -> tuple[Planned, ...]:
    """The materials of an item in its order, each with its source and why."""
    return tuple(_planned(item, material, known) for material in item.materials)


def without_consent(planned: Sequence[Planned], agreed: AnyOf[str]) -> tuple[Planned, ...]:
    """The plan as far as the applicant agreed; the rest must be asked (rule 6)."""
    kept = {(one.resource, one.item) for one in planned if one.display_name in agreed}
    refused = {
        (one.resource, one.item)
        for one in planned
        if one.source in CONSENTED and one.display_name not in agreed
    }
    return tuple(
        _narrowed(one, refused - kept)
        if one.source not in CONSENTED or one.display_name in agreed
        else not_fetched(
            one, "NOT_CONSENTED", "the applicant did not agree to have it fetched",
            "申请人未同意代为获取",
        )
        for one in planned
    )  # fmt: skip


def refused(planned: Sequence[Planned], reasons: Mapping[str, str]) -> tuple[Planned, ...]:
    """The plan where the exchange refused questions: what they would have brought must be asked.

    `reasons`: by grant, the reason of the refusal. Raises InvalidArgument (QUESTION_NOT_PLANNED).
    """
    if not set(reasons) <= {one.grant for one in planned if one.grant}:
        raise InvalidArgument(
            "refused names a grant that nothing of this collection is asked under",
            reason="QUESTION_NOT_PLANNED",
            message_zh="refused 中有本次收集未使用的授权",
        )
    return tuple(
        not_fetched(
            one, reasons[one.grant],
            f"the exchange did not answer the department ({reasons[one.grant]})",
            f"受理部门未能取得数据（{reasons[one.grant]}）",
        )
        if one.grant and one.grant in reasons
        else one
        for one in planned
    )  # fmt: skip


def _narrowed(one: Planned, refused: AnyOf[tuple[str, str]]) -> Planned:
    return replace(
        one,
        items=tuple(item for item in one.items if (one.resource, item) not in refused),
        fills=tuple(fill for fill in one.fills if (one.resource, fill[0]) not in refused),
    )


def not_fetched(one: Planned, reason: str, detail: str, detail_zh: str) -> Planned:
    """As planned, where it must be asked after all, and why."""
    return replace(
        one,
        source=MaterialSource.MUST_BE_ASKED,
        reason=reason,
        detail=detail,
        detail_zh=detail_zh,
        license="",
        grant="",
        grant_purpose="",
        items=(),
        fills=(),
        choices=(),
        copy_sha256="",
    )


def chosen(planned: Sequence[Planned], given: AnyOf[str]) -> tuple[Planned, ...]:
    """The plan with the licenses that the applicant chose.

    Raises InvalidArgument (LICENSE_NOT_CHOSEN) where one is still open, or what is given is none.
    """
    offered = {name for one in planned for name in (*one.choices, one.license) if name}
    left = [one for one in planned if len(set(one.choices) & set(given)) != (len(one.choices) > 0)]
    if left or not set(given) <= offered:
        material = left[0].display_name if left else ""
        raise InvalidArgument(
            f"{material}: the applicant holds several such licenses: name the one that stands in"
            if material
            else "licenses names one that stands in for no material of the plan",
            reason="LICENSE_NOT_CHOSEN",
            message_zh=f"“{material}”：申请人持有多份证照，请指定其一"
            if material
            else "所指定的证照不能替代方案中的任何材料",
        )
    return tuple(
        replace(
            one,
            license=next(name for name in one.choices if name in given),
            choices=(),
            reason="LICENSE_HELD",
            detail="of several such licenses the applicant chose one",
            detail_zh="申请人持有多份该电子证照，已选定其一",
        )
        if one.choices
        else one
        for one in planned
    )


def without_grants(planned: Sequence[Planned]) -> tuple[Planned, ...]:
    """The plan for who has no business with the accepting department's grants: without names."""
    return tuple(replace(one, grant="") for one in planned)


def fields_entered(handling: Handling, planned: Sequence[Planned]) -> tuple[FormField, ...]:
    """Fields of the form that nothing of the plan fills."""
    told = _told_by(planned, MaterialSource.OBTAINABLE_UNDER_GRANT)
    return tuple(one for one in handling.fields if not _is_told(one, *told))


def entries_needed(handling: Handling, planned: Sequence[Planned]) -> tuple[str, ...]:
    """Required ones of these, by code."""
    return tuple(one.code for one in fields_entered(handling, planned) if one.required)


def in_the_way(handling: Handling, planned: Sequence[Planned]) -> tuple[str, ...]:
    """What keeps the item's rule from ever approving by this plan (rule 8): names, for people."""
    wanted = {one.field for one in handling.rule}
    materials = [
        one.display_name
        for one in planned
        if one.required and one.source in (MaterialSource.MUST_BE_ASKED, MaterialSource.OWN_DATA)
    ]
    counts = (MaterialSource.OBTAINABLE_UNDER_GRANT, MaterialSource.VERIFIABLE)
    told = _told_by(planned, *counts)
    facts = [
        one.display_name
        for one in handling.fields
        if one.code in wanted and not _is_told(one, *told)
    ]
    return tuple(dict.fromkeys((*materials, *facts))) if wanted else ()


def _told_by(
    planned: Sequence[Planned], *sources: MaterialSource
) -> tuple[AnyOf[str], AnyOf[tuple[str, str]]]:
    """Types of the licenses, and resources with items, that a plan has something of."""
    types = {one.license_type for one in planned if one.license}
    types |= {one.license_type for one in planned if one.source is MaterialSource.HELD_AS_LICENSE}
    read = {(one.resource, item) for one in planned if one.source in sources for item in one.items}
    return types, read


def _is_told(one: FormField, types: AnyOf[str], read: AnyOf[tuple[str, str]]) -> bool:
    return any(
        (source.license_type and source.license_type in types)
        or (source.resource, source.item) in read
        for source in one.sources
    )


def _planned(item: Item, material: Material, known: Known) -> Planned:
    def said(source: MaterialSource, reason: str, detail: str, zh: str, **more: object) -> Planned:
        return replace(
            Planned(
                display_name=material.display_name,
                required=material.required,
                source=source,
                reason=reason,
                detail=detail,
                detail_zh=zh,
                license_type=material.license_type,
                resource=material.resource,
                item=material.item,
            ),
            **more,  # type: ignore[arg-type]  # fields of Planned
        )

    if material.display_name in known.handling.filled_materials:
        return said(
            MaterialSource.FILLED_ONCE, "FORM", "the item's form, filled in from what is known",
            "办事表单，由系统自动填写",
        )  # fmt: skip
    why = ("NOTHING_REPLACES_IT", "the catalog names nothing that stands in for it",
           "目录未登记可替代的证照或数据")  # fmt: skip
    if material.license_type:
        found = _license(material, known)
        if found[0] is not None:
            several = found[0] if len(found[0]) > 1 else ()
            return said(
                MaterialSource.HELD_AS_LICENSE, *found[1],
                license=next(iter(found[0]), ""), choices=several,
            )  # fmt: skip
        why = found[1]
    if material.resource:
        source, why, grant, items = _under_grant(item, material, known)
        if source is not None:
            purpose = next((one.purpose for one in known.grants if one.name == grant), "")
            return said(
                source, *why, grant=grant, grant_purpose=purpose, items=items,
                fills=_fills(material.resource, known.handling, items),
                signed_requests=known.resources[material.resource].signed_requests,
            )  # fmt: skip
    for proof in known.handling.proofs:
        if proof.display_name == material.display_name and proof.disposition is Disposition.KEPT:
            why = ("PROOF_KEPT", f"kept on a legal basis: {proof.legal_basis}",
                   f"依法保留：{proof.legal_basis}")  # fmt: skip
    return said(MaterialSource.MUST_BE_ASKED, *why)


_Why = tuple[str, str, str]


def _license(material: Material, known: Known) -> tuple[tuple[str, ...] | None, _Why]:
    """Licenses that could stand in (their names; of anybody's none) or None, and why."""
    if material.license_type not in known.types:
        return None, ("LICENSE_TYPE_UNKNOWN", "no such license type is known to this node",
                      "本节点没有该证照类型")  # fmt: skip
    if known.held is None:
        return (), ("LICENSE_TYPE_KNOWN", "whoever holds this electronic license need not bring it",
                    "持有该电子证照的申请人免交")  # fmt: skip
    of_type = [one for one in known.held if one.type_name == material.license_type]
    good = tuple(one.name for one in of_type if one.in_force)
    if len(good) > 1:
        return good, ("LICENSES_HELD", "the applicant holds several: they say which one it is",
                      "申请人持有多份该电子证照：请选择其一")  # fmt: skip
    if good:
        return good, ("LICENSE_HELD", "the applicant holds it as an electronic license",
                      "申请人已持有该电子证照")  # fmt: skip
    if of_type:
        return None, ("LICENSE_NOT_IN_FORCE", "the applicant's license is not in force",
                      "申请人的该证照不在有效状态")  # fmt: skip
    return None, ("NO_LICENSE_HELD", "the applicant holds no such electronic license",
                  "申请人没有该电子证照")  # fmt: skip


def _under_grant(
    item: Item, material: Material, known: Known
) -> tuple[MaterialSource | None, _Why, str, tuple[str, ...]]:
    resource = known.resources.get(material.resource)
    nothing: tuple[str, tuple[str, ...]] = ("", ())
    if resource is None or not resource.active:
        return None, ("RESOURCE_NOT_IN_FORCE", "the catalog holds no such resource in force",
                      "目录中没有该有效信息资源"), *nothing  # fmt: skip
    if resource.key_standard not in ((known.standard,) if known.standard else (CITIZEN, CREDIT)):
        return None, ("KEY_NOT_THE_APPLICANTS",
                      "records of the resource are not found by the applicant's number",
                      "该资源不能按申请人号码查询"), *nothing  # fmt: skip
    for verb, source, why in (
        ("query", MaterialSource.OBTAINABLE_UNDER_GRANT,
         ("GRANT_IN_FORCE", "the accepting department reads it under a grant",
          "受理部门可凭授权查询")),
        ("verify", MaterialSource.VERIFIABLE,
         ("GRANT_TO_VERIFY", "the accepting department may have it verified, yes or no",
          "受理部门可凭授权核验（是或否）")),
    ):  # fmt: skip
        for grant in _usable(item, material.resource, known):
            allowed = grant.may_query if verb == "query" else grant.may_verify
            if allowed and material.item in grant.whole:
                items = _items(material, known.handling, grant.whole)
                return source, why, grant.name, items
    if names.department_of(material.resource) == names.department_of(item.name):
        return MaterialSource.OWN_DATA, (
            "OWN_DATA", "the accepting department holds it itself: it looks in its own records, or "
            "asks for a grant over them, and then they fill the form as others' data do",
            "受理部门即数源部门：由其自行查阅本部门数据；也可向本部门申请授权，此后与其他部门数据一样自动查询填表",
        ), *nothing  # fmt: skip
    return None, ("NO_GRANT", "the accepting department has no grant in force for it: ask for one",
                  "受理部门没有相应的有效授权：请申请授权"), *nothing  # fmt: skip


def _usable(item: Item, resource: str, known: Known) -> list[GrantGiven]:
    found = [
        one
        for one in known.grants
        if one.resource == resource and one.in_force(item.name, known.now)
    ]
    return sorted(found, key=lambda one: one.service_item != item.name)


def _items(material: Material, handling: Handling, given: AnyOf[str]) -> tuple[str, ...]:
    """The material's item, and those of the same resource that the form is filled from."""
    wanted = {
        source.item
        for one in handling.fields
        for source in one.sources
        if source.resource == material.resource
    }
    return tuple(sorted({material.item} | (wanted & set(given))))


def _fills(resource: str, handling: Handling, items: AnyOf[str]) -> tuple[tuple[str, str], ...]:
    """Which of the items fill the form, each with the name of its field."""
    return tuple(
        (source.item, one.display_name)
        for one in handling.fields
        for source in one.sources
        if source.resource == resource and source.item in items
    )
