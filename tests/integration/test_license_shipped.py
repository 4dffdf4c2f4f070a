"""Every shipped type issued from the sample of its page: pages drawn, forms read back, no seal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from licenses.carried import carried_digest
from licenses.identifiers import LicenseIdentifier
from licenses.issuing import Request
from licenses.metadata import page_values
from licenses.model import Issuer, LicenseFormat, LicenseState
from licenses.pages.model import Text
from licenses.pages.ofd_reader import read_ofd
from licenses.server import MIGRATIONS
from licenses.types.service import Types
from runtime.database import Database
from runtime.errors import InvalidArgument
from tests.builders.license_pages import TYPES
from tests.builders.license_samples import Sample
from tests.builders.license_simulator import Fate, Process, World, compact


class Unsealed(World):
    """A node of the county whose seals leave documents as they are."""

    of: Issuer

    def issuer(self, department: str) -> Issuer:
        assert department == self.of.department
        return self.of

    def seal_document(self, document: bytes, form: LicenseFormat, **_: Any) -> bytes:
        return compact(document, 1) if form is LicenseFormat.JWT else document

    def kept(self, sha256: str) -> bytes:
        """The document of this hash."""
        return next(data for name, data in self.objects.items() if sha256 in name)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path_factory.mktemp('shipped') / 'licenses.db'}"
    made = Database(url, schema="licenses")
    made.migrate(MIGRATIONS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(database: Database) -> Unsealed:
    made = Unsealed(Fate())
    Types(database, made.clock).begin()
    return made


@pytest.mark.parametrize("name", TYPES)
def test_a_license_issued_from_the_sample_shows_the_sample(
    database: Database, world: Unsealed, name: str
) -> None:
    sample = Sample(name)
    world.of = sample.issuer
    world.clock.set(sample.noon)
    process = Process(world, database)
    order = sample.order()
    made = process.issuing.issue(
        order,
        department=sample.issuer.department,
        seal="",
        request=Request(actor=f"{sample.issuer.department}/systems/main", id=name, digest=b"d"),
    )
    assert made.state is LicenseState.ACTIVE
    # The page says what the preview shows, the identifier with its check digit included.
    assert page_values(made, sample.kind, order.pictures) == sample.shown
    assert LicenseIdentifier.parse(sample.values["ZZBS"]) == LicenseIdentifier.parse(
        made.identifier
    )
    # Each form says the same, and the text of the page is on the page.
    for form in LicenseFormat:
        data = world.kept(made.sha256(form))
        assert carried_digest(data, form) == made.metadata_sha256
    drawn = "".join(
        item.text
        for page in read_ofd(world.kept(made.ofd_sha256)).pages
        for item in page.items
        if isinstance(item, Text)
    ).replace(" ", "")
    for value in sample.shown.values():
        for text in _texts(value):
            assert text.replace(" ", "") in drawn


def _texts(value: Any) -> list[str]:
    if isinstance(value, tuple):
        return [text for row in value for text in row]
    return [value] if isinstance(value, str) else []


def test_the_wrong_day_or_sex_in_a_sample_would_be_refused(
    database: Database, world: Unsealed
) -> None:
    """What the first test proves, it would not prove of a sample that is wrong."""
    sample = Sample("marriage-certificate")
    world.of = sample.issuer
    world.clock.set(sample.noon)
    order = sample.order()
    for wrong in ({"KZ_CSRQB": "1992-08-16"}, {"KZ_XBA": "2"}):
        with pytest.raises(InvalidArgument, match=r"correct fields\.KZ_"):
            Process(world, database).issuing.issue(
                replace(order, fields={**order.fields, **wrong}, serial="1"),
                department=sample.issuer.department,
                seal="",
                request=Request(actor="a", id="wrong", digest=b"d"),
            )
