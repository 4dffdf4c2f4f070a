"""The libraries that are shipped: whole, within the catalog's rules, one element one meaning."""

import pytest
from google.protobuf.json_format import ParseDict

from exchange.catalog import directory
from exchange.catalog.libraries import WORDS, libraries
from exchange.catalog.messages import resource_of
from exchange.catalog.rules import BASE_LIBRARIES
from exchange.v1 import catalog_pb2 as pb
from tests.builders.catalog import CIVIL


def resources(word: str):
    return [
        resource_of(ParseDict(body, pb.DataResource())) for body in libraries()[word].bodies(CIVIL)
    ]


def every():
    return [resource for word in WORDS for resource in resources(word)]


@pytest.mark.parametrize("word", WORDS)
def test_a_library_may_be_put_into_a_catalog(word):
    library = libraries()[word]
    assert library.word == word
    assert "不是任何国家标准的条文" in library.note
    plan = directory.plan(resources(word), held={}, departments=[CIVIL])
    assert plan.added == len(library.resources) > 0


def test_the_four_base_libraries_and_two_themes_are_there():
    assert {r.base_library for r in every()} == BASE_LIBRARIES
    assert {r.theme for r in every()} == {"", "project_code", "credit"}
    assert any(item.type == "G" for r in resources("spatial") for item in r.items)


def test_names_and_codes_are_of_one_resource():
    for key in ("name", "code"):
        said = [getattr(resource, key) for resource in every()]
        assert len(set(said)) == len(said)
    codes = {resource.code for resource in every()}
    assert all(set(resource.related_resources) <= codes for resource in every())


def test_every_item_names_an_element_and_one_element_means_one_thing():
    meaning: dict[str, tuple[str, str]] = {}
    for resource in every():
        for item in resource.items:
            assert item.element, (resource.name, item.code)
            said = (item.type.value, item.standard)
            assert meaning.setdefault(item.element, said) == said
