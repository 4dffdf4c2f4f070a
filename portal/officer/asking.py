"""What the data officer's pages ask of the services, as the person themself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request

from exchange.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    corrections_pb2,
    corrections_pb2_grpc,
    deadlines_pb2,
    deadlines_pb2_grpc,
    delivery_pb2,
    delivery_pb2_grpc,
    grants_pb2,
    grants_pb2_grpc,
    inquiries_pb2,
    inquiries_pb2_grpc,
    quality_pb2,
    quality_pb2_grpc,
    syncing_pb2,
    syncing_pb2_grpc,
)
from portal import catalog
from portal.node import told
from portal.sessions.access import for_roles
from portal.sessions.keeping import Person
from portal.uploads import File
from runtime.identity import Role

SECONDS: Final = 30
PAGE: Final = 50
GREATEST: Final = 1000


#: Pages of who works with a department's data.
OFFICER: Final = for_roles(Role.DEPARTMENT)


class Asking:
    """One person's questions and acts."""

    def __init__(self, person: Person, node: str) -> None:
        channel = person.channel(node)
        self._department = person.department
        #: Its calls go through `told`.
        self.catalog: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._corrections: Any = corrections_pb2_grpc.CorrectionServiceStub(channel)
        self._clocks: Any = deadlines_pb2_grpc.DeadlineServiceStub(channel)
        self._inquiries: Any = inquiries_pb2_grpc.InquiryServiceStub(channel)
        self._grants: Any = grants_pb2_grpc.GrantServiceStub(channel)
        self._delivery: Any = delivery_pb2_grpc.DeliveryServiceStub(channel)
        self._quality: Any = quality_pb2_grpc.QualityServiceStub(channel)
        self._syncing: Any = syncing_pb2_grpc.SyncServiceStub(channel)

    async def resources(self, token: str = "") -> Any:
        """A page of the department's own resources."""
        asked = catalog_pb2.ListDataResourcesRequest(
            parent=self._department, page_size=PAGE, page_token=token
        )
        return await told(self.catalog.ListDataResources(asked, timeout=SECONDS))

    async def titles(self, names: Iterable[str]) -> Mapping[str, str]:
        """What resources are called, by name."""
        return await catalog.titles(self.catalog, names)

    async def resource(self, name: str) -> catalog_pb2.DataResource:
        """A resource."""
        return await catalog.resource(self.catalog, name)

    async def clocks(self, subject: str = "") -> dict[str, deadlines_pb2.Deadline]:
        """Open clocks that the department must heed or waits for, of one matter or of all."""
        asked = deadlines_pb2.ListDeadlinesRequest(
            parent="departments/-", subject=subject, open_only=True, page_size=GREATEST
        )
        answer = await told(self._clocks.ListDeadlines(asked, timeout=SECONDS))
        return {one.subject: one for one in answer.deadlines}

    async def corrections(self, token: str = "") -> Any:
        """A page of what is doubted, and of what the department itself doubted."""
        asked = corrections_pb2.ListCorrectionsRequest(page_size=PAGE, page_token=token)
        return await told(self._corrections.ListCorrections(asked, timeout=SECONDS))

    async def correction(self, name: str) -> corrections_pb2.Correction:
        """One of them."""
        asked = corrections_pb2.GetCorrectionRequest(name=name)
        answer = await told(self._corrections.GetCorrection(asked, timeout=SECONDS))
        found: corrections_pb2.Correction = answer.correction
        return found

    async def take_up(self, name: str, request_id: str) -> None:
        """Begin to look into a doubt."""
        asked = corrections_pb2.ReviewCorrectionRequest(name=name, request_id=request_id)
        await told(self._corrections.ReviewCorrection(asked, timeout=SECONDS))

    async def answer_correction(
        self, name: str, *, accepted: bool, answer: str, basis: str, request_id: str
    ) -> None:
        """Answer a doubt: the correct record was published, or the record stands."""
        state = (
            corrections_pb2.CORRECTION_STATE_ACCEPTED
            if accepted
            else corrections_pb2.CORRECTION_STATE_REJECTED
        )
        asked = corrections_pb2.AnswerCorrectionRequest(
            name=name,
            state=state,
            answer=answer,
            answer_legal_basis=basis,
            request_id=request_id,
        )
        await told(self._corrections.AnswerCorrection(asked, timeout=SECONDS))

    async def inquiries(self, token: str = "") -> Any:
        """A page of questions to the department, and of its own."""
        asked = inquiries_pb2.ListInquiriesRequest(page_size=PAGE, page_token=token)
        return await told(self._inquiries.ListInquiries(asked, timeout=SECONDS))

    async def inquiry(self, name: str) -> inquiries_pb2.Inquiry:
        """One of them."""
        asked = inquiries_pb2.GetInquiryRequest(name=name)
        answer = await told(self._inquiries.GetInquiry(asked, timeout=SECONDS))
        found: inquiries_pb2.Inquiry = answer.inquiry
        return found

    async def send_inquiry(
        self, *, recipient: str, title: str, text: str, files: Sequence[File], request_id: str
    ) -> str:
        """Ask another department; the inquiry's name."""
        asked = inquiries_pb2.SendInquiryRequest(
            recipient=recipient,
            title=title,
            text=text,
            attachments=await self._uploaded(files, request_id),
            request_id=request_id,
        )
        answer = await told(self._inquiries.SendInquiry(asked, timeout=SECONDS))
        return str(answer.inquiry.name)

    async def answer_inquiry(
        self, name: str, answer: str, files: Sequence[File], request_id: str
    ) -> None:
        """Answer a question of another department."""
        asked = inquiries_pb2.AnswerInquiryRequest(
            name=name,
            answer=answer,
            attachments=await self._uploaded(files, request_id),
            request_id=request_id,
        )
        await told(self._inquiries.AnswerInquiry(asked, timeout=SECONDS))

    async def end_inquiry(self, name: str, *, closes: bool, request_id: str) -> None:
        """Say that an answer is enough, or take a question back."""
        if closes:
            closed = inquiries_pb2.CloseInquiryRequest(name=name, request_id=request_id)
            await told(self._inquiries.CloseInquiry(closed, timeout=SECONDS))
            return
        taken = inquiries_pb2.WithdrawInquiryRequest(name=name, request_id=request_id)
        await told(self._inquiries.WithdrawInquiry(taken, timeout=SECONDS))

    async def _uploaded(self, files: Sequence[File], request_id: str) -> list[str]:
        """Names of files that are held now. A repeat holds nothing anew."""
        names = []
        for place, file in enumerate(files):
            asked = inquiries_pb2.UploadAttachmentRequest(
                file_name=file.name,
                media_type=file.media_type,
                content=file.content,
                request_id=f"{request_id}-{place}",
            )
            answer = await told(self._inquiries.UploadAttachment(asked, timeout=SECONDS))
            names.append(answer.attachment.name)
        return names

    async def attachment(self, name: str) -> Any:
        """A file with its content."""
        asked = inquiries_pb2.DownloadAttachmentRequest(name=name)
        return await told(self._inquiries.DownloadAttachment(asked, timeout=SECONDS))

    async def quality(self, resource: str) -> quality_pb2.Quality:
        """What is known of a resource's quality."""
        asked = quality_pb2.GetQualityRequest(resource=resource)
        answer = await told(self._quality.GetQuality(asked, timeout=SECONDS))
        found: quality_pb2.Quality = answer.quality
        return found

    async def measure(self, resource: str, request_id: str) -> None:
        """Begin to measure it."""
        asked = quality_pb2.MeasureQualityRequest(resource=resource, request_id=request_id)
        await told(self._quality.MeasureQuality(asked, timeout=SECONDS))

    async def runs(self, token: str = "") -> Any:
        """A page of the department's sync runs."""
        asked = syncing_pb2.ListSyncRunsRequest(
            parent=self._department, page_size=PAGE, page_token=token
        )
        return await told(self._syncing.ListSyncRuns(asked, timeout=SECONDS))

    async def run(self, name: str) -> syncing_pb2.SyncRun:
        """One of them, with its rejects."""
        asked = syncing_pb2.GetSyncRunRequest(name=name)
        answer = await told(self._syncing.GetSyncRun(asked, timeout=SECONDS))
        found: syncing_pb2.SyncRun = answer.run
        return found

    async def settle(self, name: str, *, fixed: bool, request_id: str) -> None:
        """A reject was corrected and taken, or is given up."""
        state = (
            syncing_pb2.SYNC_REJECT_STATE_FIXED
            if fixed
            else syncing_pb2.SYNC_REJECT_STATE_DISMISSED
        )
        asked = syncing_pb2.SettleSyncRejectRequest(name=name, state=state, request_id=request_id)
        await told(self._syncing.SettleSyncReject(asked, timeout=SECONDS))

    async def subscriptions(self, token: str = "") -> Any:
        """A page of the department's subscriptions."""
        asked = delivery_pb2.ListSubscriptionsRequest(
            parent=self._department, page_size=PAGE, page_token=token
        )
        return await told(self._delivery.ListSubscriptions(asked, timeout=SECONDS))

    async def subscription(self, name: str) -> delivery_pb2.Subscription:
        """One of them, with its lanes."""
        asked = delivery_pb2.GetSubscriptionRequest(name=name)
        answer = await told(self._delivery.GetSubscription(asked, timeout=SECONDS))
        found: delivery_pb2.Subscription = answer.subscription
        return found

    async def subscribed(self, grants: Iterable[str]) -> dict[str, tuple[str, Any]]:
        """What the resources of grants are called, and the grants, by grant."""
        wanted = sorted({*grants})
        answers = await asyncio.gather(
            *(
                told(self._grants.GetGrant(grants_pb2.GetGrantRequest(name=name), timeout=SECONDS))
                for name in wanted
            )
        )
        held = {name: one.grant for name, one in zip(wanted, answers, strict=True)}
        titles = await self.titles([str(one.resource) for one in held.values()])
        return {name: (titles.get(one.resource) or one.resource, one) for name, one in held.items()}

    async def labels(self, subscription: str) -> dict[str, str]:
        """What the items are called that a subscription brings, by code."""
        held = await self.subscription(subscription)
        asked = grants_pb2.GetGrantRequest(name=held.grant)
        grant = (await told(self._grants.GetGrant(asked, timeout=SECONDS))).grant
        resource = await self.resource(grant.resource)
        return {item.code: item.display_name for item in resource.items}

    async def departments(self) -> dict[str, str]:
        """What departments are called."""
        return await catalog.display_names(self.catalog)

    async def dead_letters(self, name: str, token: str = "") -> Any:
        """A page of what could not be delivered."""
        asked = delivery_pb2.ListDeadLettersRequest(parent=name, page_size=PAGE, page_token=token)
        return await told(self._delivery.ListDeadLetters(asked, timeout=SECONDS))

    async def dead_letter(self, name: str) -> Any:
        """One of them with its change, as the grant shows that now; it is a record of the log."""
        asked = delivery_pb2.GetDeadLetterRequest(name=name)
        return await told(self._delivery.GetDeadLetter(asked, timeout=SECONDS))

    async def replay(self, name: str, offsets: Sequence[int], request_id: str) -> None:
        """Deliver again these, or all that are open."""
        asked = delivery_pb2.ReplayDeadLettersRequest(
            parent=name, offsets=offsets, request_id=request_id
        )
        await told(self._delivery.ReplayDeadLetters(asked, timeout=SECONDS))

    async def give_up(
        self, name: str, offsets: Sequence[int], reason: str, request_id: str
    ) -> None:
        """Give these up."""
        asked = delivery_pb2.CloseDeadLettersRequest(
            parent=name, offsets=offsets, reason=reason, request_id=request_id
        )
        await told(self._delivery.CloseDeadLetters(asked, timeout=SECONDS))


def asking(request: Request, person: Person) -> Asking:
    """The person's questions of this portal's node."""
    return Asking(person, request.app.state.node.address)
