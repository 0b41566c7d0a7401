"""The child process that prepares one model: ``python -m search.encoders.prepare NAME MODELS_FOLDER``.

Source, ONNX, int8, fidelity, means, then one folder moved into place whole.  A lock on a file in
the models folder lets one process prepare a model while others wait; it dies with its
process, and what a killed one left behind is swept up by the next.  ``search.encoders.preparation``
starts this and reads its messages.
"""

import errno
import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

from search.arrays import Matrix
from search.artifacts import DamagedArtifact, publish
from search.encoders.base import Language, Role
from search.encoders.built_in_texts import passages, questions
from search.encoders.export import export_float32, quantise
from search.encoders.fidelity import Fidelity, measure, refuse_unfaithful
from search.encoders.names import SOURCES, folder_name
from search.encoders.onnx_runtime import Graph, pooled
from search.encoders.prepared import GRAPH, Means, Settings, read_prepared, write_prepared
from search.encoders.sources import SourceModel, from_hub_or_folder
from search.encoders.tokenization import TOKENIZER_FILES, open_tokenizer
from search.errors import SearchError, StorageFull

WAITING = "waiting for another process that prepares it"
STEPS = (
    WAITING,
    "reading the model",
    "exporting it to ONNX",
    "quantising it to int8",
    "checking its fidelity",
    "computing its means",
    "storing it",
)
QUESTIONS_COMPARED = 60
LIBRARIES = ("onnxruntime", "torch", "transformers", "sentence-transformers", "tokenizers", "sentencepiece")


class Channel:
    """JSON lines to the parent; what libraries print is kept out of it."""

    def __init__(self) -> None:
        self._stream: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def step(self, name: str) -> None:
        """Report that the step ``name`` begins."""
        self._send({"step": {"name": name, "number": STEPS.index(name), "total": len(STEPS) - 1}})

    def failure(self, error: SearchError) -> None:
        """Report the failure that ends the preparation."""
        self._send({"failure": {"code": error.code, "message": str(error), "details": error.details}})

    def _send(self, message: dict[str, Any]) -> None:
        print(json.dumps(message), file=self._stream, flush=True)


def main() -> int:
    """Prepare the model that the command line names; 1 after a reported failure."""
    name, models_folder = sys.argv[1], Path(sys.argv[2])
    channel = Channel()
    # On a busy machine torch's threads wait for each other longer than they compute.
    torch.set_num_threads(1)
    try:
        with locked(models_folder / f".{folder_name(name)}.lock", channel):
            prepare_once(name, models_folder, channel)
    except SearchError as error:
        channel.failure(error)
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        channel.failure(
            StorageFull(f"the disk is full; free some space to prepare the model {name}", model=name)
        )
        return 1
    return 0


@contextmanager
def locked(file: Path, channel: Channel) -> Iterator[None]:
    """Hold the lock on ``file``, waiting for whoever has it."""
    with file.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            channel.step(WAITING)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def prepare_once(name: str, models_folder: Path, channel: Channel) -> None:
    """Prepare ``name`` unless another process did so meanwhile; the lock is held."""
    folder = models_folder / folder_name(name)
    if _is_whole(folder):
        return
    aside = models_folder / f".{folder.name}.preparing"
    _remove(aside)
    aside.mkdir()
    # The quantiser keeps a float32 copy among temporary files; it belongs on the disk with the room.
    tempfile.tempdir = str(aside)
    try:
        _build(name, aside, channel)
        _replace(folder, aside)
    finally:
        _remove(aside)


def _is_whole(folder: Path) -> bool:
    try:
        read_prepared(folder)
    except DamagedArtifact:
        return False
    return True


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _replace(folder: Path, aside: Path) -> None:
    """Publish ``aside`` as ``folder``; whoever maps the files of a damaged predecessor keeps them."""
    damaged = folder.with_name(f".{folder.name}.damaged")
    _remove(damaged)
    if folder.exists():
        folder.rename(damaged)
    publish(aside, folder)
    _remove(damaged)


def _build(name: str, folder: Path, channel: Channel) -> None:
    channel.step("reading the model")
    source = _load(name)
    check_room(folder, name, sum(tensor.nbytes for tensor in source.transformer.parameters()))
    (folder / TOKENIZER_FILES[source.tokenizer_kind]).write_bytes(source.tokenizer)
    settings = _settings(source, folder)

    channel.step("exporting it to ONNX")
    float32 = folder / "float32.onnx"
    export_float32(source.transformer, float32)
    channel.step("quantising it to int8")
    quantise(float32, folder / GRAPH)
    float32.unlink()

    channel.step("checking its fidelity")
    graph = Graph(folder, settings)
    fidelity = _fidelity(source, graph)
    refuse_unfaithful(fidelity)
    channel.step("computing its means")
    means = _means(graph, source.languages)
    channel.step("storing it")
    report = {
        "origin": source.origin,
        "fidelity": asdict(fidelity),
        "versions": {library: version(library) for library in LIBRARIES},
    }
    write_prepared(folder, name, settings, means, report)


def check_room(folder: Path, name: str, float32_bytes: int) -> None:
    """Raise ``StorageFull`` unless the disk holds what a model of this size needs for a while."""
    # The exported graph, the quantiser's copy of it, and the int8 form: libraries that meet a full
    # disk half-way say nothing a user could act on.
    needed, free = 2.5 * float32_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise StorageFull(
            f"preparing the model {name} needs {needed / 1e6:.0f} MB of disk for a while and "
            f"{free / 1e6:.0f} MB are free; free some space and try again",
            model=name,
        )


def _load(name: str) -> SourceModel:
    if name not in SOURCES:
        return from_hub_or_folder(name)
    module, _, function = SOURCES[name].partition(":")
    source: SourceModel = getattr(import_module(module), function)()
    return source


def _settings(source: SourceModel, folder: Path) -> Settings:
    tokenizer = open_tokenizer(source.tokenizer_kind, folder)
    longest_prompt = max(tokenizer.count(prompt) for prompt in source.prompts.values())
    special = len(source.begin_ids) + len(source.end_ids)
    return Settings(
        dimension=source.transformer.config.hidden_size,
        max_tokens=source.sequence_tokens - special - longest_prompt,
        pooling=source.pooling,
        prompts=source.prompts,
        begin_ids=source.begin_ids,
        end_ids=source.end_ids,
        tokenizer=source.tokenizer_kind,
    )


def _fidelity(source: SourceModel, graph: Graph) -> Fidelity:
    """Compare both models on the shipped passages and some questions of the model's languages."""
    kinds: list[tuple[Sequence[str], Role]] = []
    for language in source.languages:
        kinds += [(passages(language), "passage"), (questions(language)[:QUESTIONS_COMPARED], "query")]
    return measure(
        [(graph.encode(texts, role), _reference(source, graph, texts, role)) for texts, role in kinds]
    )


def _reference(source: SourceModel, graph: Graph, texts: Sequence[str], role: Role) -> Matrix:
    """Return the float32 model's unit rows of ``texts``."""
    rows = []
    for text in texts:
        with torch.inference_mode():
            output = source.transformer(input_ids=torch.tensor([graph.input_ids(text, role)]))
        rows.append(pooled(output.last_hidden_state[0].numpy(), source.pooling))
    return np.stack(rows)


def _means(graph: Graph, languages: tuple[Language, ...]) -> Means:
    queries = {language: graph.encode(questions(language), "query").mean(axis=0) for language in languages}
    texts = [text for language in languages for text in passages(language)]
    return Means(queries, graph.encode(texts, "passage").mean(axis=0))


if __name__ == "__main__":
    sys.exit(main())
