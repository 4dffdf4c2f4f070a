"""What the data officer's pages ask of the services, as the person themself."""

from __future__ import annotations

from typing import Any, Final

from exchange.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    corrections_pb2,
    corrections_pb2_grpc,
    delivery_pb2,
    delivery_pb2_grpc,
    inquiries_pb2,
    inquiries_pb2_grpc,
)
from portal.node import told
from portal.sessions.keeping import Person

SECONDS: Final = 30
PAGE: Final = 50


class Asking:
    """One person's questions and acts."""

    def __init__(self, person: Person, node: str) -> None:
        channel = person.channel(node)
        self._department = person.department
        self._catalog: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._corrections: Any = corrections_pb2_grpc.CorrectionServiceStub(channel)
        self._inquiries: Any = inquiries_pb2_grpc.InquiryServiceStub(channel)
        self._delivery: Any = delivery_pb2_grpc.DeliveryServiceStub(channel)

    async def resources(self, token: str = "") -> Any:
        """A page of the department's own resources."""
        asked = catalog_pb2.ListDataResourcesRequest(
            parent=self._department, page_size=PAGE, page_token=token
        )
        return await told(self._catalog.ListDataResources(asked, timeout=SECONDS))

    async def resource(self, name: str) -> catalog_pb2.DataResource:
        """A resource."""
        asked = catalog_pb2.GetDataResourceRequest(name=name)
        answer = await told(self._catalog.GetDataResource(asked, timeout=SECONDS))
        found: catalog_pb2.DataResource = answer.resource
        return found

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

    async def answer_inquiry(self, name: str, answer: str, request_id: str) -> None:
        """Answer a question of another department."""
        asked = inquiries_pb2.AnswerInquiryRequest(name=name, answer=answer, request_id=request_id)
        await told(self._inquiries.AnswerInquiry(asked, timeout=SECONDS))

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

    async def dead_letters(self, name: str, token: str = "") -> Any:
        """A page of what could not be delivered."""
        asked = delivery_pb2.ListDeadLettersRequest(parent=name, page_size=PAGE, page_token=token)
        return await told(self._delivery.ListDeadLetters(asked, timeout=SECONDS))

    async def replay(self, name: str, request_id: str) -> int:
        """Deliver again what is open; how many."""
        asked = delivery_pb2.ReplayDeadLettersRequest(parent=name, request_id=request_id)
        answer = await told(self._delivery.ReplayDeadLetters(asked, timeout=SECONDS))
        return len(answer.dead_letters)
