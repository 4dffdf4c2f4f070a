"""A look at a license, as its holder is told of it.

1. Who (a system of a department), when, which fields, for what, and what came of it.
2. The purpose may be personal: it stands here, in the licenses' database, and in no audit leaf.
3. The receipt is the leaf of the audit log that tells of the look, with the salt that opens its
   commitments: the holder can show both to anybody, and anybody finds the leaf in the log.
4. Who verified gets the same leaf with the salt of its `asked` alone, which opens what they said
   and were told. The other salt would let them try out whose license it is (a citizen number has
   few values), and whether there is one, where the answer says neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from runtime.records import canonical

#: What a look may be: the kinds of their audit records. People are told of each in words.
KINDS: Final = frozenset(
    (
        "archive_read",
        "collected_document_read",
        "collection_read",
        "delegated_licenses_listed",
        "delegation_ended",
        "held_licenses_listed",
        "license_copied",
        "license_copy_ended",
        "license_copy_read",
        "license_delegated",
        "license_document_read",
        "license_presented",
        "license_shared",
        "license_verified",
        "licenses_found",
        "materials_collected",
        "materials_planned",
        "presentation_ended",
        "presentation_verified",
        "wallet_answered",
        "wallet_credential_issued",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look. `number` orders them; `license` is a name, `kind` the record's kind.

    `title` is what people call the license.
    `result` is PASSED or a refusal's reason, "" where nothing was asked that could be refused;
    `presentation` the id of the presentation that was verified or made, if any. Of looks from
    before receipts were kept `leaf` is empty.
    """

    number: int
    license: str
    title: str
    at: datetime
    system: str
    kind: str
    fields: tuple[str, ...]
    purpose: str = field(repr=False)
    presentation: str
    result: str
    #: Id of the delegation it was done under; and its agent's name, for who delegated.
    delegation: str
    agent_name: str = field(repr=False)
    #: Somebody unknown, by the portal's pages: the department of `system` did not look.
    visitor: bool
    leaf: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    #: The time that was asked about, RFC 3339; "" is the time of the look.
    as_of: str = ""


def answered(purpose: str, fields: Mapping[str, str]) -> dict[str, bytes]:
    """What a verifier's receipt opens: the purpose they gave, and the fields they were told."""
    return {"purpose": purpose.encode(), "fields": canonical(dict(fields))}
