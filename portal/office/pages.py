"""The administrator's pages: what is due, access, data, service items, trust and systems.

1. Everything is asked as the person: what their role may not see is not there.
2. What ends something is asked twice: a page says what will happen, and takes the reason.
3. Departments, resources and items are called by their names; an id stands where there is none.
"""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from portal.office import (
    cases,
    catalog,
    grants,
    lists,
    maps,
    overview,
    requests,
    services,
    sharing,
    systems,
    trust,
)

_ONE: Final = "{department}/{name}"
ROUTES: Final = (
    Route("/office", overview.overview, methods=["GET"]),
    Route("/office/clock", overview.clock, methods=["GET"]),
    Route("/office/cases", cases.cases, methods=["GET"]),
    Route(f"/office/inquiries/{_ONE}", cases.inquiry, methods=["GET"]),
    Route(f"/office/corrections/{_ONE}", cases.correction, methods=["GET"]),
    Route("/office/requests", requests.requests, methods=["GET"]),
    Route(f"/office/requests/{_ONE}", requests.one_request, methods=["GET"]),
    Route(f"/office/requests/{_ONE}", requests.decide, methods=["POST"]),
    Route(f"/office/requests/{_ONE}/refuse", requests.refuse, methods=["POST"]),
    Route(f"/office/requests/{_ONE}/return", requests.give_back, methods=["POST"]),
    Route(f"/office/requests/{_ONE}/endorse", requests.endorse, methods=["POST"]),
    Route("/office/grants", grants.grants, methods=["GET"]),
    Route(f"/office/grants/{_ONE}", grants.one_grant, methods=["GET"]),
    Route(f"/office/grants/{_ONE}", grants.narrow, methods=["POST"]),
    Route(f"/office/grants/{_ONE}/revoke", grants.ask_to_revoke, methods=["GET"]),
    Route(f"/office/grants/{_ONE}/revoke", grants.revoke, methods=["POST"]),
    Route("/office/catalog", catalog.catalog, methods=["GET"]),
    Route("/office/catalog", catalog.search, methods=["POST"]),
    Route(f"/office/catalog/{_ONE}", catalog.one_resource, methods=["GET"]),
    Route("/office/responsibilities", lists.responsibilities, methods=["GET"]),
    Route("/office/sharing", sharing.shared, methods=["GET"]),
    Route("/office/map", maps.shown, methods=["GET"]),
    Route("/office/services", services.services, methods=["GET"]),
    Route(f"/office/services/{_ONE}", services.service, methods=["GET"]),
    Route("/office/savings", services.savings, methods=["GET"]),
    Route("/office/seals", trust.seals, methods=["GET"]),
    Route(f"/office/seals/{_ONE}", trust.seal, methods=["GET"]),
    Route(f"/office/seals/{_ONE}", trust.decide_seal, methods=["POST"]),
    Route("/office/authorities/{name}", trust.authority, methods=["GET"]),
    Route("/office/authorities/{name}", trust.decide_authority, methods=["POST"]),
    Route("/office/authorities", trust.authorities, methods=["GET"]),
    Route("/office/systems", systems.systems, methods=["GET"]),
)
