"""A process that verifies, told by lines what to do: `python -m tests.benchmarks.verifying_worker`.

It imports what a verifier does and no more, so that its memory is that of one.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from runtime.clock import SYSTEM
from seal import libcrypto
from seal.model import Indication
from seal.pki.certificates import parse_certificate
from seal.ses import parse_seal
from seal.trust import TrustAnchor, TrustStore
from seal.verify import assess
from tests.benchmarks.operations import noted
from tongban.verifying import Question, judge_file
from tongban.verifying_many import collect_seldom

CORES = 2


class Bench:
    """The documents of a folder, and the SM2 verifications they need."""

    def __init__(self, made: Path) -> None:
        root = (made / "root.cer").read_bytes()
        begin = parse_certificate(root).not_before
        anchor = TrustAnchor(name="root", certificate=root, valid_from=begin)
        self.store = TrustStore(anchors=(anchor,))
        self.now = SYSTEM.now()
        self.documents = [one.read_bytes() for one in sorted((made / "documents").iterdir())]
        self.large = made / "large.ofd"
        for document in self.documents:
            self.judge(document)  # the certificates, keys and seals are known from now on
        self.done: list[list[tuple[Any, ...]]] = []
        for document in self.documents:
            with noted() as operations:
                self.judge(document)
            self.done.append(list(operations.verifications))
        seals = [_of_seal(one.read_bytes()) for one in sorted(made.glob("*.esl"))]
        self.needed = [[seals[number % len(seals)], *done] for number, done in enumerate(self.done)]

    def judge(self, document: bytes) -> int:
        verdict = assess(document, store=self.store, now=self.now)
        if verdict.indication is not Indication.PASSED:
            raise RuntimeError(f"a sealed document is not good: {verdict.summary}")
        return len(verdict.all_checks())

    def facts(self) -> dict[str, Any]:
        count = len(self.documents)
        return {
            "needed": sum(map(len, self.needed)) / count,
            "done": sum(map(len, self.done)) / count,
            "bytes": sum(map(len, self.documents)) // count,
            "checks": self.judge(self.documents[0]),
        }

    def rate(self, what: str, seconds: float) -> dict[str, float]:
        """Documents a second of wall clock, and seconds of processor a document."""
        acts: dict[str, tuple[Any, Sequence[Any]]] = {
            "judge": (self.judge, self.documents),
            "sm2": (_again, self.needed),
            "sm2 done": (_again, self.done),
        }
        act, items = acts[what]
        begun, spent, done = time.perf_counter(), time.process_time(), 0
        for item in cycle(items):
            act(item)
            done += 1
            took = time.perf_counter() - begun
            if took >= seconds:
                break
        return {"rate": done / took, "cpu": (time.process_time() - spent) / done}

    def threads(self, seconds: float) -> dict[str, float]:
        """`rate` of documents, by as many threads as there are cores."""
        rates: list[float] = []
        each = [
            threading.Thread(target=lambda: rates.append(self.rate("judge", seconds)["rate"]))
            for _ in range(CORES)
        ]
        for thread in each:
            thread.start()
        for thread in each:
            thread.join()
        return {"rate": sum(rates)}

    def judge_large(self) -> dict[str, float]:
        """The large one from its file, and what that took."""
        before = _resident("VmRSS")
        began = time.perf_counter()
        found = judge_file(self.large, Question(), store=lambda: self.store, now=self.now)
        took = time.perf_counter() - began
        if found.indication is not Indication.PASSED:
            raise RuntimeError("the large document is not good")
        peak = _resident("VmHWM")
        files = _resident("RssFile")
        return {"peak": peak, "growth": peak - before, "files": files, "seconds": took}


def _of_seal(data: bytes) -> tuple[libcrypto.Key, bytes, bytes]:
    """The SM2 verification that a seal needs."""
    seal = parse_seal(data)
    key = libcrypto.public_key(parse_certificate(seal.maker_certificate).public_key)
    if key is None:
        raise RuntimeError("the seal's maker has no SM2 key")
    return key, seal.signed_bytes, seal.signature


def _again(verifications: Sequence[tuple[Any, ...]]) -> None:
    for one in verifications:
        if not libcrypto.verify(*one):
            raise RuntimeError("an SM2 signature is not good")


def _resident(what: str) -> float:
    """A figure of this process's memory, MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(what)) / 1024


def _serve(made: Path) -> None:
    """Answer line by line, until told to end."""
    bench = Bench(made)
    collect_seldom()  # as the processes that verify many files do, and a node
    print("{}", flush=True)
    for line in sys.stdin:
        what, _, seconds = line.strip().rpartition(" ")
        if seconds == "end":
            return
        if seconds == "facts":
            told = bench.facts()
        elif seconds == "large":
            told = bench.judge_large()
        elif what == "threads":
            told = bench.threads(float(seconds))
        else:
            told = bench.rate(what, float(seconds))
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
