"""The clock of the first supply (国务院令第809号: 同意后20个工作日内共享).

1. It starts when the source's consent makes a grant, where nothing of the resource was published
   yet; the source owes the records. Where records are held, nothing is owed, and no clock starts.
2. The first batch that is published ends it. A consent and a first batch at the same moment may
   miss each other: the next batch ends it then.
3. It is owed no more once the grant is revoked. A later version of a grant starts none.
4. An unconditional resource (无条件共享) has no consent, and so no such clock.
"""

from __future__ import annotations

from datetime import datetime

from exchange.catalog import service as catalog
from exchange.catalog.model import DataResource
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.grants import store
from exchange.grants.model import Grant
from runtime import names
from runtime.database import UnitOfWork


def consented(
    work: UnitOfWork, grant: Grant, resource: DataResource, *, actor: str, at: datetime
) -> None:
    """The source has agreed: where it has published nothing yet, its clock starts."""
    if grant.version > 1 or resource.last_publish_time is not None:
        return
    source = catalog.department_in(work, grant.source)
    deadlines.start(
        work,
        subject=grant.name,
        kind=Kind.SUPPLY_AFTER_CONSENT,
        region_code=source.region_code if source else "",
        department=grant.source,
        at=at,
        actor=actor,
    )


def published(work: UnitOfWork, resource: str, *, actor: str, at: datetime) -> None:
    """A batch is there: the clocks of all grants of the resource end."""
    kind = Kind.SUPPLY_AFTER_CONSENT
    owed = deadlines.subjects_owed(work, department=names.department_of(resource), kind=kind)
    for name in store.grants_of(work.session, resource, owed) if owed else ():
        deadlines.finish(work, subject=name, kind=kind, at=at, actor=actor)


def revoked(work: UnitOfWork, grant: Grant, *, actor: str, at: datetime) -> None:
    """Nobody is owed anything under a grant that is no more."""
    deadlines.cancel(work, subject=grant.name, kind=Kind.SUPPLY_AFTER_CONSENT, at=at, actor=actor)
