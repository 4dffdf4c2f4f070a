"""Who acts on a department's seals (ADR 26).

1. An administrator of the department, of one above it, or of the node's office; nobody else's.
2. Anybody else is refused before a seal is looked for: they do not learn whether there is one.
3. Whoever is of the department itself or of the office is not kept waiting for the catalog, so that
   a seal is frozen even where the catalog does not answer.
"""

from __future__ import annotations

from runtime import names
from runtime.departments import Parents, above
from runtime.errors import DomainError, PermissionDenied
from runtime.identity import Principal, Role


class Acting:
    """The rule. Without `parents` nobody stands above anybody."""

    def __init__(self, parents: Parents | None, *, office: str) -> None:
        self._parents: Parents = parents or dict
        self._office = office

    def check_seal(self, caller: Principal, seal: str) -> None:
        """`check`, of the department that a seal's name holds. Raises also MALFORMED_NAME."""
        found = names.parse(names.SEAL, seal)
        self.check(caller, f"departments/{found['department']}")

    def shown(self, caller: Principal, seal: str) -> bool:
        """Whether to offer the caller what may be done with a seal: `check_seal` as an answer."""
        try:
            self.check_seal(caller, seal)
        except DomainError:
            return False
        return True

    def check(self, caller: Principal, department: str) -> None:
        """Refuse who does not act for a department.

        Raises PermissionDenied (NOT_OWN_DEPARTMENT), and what asking the catalog does.
        """
        if self._acts(caller, department):
            return
        raise PermissionDenied(
            "on a department's seals act its own administrators, those of a department above it, "
            "and those of the department that runs the node: ask one of them",
            reason="NOT_OWN_DEPARTMENT",
            message_zh="部门的印章由本部门、其上级部门或节点管理部门的管理员管理：请联系其中一方",
        )

    def _acts(self, caller: Principal, department: str) -> bool:
        own = caller.department
        return caller.has(Role.ADMINISTRATOR) and (
            own in (department, self._office) or own in above(self._parents(), department)
        )
