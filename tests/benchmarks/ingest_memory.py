"""The peak memory of ``xunyi ingest`` of a generated JSONL of 300 MB, against that of one of 3 MB.

The files repeat a few hundred distinct texts under ever new keys.  A text that was encoded once is not
encoded again, so that minutes are enough; everything else (reading, hashing, cutting, storing, the caches
at the end) does its whole work.  The small file holds every distinct text already.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tests.benchmarks.demo_corpus import Unit, units
from tests.benchmarks.processes import MEBIBYTE, PeakMemory, xunyi
from tests.benchmarks.report import Options, Outcome, Target

SMALL_BYTES = 3_000_000
LARGE_BYTES = 300_000_000
GROWTH_MB_MAX = 150.0
MEGABYTE = 1_000_000
DISTINCT_TEXTS = 300
SENTENCES = (10, 40)
"""Sentences of a text, from and to."""
SEED = 3


def run(options: Options) -> Outcome:
    """Ingest both files, each into an empty home."""
    small, large = (_ingested(options, size) for size in (SMALL_BYTES, LARGE_BYTES))
    growth = (large["peak_resident_mib"] - small["peak_resident_mib"]) * MEBIBYTE / MEGABYTE
    anonymous = (large["peak_anonymous_mib"] - small["peak_anonymous_mib"]) * MEBIBYTE / MEGABYTE
    return Outcome(
        settings={"distinct_texts": DISTINCT_TEXTS, "seed": SEED},
        measured={"small": small, "large": large, "growth_mb": growth, "anonymous_growth_mb": anonymous},
        targets=[Target("peak resident memory above that of the small file, MB", growth, GROWTH_MB_MAX)],
    )


def _ingested(options: Options, size: int) -> Mapping[str, Any]:
    source = options.work / f"ingest-{size // MEGABYTE}mb.jsonl"
    home = options.work / f"ingest-{size // MEGABYTE}mb-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "models").symlink_to(options.models)
    written = _write(source, size)
    started = perf_counter()
    command = xunyi("ingest", str(source), "--home", str(home), "--json")
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
        PeakMemory(process) as peak,
    ):
        output = process.communicate()[0]
    summary = json.loads(output)
    if summary["created"] != written or process.returncode:
        raise RuntimeError(f"{summary['created']} of {written} records were stored")
    source.unlink()
    shutil.rmtree(home)
    return {
        "bytes": size,
        "documents": written,
        "passages": summary["passages"],
        "seconds": perf_counter() - started,
        "peak_resident_mib": peak.resident / MEBIBYTE,
        "peak_anonymous_mib": peak.anonymous / MEBIBYTE,
    }


def _write(path: Path, size: int) -> int:
    """Write records up to ``size`` bytes; return how many."""
    written = count = 0
    with path.open("wb") as stream:
        for line in _lines():
            written += stream.write(line)
            count += 1
            if written >= size:
                return count
    raise AssertionError("the lines do not end")


def _lines() -> Iterator[bytes]:
    rng = np.random.default_rng(SEED)
    known = units()
    texts = [_text(known, rng) for _ in range(DISTINCT_TEXTS)]
    number = 0
    while True:
        title, text = texts[number % DISTINCT_TEXTS]
        record = {"_id": f"record-{number:08d}", "title": title, "text": text, "number": number}
        yield (json.dumps(record, ensure_ascii=False) + "\n").encode()
        number += 1


def _text(known: Sequence[Unit], rng: np.random.Generator) -> tuple[str, str]:
    chosen = [known[place] for place in rng.choice(len(known), rng.integers(*SENTENCES))]
    return chosen[0].title, " ".join(unit.text for unit in chosen)
