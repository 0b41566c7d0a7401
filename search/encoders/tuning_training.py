"""The child process that fine-tunes a Transformer: ``python -m search.encoders.tuning_training ORDER``.

``ORDER`` is a folder of ``tuning.py``.  A question is held against the passage that answers it, the answers
of the other questions of its batch, and passages that were mined as near to it but are no answers: InfoNCE
on the vectors that are served, at the temperature that e5 was trained with.  It goes one way, from questions
to passages, because that is how a search ranks.  Each example is a document, of whose lessons one is drawn
each time, so that the validation part has documents of its own and no batch asks twice about one.

Only the upper third of the layers learns.  Vocabulary and lower layers stay as they were, which is half of
the time and of the memory, and keeps little data from undoing what many texts of both languages have taught.
For the same reason the result lies half-way between the model before and after.

The tuned model is then exported, quantised, checked and given means of its own as every other.

Sources:
    van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding, 2018, section
        2.3 (the loss).
    Wang et al., Text Embeddings by Weakly-Supervised Contrastive Pre-training, 2022, sections 4.1, 4.2 (e5).
    Lee, Tang and Lin, What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning, 2019, section 4.
    Wortsman et al., Robust Fine-Tuning of Zero-Shot Models, CVPR 2022, section 3 (between two models).
"""

import json
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from search.child import Channel, Step, reported
from search.encoders.assembly import AVERAGING, CHECKING, EXPORTING, QUANTISING, assemble, settings_of
from search.encoders.base import Role
from search.encoders.fitted.checkpoints_training import Checkpoint
from search.encoders.fitted.loop_training import Plan, Rows, learn_on, seed_everything
from search.encoders.model_input import ModelInput
from search.encoders.names import display_name
from search.encoders.prepare import load_source
from search.encoders.prepared import Pooling
from search.encoders.source_model import SourceModel
from search.encoders.tokenization import TOKENIZER_FILES
from search.encoders.tuning import (
    CHECKPOINTS,
    LESSONS,
    ORDER,
    OUTPUT,
    PASSAGES,
    PREPARING,
    TUNING,
    TuningLesson,
    TuningPassage,
)
from search.errors import ModelRefused

PLAN = Plan(epochs=4, rate=2e-5, decay=0.01, batch=16, patience=1, most=160)
"""An epoch is ten steps, so that there is something to validate, and to go on from, every minute."""
TEMPERATURE = 0.01
TOKENS_MAX = 128
"""Pieces of a text that are read while learning; half of a passage tells what it is about."""
LEARNING_SHARE = 3
"""One of this many layers learns."""
KEPT = 0.5
"""How much of what was learned is kept."""
ASSEMBLING = (EXPORTING, QUANTISING, CHECKING, AVERAGING)

Ids = list[int]


class UpperLayers(nn.Module):  # type: ignore[misc]  # torch is not followed
    """The layers that learn, still in their places in the Transformer."""

    def __init__(self, transformer: nn.Module) -> None:
        super().__init__()
        stack = _layers(transformer)
        transformer.requires_grad_(False)
        self.layers = nn.ModuleList(list(stack)[-max(1, len(stack) // LEARNING_SHARE) :])
        self.layers.requires_grad_(True)


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes vectors as they are served, but of many texts at once and in float32."""

    transformer: nn.Module
    pooling: Pooling

    def vectors(self, texts: Sequence[Ids]) -> Tensor:
        """Return unit rows ``(len(texts), d)`` of texts by their ids."""
        lengths = torch.tensor([len(text) for text in texts])
        ids = torch.full((len(texts), int(lengths.max())), self.transformer.config.pad_token_id or 0)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = torch.tensor(text)
        inside = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        states = self.transformer(input_ids=ids, attention_mask=inside).last_hidden_state
        pooled = states[:, 0] if self.pooling == "cls" else (states * inside[:, :, None]).sum(1)
        return functional.normalize(pooled, dim=1)


class Lessons:
    """The lessons of an order by their documents, texts as ids."""

    def __init__(
        self,
        passages: Sequence[TuningPassage],
        lessons: Sequence[TuningLesson],
        ids: Callable[[str, Role], Ids],
    ) -> None:
        self._documents = torch.tensor([passage.document for passage in passages])
        self._passages = [ids(passage.text, "passage") for passage in passages]
        groups: defaultdict[int, list[tuple[TuningLesson, Ids]]] = defaultdict(list)
        for lesson in lessons:
            question = ids(lesson.question, "query")
            if question and self._passages[lesson.answer]:
                groups[lesson.group].append((lesson, question))
        self._groups = [groups[group] for group in sorted(groups)]

    def __len__(self) -> int:
        """Return how many documents are asked about."""
        return len(self._groups)

    def loss(self, reader: Reader, rows: Rows, generator: np.random.Generator) -> Tensor:
        """Return the mean loss of a lesson each of the documents ``rows``."""
        drawn = [_one_of(self._groups[row], generator) for row in rows.tolist()]
        others = [
            _one_of([each for each in lesson.others if self._passages[each]], generator)
            for lesson, _ in drawn
        ]
        numbers = [*(lesson.answer for lesson, _ in drawn), *(each for each in others if each is not None)]
        asked = reader.vectors([question for _, question in drawn])
        told = reader.vectors([self._passages[number] for number in numbers])
        documents = self._documents[numbers]
        answering = torch.stack(
            [torch.isin(documents, torch.tensor(lesson.answering)) for lesson, _ in drawn]
        )
        return info_nce(asked, told, answering)


def info_nce(asked: Tensor, told: Tensor, answering: Tensor) -> Tensor:
    """Return the mean loss of questions ``(b, d)``, of which number i is answered by row i of ``told``.

    Args:
        asked: unit rows.
        told: unit rows ``(p, d)``, the answers first.
        answering: ``(b, p)``, true where a passage's document answers the question.
    """
    right = torch.arange(len(asked))
    against = answering.clone()
    against[right, right] = False
    scores = (asked @ told.T / TEMPERATURE).masked_fill(against, float("-inf"))
    return functional.cross_entropy(scores, right)


def tune(
    source: SourceModel, lessons: Lessons, kept: Checkpoint, seed: int, progress: Callable[[int, int], None]
) -> None:
    """Fine-tune the Transformer of ``source`` in place, from where its checkpoint stands.

    Raises:
        ModelRefused: it has no layers that could learn.
    """
    seed_everything(seed)
    upper, reader = UpperLayers(source.transformer), Reader(source.transformer, source.pooling)
    before = {name: weight.clone() for name, weight in upper.state_dict().items()}
    learn_on(
        kept,
        seed,
        progress,
        upper,
        lambda rows, generator: lessons.loss(reader, rows, generator),
        len(lessons),
        PLAN,
    )
    with torch.no_grad():
        for name, weight in upper.state_dict().items():
            weight.lerp_(before[name], 1 - KEPT)
    source.transformer.requires_grad_(False).eval()


def read_rows(file: Path, kind: Callable[..., Any]) -> list[Any]:
    """Return the records of a file of lines."""
    with file.open("rb") as stream:
        return [kind(**json.loads(line)) for line in stream]


def _layers(transformer: nn.Module) -> nn.ModuleList:
    stacks = [part for part in transformer.modules() if isinstance(part, nn.ModuleList)]
    if not stacks:
        raise ModelRefused("this model has no stack of layers that could be fine-tuned; choose a Transformer")
    return max(stacks, key=len)


def _one_of(things: Sequence[Any], generator: np.random.Generator) -> Any:
    place = int(generator.integers(max(len(things), 1)))
    return things[place] if things else None


def _lessons(order: Path, source: SourceModel, scratch: Path) -> Lessons:
    (scratch / TOKENIZER_FILES[source.tokenizer_kind]).write_bytes(source.tokenizer)
    settings = settings_of(source, scratch)
    short = replace(settings, max_tokens=min(TOKENS_MAX, settings.max_tokens))
    passages = read_rows(order / PASSAGES, TuningPassage)
    return Lessons(passages, read_rows(order / LESSONS, TuningLesson), ModelInput(scratch, short).ids)


def _checkpoint(order: Path, made_of: str) -> Checkpoint:
    recipe = json.dumps([made_of, asdict(PLAN), TEMPERATURE, TOKENS_MAX, LEARNING_SHARE])
    return Checkpoint(order / CHECKPOINTS / "upper.safetensors", sha256(recipe.encode()).hexdigest())


def main() -> None:
    """Fine-tune and prepare as the folder says that the command line names."""
    order = Path(sys.argv[1])
    channel = Channel()
    facts = json.loads((order / ORDER).read_text("utf-8"))
    output, scratch = order / OUTPUT, order / "scratch"
    # The quantiser keeps a float32 copy among temporary files; it belongs on the disk with the room.
    tempfile.tempdir = str(scratch)
    with reported(channel, "the disk is full; free some space and train again"):
        for empty in (output, scratch):
            shutil.rmtree(empty, ignore_errors=True)  # what a killed one left
            empty.mkdir()
        source = load_source(facts["base"])
        lessons = _lessons(order, source, scratch)
        tune(
            source,
            lessons,
            _checkpoint(order, facts["made_of"]),
            facts["seed"],
            lambda done, total: channel.step(Step(TUNING, done, total)),
        )
        assemble(
            f"{display_name(facts['base'])}, fine-tuned",
            replace(source, origin=f"{source.origin}, fine-tuned on a collection"),
            output,
            scratch,
            lambda step: channel.step(Step(PREPARING, ASSEMBLING.index(step), len(ASSEMBLING))),
            {"made_of": facts["made_of"], "base": facts["base"]},
        )
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
