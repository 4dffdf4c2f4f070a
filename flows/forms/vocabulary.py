"""The words of DCAT-AP 3.0 that a catalog is told in, and ours beside them.

What DCAT-AP has a word for is said with it, by the controlled vocabularies of the EU that it names;
what it cannot say (items, the guide's classes, sharing under conditions, service items) is said in
our own namespace, `tb:`. The context stands in the document: nothing is fetched to read it.
"""

from __future__ import annotations

from typing import Any

TONGBAN = "urn:tongban:"
PROFILE = "urn:tongban:profiles/catalog-dcat-ap/1"
DCAT_AP = "https://semiceu.github.io/DCAT-AP/releases/3.0.0/"

CONTEXT: dict[str, Any] = {
    "adms": "http://www.w3.org/ns/adms#",
    "cpsv": "http://purl.org/vocab/cpsv#",
    "cv": "http://data.europa.eu/m8g/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "eli": "http://data.europa.eu/eli/ontology#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "tb": "urn:tongban:terms/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}

_EU = "http://publications.europa.eu/resource/authority/"
LANGUAGE = f"{_EU}language/ZHO"
THEMES = f"{_EU}data-theme"
ACCESS_RIGHTS = {
    word: f"{_EU}access-right/{word}" for word in ("PUBLIC", "RESTRICTED", "NON_PUBLIC")
}
#: 更新周期 by the frequency authority table.
FREQUENCIES = {
    "real_time": f"{_EU}frequency/UPDATE_CONT",
    "daily": f"{_EU}frequency/DAILY",
    "weekly": f"{_EU}frequency/WEEKLY",
    "monthly": f"{_EU}frequency/MONTHLY",
    "quarterly": f"{_EU}frequency/QUARTERLY",
    "half_yearly": f"{_EU}frequency/ANNUAL_2",
    "yearly": f"{_EU}frequency/ANNUAL",
}
#: The data-theme authority table by base library; where there is none, government.
DATA_THEMES = {
    "": "GOVE",
    "population": "SOCI",
    "legal_entity": "ECON",
    "spatial": "REGI",
    "license": "GOVE",
}
_PUBLISHERS = "http://purl.org/adms/publishertype/"
PUBLISHER_TYPES = {
    "national": f"{_PUBLISHERS}NationalAuthority",
    "province": f"{_PUBLISHERS}RegionalAuthority",
    "city": f"{_PUBLISHERS}LocalAuthority",
    "county": f"{_PUBLISHERS}LocalAuthority",
    "township": f"{_PUBLISHERS}LocalAuthority",
}


def data_theme(base_library: str) -> str:
    """The theme of a resource."""
    return f"{THEMES}/{DATA_THEMES.get(base_library, 'GOVE')}"
