"""What applicants have made at their pages before a test looks, and all of those pages."""

from __future__ import annotations

import re

from tests.builders.portal_town import (
    OTHER,
    State,
    Town,
    address,
    client,
    delegate,
    token_of,
)

BENEFIT = "/my/needs/human-resources/cg2017-22"
REGISTRATION = "/my/needs/human-resources/cg2017-27"


def things_of(town: Town, mine: State, others: State) -> dict[str, str]:
    """Addresses of a copy, of delegations both ways, and of a collection."""
    own = address(town.license)
    with client(town, mine) as asked, client(town, others) as from_other:
        copy = asked.post(
            f"{own}/copy",
            data={
                **token_of(asked, f"{own}/copy"),
                "purpose": "办理公积金提取",
                "department": "departments/human-resources",
                "valid_to": "2027-01-31",
                "form": "pdf",
            },
        ).headers["Location"]
        given = delegate(asked, town.license, OTHER.name, OTHER.citizen_number)
        someone = town.people["applicant"]
        got = delegate(from_other, town.of_other, someone.display_name, someone.login)
        begun = asked.post(
            BENEFIT, data={**token_of(asked, BENEFIT), "materials": "就业创业登记证"}
        ).headers["Location"]
        found = re.search(r'href="(/my/delegations/[a-z0-9]{20,})"', asked.get(given).text)
        assert given == got == "/my/delegations"
        assert found is not None
    return {"copy": copy, "delegated": found[1], "collection": begun}


def pages_of(town: Town, made: dict[str, str]) -> dict[str, str]:
    """Every page of an applicant, with what `things_of` made, by a name for its picture."""
    own = address(town.license)
    return {
        "licenses": "/my/licenses",
        "license": own,
        "choose": f"{own}/present",
        "presentations": "/my/presentations",
        "copies": "/my/copies",
        "copy": made["copy"],
        "copy-new": f"{own}/copy",
        "delegations": "/my/delegations",
        "delegate": "/my/delegations/new",
        "delegated": made["delegated"],
        "needs": "/my/needs",
        "needs-nothing": "/my/needs?words=zz",
        "need": REGISTRATION,
        "collections": "/my/collections",
        "collection": made["collection"],
        "looks": "/my/looks",
        "corrections": "/my/corrections",
        "object": "/my/corrections/new/public-security/population",
        "object-find": "/my/corrections/new",
        "refusal": "/my/copies/none",
    }
