"""What may follow a signature in a PDF: pyHanko's comparison of revisions, with less allowed.

Its own policy lets form fields be filled in, which changes what is seen. Ours lets signatures be
added, and evidence.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from typing import Final

from pyhanko.sign.diff_analysis import (
    CatalogModificationRule,
    DocInfoRule,
    DSSCompareRule,
    FormUpdatingRule,
    MetadataUpdateRule,
    ModificationLevel,
    ObjectStreamRule,
    SigFieldCreationRule,
    SigFieldModificationRule,
    StandardDiffPolicy,
    XrefStreamRule,
)

_LEVEL: Final = ModificationLevel.LTA_UPDATES
# pyHanko's own policy without filled fields: a later signature may be added, nothing else.
ONLY_SIGNATURES: Final = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule(),
        DocInfoRule().as_qualified(_LEVEL),
        XrefStreamRule().as_qualified(_LEVEL),
        ObjectStreamRule().as_qualified(_LEVEL),
        DSSCompareRule().as_qualified(_LEVEL),
        MetadataUpdateRule().as_qualified(_LEVEL),
    ],
    form_rule=FormUpdatingRule(field_rules=[SigFieldCreationRule(), SigFieldModificationRule()]),
)
# After the last signature: what a verifier needs, and judges by itself.
ONLY_EVIDENCE: Final = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule(ignored_keys=frozenset({"/DSS", "/Extensions", "/Version"})),
        XrefStreamRule().as_qualified(_LEVEL),
        ObjectStreamRule().as_qualified(_LEVEL),
        DSSCompareRule().as_qualified(_LEVEL),
    ],
    form_rule=None,
)
