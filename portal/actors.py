"""Who acted, as people call them: a department and its system, or the person.

1. Persons of departments are named where who looks may see their accounts; to others, and where an
   account is gone, they are somebody of their department. Applicants are never named here.
2. Systems have no other name than their id.
3. All who are on a page are asked for by one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from accounts.v1 import accounts_pb2, accounts_pb2_grpc
from portal.node import told
from portal.sessions.keeping import Person
from runtime.errors import DomainError
from runtime.identity import APPLICANTS, PERSON, Role, is_person

SECONDS: Final = 20
MOST: Final = 1000
Say = Callable[[str, str], str]


async def persons(person: Person, node: str, systems: Iterable[str]) -> dict[str, str]:
    """What those of these systems that are persons are called, as far as `person` may see."""
    if not (person.has(Role.ADMINISTRATOR) or person.has(Role.AUDITOR)):
        return {}
    wanted = [one for one in dict.fromkeys(systems) if is_person(one) and not _applicant(one)]
    if not wanted:
        return {}
    stub: Any = accounts_pb2_grpc.AccountServiceStub(person.channel(node))
    accounts = {_account(one): one for one in wanted[:MOST]}
    asked = accounts_pb2.ListAccountsRequest(names=list(accounts), page_size=MOST)
    try:
        answer = await told(stub.ListAccounts(asked, timeout=SECONDS))
    except DomainError:
        return {}
    return {accounts[one.name]: str(one.display_name) for one in answer.accounts}


async def accounts(person: Person, node: str) -> dict[str, str]:
    """What persons of departments are called, by the last part of their system's name."""
    stub: Any = accounts_pb2_grpc.AccountServiceStub(person.channel(node))
    asked = accounts_pb2.ListAccountsRequest(page_size=MOST)
    answer = await told(stub.ListAccounts(asked, timeout=SECONDS))
    return {
        f"{PERSON}{one.name.rpartition('/')[2]}": str(one.display_name) for one in answer.accounts
    }


def _account(system: str) -> str:
    return f"accounts/{system.rpartition('/')[2].removeprefix(PERSON)}"


def teller(
    say: Say, departments: Mapping[str, str], persons: Mapping[str, str]
) -> Callable[[str], str]:
    """Tells who a system is; for pages."""

    def who(system: str) -> str:
        if system.startswith("rules/"):
            return say("the node, by a rule", "节点按规则自动办理")
        department, between, last = system.partition("/systems/")
        if not between:
            return system or say("not told", "未注明")
        if _applicant(system):
            return say("an applicant", "申请人本人")
        title = departments.get(department) or department.rpartition("/")[2]
        if is_person(system):
            last = persons.get(system) or say("an officer", "工作人员")
        return f"{title} · {last}"

    return who


def _applicant(system: str) -> bool:
    return system.startswith(f"{APPLICANTS}/")
