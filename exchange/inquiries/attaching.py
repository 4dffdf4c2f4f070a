"""Files of inquiries: held in the object store, and removed where nothing names them.

1. The row of a file is written before its content, and removed after it: whatever a crash leaves
   has a row, by which it is found and removed. A file can be named once its content is there.
2. Content is put under a name that no other file shares, so that removing one touches no other, and
   that has its digest, which reading checks.
3. Whoever reads a file leaves a record of it. What it is called is personal at worst, so that the
   log has its name here and its digest only.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from exchange.inquiries import model, store
from exchange.inquiries.model import (
    GREATEST_UNNAMED,
    ORPHANED,
    Attachment,
    AttachmentState,
    attachment_not_found,
)
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import ResourceExhausted
from runtime.identity import Principal, Role
from runtime.objects import ObjectStore, get_content
from runtime.records import make_record
from runtime.telemetry import Repeated

AT_ONCE = 100
PAUSE_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attaching:
    """The use cases of files."""

    database: Database
    objects: ObjectStore
    clock: Clock

    def begin(
        self,
        work: UnitOfWork,
        principal: Principal,
        *,
        file_name: str,
        media_type: str,
        content: bytes,
    ) -> Attachment:
        """Write the row of a file whose content is to come.

        Raises InvalidArgument (INQUIRY_INVALID) and ResourceExhausted (TOO_MANY_ATTACHMENTS).
        """
        at = self.clock.now()
        made = model.file_of(
            f"{principal.department}/attachments/{names.random_id()}",
            file_name=file_name,
            media_type=media_type,
            content=content,
            at=at,
        )
        if store.unnamed_count(work.session, principal.department) >= GREATEST_UNNAMED:
            raise ResourceExhausted(
                f"your department has {GREATEST_UNNAMED} files that no inquiry names: send what "
                "they are for, or wait a day until they are removed",
                reason="TOO_MANY_ATTACHMENTS",
                message_zh=f"本部门已有 {GREATEST_UNNAMED} 个未被函询引用的附件："
                "请先发函，或等一天后自动清除",
            )
        store.insert_file(work.session, made)
        work.record(
            make_record(
                "attachment_uploaded",
                at=at,
                actor=principal.system,
                facts={"attachment": made.name, "digest": made.digest, "size": made.size},
            )
        )
        return made

    def keep(self, name: str, content: bytes) -> None:
        """Put the content of a file that was begun; repeating is harmless.

        Raises NotFound (ATTACHMENT_NOT_FOUND) where it was removed meanwhile.
        """
        with self.database.reading() as session:
            held = store.file(session, name)
        if held is None or held.state is AttachmentState.GOING:
            raise attachment_not_found()
        if held.state is AttachmentState.HELD:
            return
        self.objects.put_if_absent(held.object_name, content)
        with self.database.unit_of_work() as work:
            coming = store.file(work.session, name, lock=True)
            if coming is None or coming.state is AttachmentState.GOING:
                raise attachment_not_found()
            store.update_file(work.session, replace(coming, state=AttachmentState.HELD))

    def read(self, principal: Principal, name: str) -> tuple[Attachment, bytes]:
        """A file and its content.

        Raises NotFound (ATTACHMENT_NOT_FOUND) and DataLoss (OBJECT_CHANGED).
        """
        names.parse(names.ATTACHMENT, name)
        with self.database.reading() as session:
            held = store.file(session, name)
            inquiry = store.inquiry(session, held.inquiry) if held and held.inquiry else None
        if held is None or held.state is not AttachmentState.HELD:
            raise attachment_not_found()
        own = principal.has(Role.DEPARTMENT) and principal.department == held.department
        if not (own if inquiry is None else model.is_party(principal, inquiry)):
            raise attachment_not_found()
        content = get_content(self.objects, held.object_name)
        with self.database.unit_of_work() as work:
            work.record(
                make_record(
                    "attachment_read",
                    at=self.clock.now(),
                    actor=principal.system,
                    facts={
                        "attachment": name,
                        "inquiry": held.inquiry,
                        "digest": held.digest,
                    },
                )
            )
        return held, content

    def clean(self) -> int:
        """Remove files that nothing has named for a day; how many went."""
        before = self.clock.now() - ORPHANED
        with self.database.unit_of_work() as work:
            going = [
                replace(one, state=AttachmentState.GOING)
                for one in store.orphans(work.session, before, AT_ONCE)
            ]
            for one in going:
                store.update_file(work.session, one)
        for one in going:
            self.objects.delete(one.object_name)
        with self.database.unit_of_work() as work:
            for one in going:
                store.delete_file(work.session, one.name)
        return len(going)


class Cleaner:
    """Removes orphans now and then, in a thread."""

    def __init__(self, attaching: Attaching) -> None:
        self._attaching = attaching
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._go_on, name="attachments", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            thread.join()
            self._stopping.clear()

    def _go_on(self) -> None:
        told = Repeated("attachment_cleaning_failed", "attachment_cleaning_resumed")
        pause = 1.0
        while not self._stopping.wait(pause):
            try:
                full = self._attaching.clean() == AT_ONCE
            except Exception as error:  # noqa: BLE001  # the next round tries again
                told.failed(error)
                pause = PAUSE_SECONDS
            else:
                told.succeeded()
                pause = 1.0 if full else PAUSE_SECONDS
