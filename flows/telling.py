"""What the node is told of a run of directory sync: by department, with the rows it rejected.

1. What departments see of a run is their own part of it; a reject of a department that nobody
   registered is seen by who ran it.
2. A run that the node could not be told of is no failure: the directory is synced, and the report
   says everything too.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from exchange.v1 import syncing_pb2 as pb
from flows.directory import Changes, Directory, Reject
from flows.tables import Row

#: As many as the node keeps of a run, and of an entry.
GREATEST_REJECTS = 1000
GREATEST_ROWS = 500
GREATEST_RUNS = 200
_TEXT = 2000


def told(
    wanted: Directory,
    changes: Changes,
    files: Sequence[str],
    *,
    registered: Collection[str],
    own: str,
) -> pb.RecordSyncRunRequest:
    """The runs of all departments that the files speak of; `registered` by id, `own` a name."""
    counts = [
        Counter(map(_department, those))
        for those in (changes.added, changes.changed, changes.withdrawn, changes.unchanged)
    ]
    added, changed, withdrawn, unchanged = counts
    rejects: dict[str, list[Reject]] = defaultdict(list)
    for reject in wanted.rejects:
        department = _department(reject.entry)
        known = department.partition("/")[2] in registered
        rejects[department if known else own].append(reject)
    spoken = sorted({*rejects, *(name for those in counts for name in those)})
    return pb.RecordSyncRunRequest(
        runs=[
            pb.SyncRun(
                name=department,
                files=[file[:200] for file in files[:50]],
                rejects=[_reject(one) for one in rejects[department][:GREATEST_REJECTS]],
                added=added[department],
                changed=changed[department],
                withdrawn=withdrawn[department],
                unchanged=unchanged[department],
            )
            for department in spoken[:GREATEST_RUNS]
        ],
        request_id=str(uuid.uuid4()),
    )


def rows_of(rows: Iterable[pb.SyncRow]) -> list[Row]:
    """Rows as they are judged again."""
    return [Row(line=row.line, cells={c.column: c.value for c in row.cells}) for row in rows]


def _department(name: str) -> str:
    return "/".join(name.split("/")[:2])


def _reject(reject: Reject) -> pb.SyncReject:
    return pb.SyncReject(
        file=reject.file[:200],
        line=reject.line,
        entry=reject.entry[:200],
        reason=reject.reason,
        detail=reject.detail[:_TEXT],
        detail_zh=reject.detail_zh[:_TEXT],
        rows=[
            pb.SyncRow(
                line=row.line,
                cells=[
                    pb.SyncCell(column=column[:_TEXT], value=value[:_TEXT])
                    for column, value in list(row.cells.items())[:200]
                ],
            )
            for row in reject.rows[:GREATEST_ROWS]
        ],
    )
