"""Checking (fsck) that every cosignature is what its witness signed of a checkpoint that is there.

That one was removed, nothing says: who handed it in has it, and evidence with it stays good.
"""

from __future__ import annotations

from exchange.audit.note import NoteError, WitnessVerifier, read_signature, split_note
from exchange.audit.witnesses.store import WitnessReader


def first_bad(reader: WitnessReader) -> tuple[int, str] | None:
    """Size and witness's name of the first that is not good; None if all are."""
    for size, line, key, note in reader.every():
        verifier = WitnessVerifier(key)
        try:
            if note is None:
                return size, verifier.name
            name, value = read_signature(line)
            if name != verifier.name or value[:4] != verifier.key_id:
                return size, verifier.name
            verifier.check_cosignature(split_note(note)[0], value[4:])
        except NoteError:
            return size, verifier.name
    return None
