"""The fit of an encoder: what is handed to the child process, and the child process itself.

<order>/fit.json          kind, seed, where the words of the analysis lie, and the files of the fit before
        passages.jsonl    document, heading and text of each passage
        given             a file of vectors made elsewhere, where one was given
        checkpoints/      what outlives a killed trainer
        output/           what the trainer writes
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from search.artifacts import DamagedArtifact, fingerprint_of, seal
from search.child import Channel, Progress, Step, reported, run_child
from search.encoders.fitted.base import Fit, FittedEncoder, LearningPassage
from search.encoders.fitted.catalog import OPENERS, TRAINERS
from search.errors import TooLarge
from search.text.analyzer import Analyzer

FITTING = "fitting"
FORMAT = 1
FACTS = "encoder.json"
_ORDER, _PASSAGES, _CHECKPOINTS, _OUTPUT = "fit.json", "passages.jsonl", "checkpoints", "output"
_GIVEN = "given"
GIVEN_BYTES_MAX = 2_000_000_000
"""Of a file of vectors: 100 million numbers of 20 characters."""
_BLOCK_BYTES = 1 << 20


def write_passages(order: Path, passages: Iterable[LearningPassage]) -> str:
    """Write what an encoder is to learn from; return its digest."""
    order.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with (order / _PASSAGES).open("wb") as stream:
        for passage in passages:
            line = json.dumps(asdict(passage), ensure_ascii=False).encode() + b"\n"
            digest.update(line)
            stream.write(line)
    return digest.hexdigest()


def forget_passages(order: Path) -> None:
    """Delete what was written out to learn from."""
    for name in (_PASSAGES, _GIVEN):
        (order / name).unlink(missing_ok=True)


def write_given(order: Path, vectors: BinaryIO) -> str:
    """Keep a file of vectors that were made elsewhere; return its digest.

    Raises:
        TooLarge: it has more than ``GIVEN_BYTES_MAX``.
    """
    digest, size = hashlib.sha256(), 0
    with (order / _GIVEN).open("wb") as stream:
        while block := vectors.read(_BLOCK_BYTES):
            size += len(block)
            if size > GIVEN_BYTES_MAX:
                raise TooLarge(
                    f"the file of vectors has more than {GIVEN_BYTES_MAX} bytes; leave rare words out"
                )
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


def run(
    order: Path,
    kind: str,
    seed: int,
    dictionaries: Path | None,
    previous: Path | None,
    progress: Progress,
    options: Mapping[str, Any],
) -> Path:
    """Fit a kind on the passages of ``order`` in a child process; return the sealed folder it wrote.

    Raises:
        InvalidInput: the options do not fit the collection.
        TooLittleToLearn: there are too few words for this kind.
        StorageFull: the disk cannot hold it.
        Killed: a signal ended the child.
    """
    (order / _CHECKPOINTS).mkdir(exist_ok=True)
    output = order / _OUTPUT
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    facts = {
        "kind": kind,
        "seed": seed,
        "dictionaries": dictionaries and str(dictionaries),
        "previous": previous and str(previous),
        "options": options,
    }
    (order / _ORDER).write_text(json.dumps(facts), "utf-8")
    run_child("search.encoders.fitted.fitting", [str(order)], progress)
    return output


def open_fitted(kind: str, folder: Path, fingerprint: str, analyzer: Analyzer) -> FittedEncoder:
    """Open a fit after checking every byte of it.

    Raises:
        DamagedArtifact: it is missing, not what was written, or made of words of another analysis.
    """
    if not folder.is_dir():
        raise DamagedArtifact("its folder is missing")
    if fingerprint_of(folder) != fingerprint:
        raise DamagedArtifact("it is another one than the database names")
    facts = json.loads((folder / FACTS).read_text("utf-8"))
    expected = {"format": FORMAT, "kind": kind, "analyzer": analyzer.version}
    if facts != expected:
        raise DamagedArtifact("it was made by another version of the program, whose words were others")
    return OPENERS.create(kind, folder=folder, analyzer=analyzer)


def _read_passages(order: Path) -> list[LearningPassage]:
    with (order / _PASSAGES).open("rb") as stream:
        return [LearningPassage(**json.loads(line)) for line in stream]


def main() -> None:
    """Fit as the folder says that the command line names."""
    order = Path(sys.argv[1])
    channel = Channel()
    facts = json.loads((order / _ORDER).read_text("utf-8"))
    analyzer = Analyzer(facts["dictionaries"] and Path(facts["dictionaries"]))
    with reported(channel, "the disk is full; free some space and train again"):
        fit = Fit(
            passages=_read_passages(order),
            analyzer=analyzer,
            seed=facts["seed"],
            output=order / _OUTPUT,
            checkpoints=order / _CHECKPOINTS,
            previous=facts["previous"] and Path(facts["previous"]),
            progress=lambda done, total: channel.step(Step(FITTING, done, total)),
            given=order / _GIVEN if (order / _GIVEN).exists() else None,
            options=facts["options"],
        )
        TRAINERS.create(facts["kind"], fit=fit)
        told = {"format": FORMAT, "kind": facts["kind"], "analyzer": analyzer.version}
        (order / _OUTPUT / FACTS).write_text(json.dumps(told), "utf-8")
        seal(order / _OUTPUT)


if __name__ == "__main__":
    main()
