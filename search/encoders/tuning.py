"""The fine-tuning of a Transformer: what is handed to the child process, and the child process itself.

<order>/tuning.json      the model to begin with, seed, and the digest of all that the result depends on
        passages.jsonl   document and text of each passage
        lessons.jsonl    a question, the passage that answers it, and passages that do not
        checkpoints/     what outlives a killed training
        output/          the prepared folder (``prepared.py``) that the child makes

``tuning_training.py`` is the child, the only one of the two that imports torch.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from search.child import Progress, run_child
from search.encoders.prepared import FORMAT, PreparedModel, read_prepared

TUNING, PREPARING = "fine-tuning", "preparing the model"
RECIPE = 1
"""Counts up where the same lessons are to give another model."""
ORDER, PASSAGES, LESSONS, CHECKPOINTS, OUTPUT = (
    "tuning.json",
    "passages.jsonl",
    "lessons.jsonl",
    "checkpoints",
    "output",
)


@dataclass(frozen=True, slots=True)
class TuningPassage:
    """A passage as the model reads it."""

    document: int
    text: str


@dataclass(frozen=True, slots=True)
class TuningLesson:
    """A question with a passage that answers it; passages are numbered by their place."""

    question: str
    answer: int
    others: Sequence[int]
    """Passages near the question that do not answer it, at least one."""
    answering: Sequence[int]
    """All documents that answer it: none of their passages is held against it."""
    group: int
    """The document it is about; lessons of one group are learned from or validated on together."""


def write_order(
    order: Path, base: str, seed: int, passages: Sequence[TuningPassage], lessons: Sequence[TuningLesson]
) -> str:
    """Write out what a model is to learn; return the digest of all that the result depends on.

    Checkpoints of other lessons are deleted.
    """
    order.mkdir(parents=True, exist_ok=True, mode=0o700)
    facts = {
        "base": base,
        "seed": seed,
        "recipe": RECIPE,
        "format": FORMAT,
        "versions": [version(library) for library in ("torch", "transformers", "onnxruntime")],
    }
    state = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, rows in ((PASSAGES, passages), (LESSONS, lessons)):
        with (order / name).open("wb") as stream:
            for row in rows:
                line = json.dumps(asdict(row)).encode() + b"\n"
                state.update(line)
                stream.write(line)
    made_of = state.hexdigest()
    if _made_of(order) != made_of:
        shutil.rmtree(order / CHECKPOINTS, ignore_errors=True)
    (order / ORDER).write_text(json.dumps({**facts, "made_of": made_of}), "utf-8")
    return made_of


def forget_lessons(order: Path) -> None:
    """Delete the texts that were written out to learn from."""
    for name in (PASSAGES, LESSONS):
        (order / name).unlink(missing_ok=True)


def run(order: Path, progress: Progress) -> PreparedModel:
    """Fine-tune and prepare the model of ``order`` in a child process; return what it made.

    Raises:
        ModelRefused: the model cannot be fine-tuned, or is unfaithful once exported.
        ModelUnavailable: the model to begin with cannot be had.
        StorageFull: the disk cannot hold it.
        Killed: a signal ended the child; another run goes on from its last checkpoint.
    """
    run_child("search.encoders.tuning_training", [str(order.resolve())], progress)
    return read_prepared(order / OUTPUT)


def _made_of(order: Path) -> str | None:
    try:
        made_of: str = json.loads((order / ORDER).read_text("utf-8"))["made_of"]
    except (OSError, ValueError, KeyError):
        return None  # nothing there, or half of it
    return made_of
