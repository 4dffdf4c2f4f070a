"""The list of files of a bundle of evidence."""

from __future__ import annotations

from seal.evidence.manifest import digests_of, read_manifest, write_manifest


def test_the_list_is_read_in_its_one_form_only():
    listed = {"document.ofd": digests_of([b"x"]), "verdict.json": digests_of([b"y"])}
    for stamped_too in (True, False):
        data = write_manifest(listed, time_stamped=stamped_too)
        assert read_manifest(data) == (listed, stamped_too)
