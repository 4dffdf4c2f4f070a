"""Every method of the account service: what it leaves in the log, or why it leaves nothing."""

import ast
from pathlib import Path

import pytest

import accounts
from accounts.rpc import POLICY, SIGN_IN_POLICY, SIGN_IN_SIZES, SIZES
from runtime.identity import Role
from runtime.rpc import ANY_ROLE

OWN = "tells the caller what is theirs"
BEGUN = "begins what is judged when it is answered; keeps nothing"
KINDS: dict[str, str | tuple[str, ...]] = {
    "CreateApplicantAccount": ("account_created",),
    "ResetApplicantAccount": ("act_asked",),
    "DisableAccount": ("act_asked",),
    "AskAct": ("act_asked",),
    "ConfirmAct": ("act_confirmed", "account_disabled", "account_reset"),
    "DeclineAct": ("act_declined",),
    "GetAccount": "whose account it is, to who administers it",
    "ListAccounts": "whose accounts there are, to who administers them",
    "GetAskedAct": "an act, to who decides it",
    "ListAskedActs": "acts, to who decides them",
    "GetOwnAccount": OWN,
    "ChangePassword": ("account_credentials_changed",),
    "BeginAddPasskey": BEGUN,
    "AddPasskey": ("account_credentials_changed",),
    "RemovePasskey": ("account_credentials_changed",),
    "EndSession": ("person_signed_out",),
    "GetSignInWays": "which ways there are is nobody's secret",
    "BeginEnrolment": BEGUN,
    "FinishEnrolment": ("account_enrolled",),
    "SignInByPassword": ("person_signed_in", "sign_in_refused"),
    "BeginPasskey": BEGUN,
    "SignInByPasskey": ("person_signed_in", "sign_in_refused"),
    "BeginOpenId": BEGUN,
    "SignInByOpenId": (
        "person_signed_in", "sign_in_refused", "account_created", "account_changed",
        "account_disabled",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def words() -> set[str]:
    folder = Path(accounts.__file__).parent
    return {
        node.value
        for path in folder.rglob("*.py")
        if "v1" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_act_leaves_a_leaf(words):
    assert set(KINDS) == set(POLICY) | set(SIGN_IN_POLICY)
    for method, kinds in KINDS.items():
        if isinstance(kinds, tuple):
            assert set(kinds) <= words, method


def test_every_message_is_bounded():
    assert set(SIZES) == set(POLICY)
    assert set(SIGN_IN_SIZES) == set(SIGN_IN_POLICY)
    assert max([*SIZES.values(), *SIGN_IN_SIZES.values()]) <= 32 * 1024


def test_only_the_pages_sign_people_in_and_they_ask_for_nothing_else():
    assert set(SIGN_IN_POLICY.values()) == {frozenset({Role.PORTAL})}
    assert Role.PORTAL not in ANY_ROLE
    assert not [name for name, roles in POLICY.items() if roles & {Role.PORTAL, Role.NODE}]
