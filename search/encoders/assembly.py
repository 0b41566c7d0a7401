"""Makes a prepared folder of a source model: ONNX, int8, fidelity, means, settings.

The order matters: the means are computed by the graph that will be served, and nothing is stored of
a graph that strays from its original.  Only preparation's child process imports this.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from search.arrays import Matrix, Vector
from search.encoders.base import Language, Role
from search.encoders.built_in_texts import passages, questions
from search.encoders.export import export_graph, quantise, with_int8_vocabulary
from search.encoders.fidelity import Fidelity, measure, refuse_unfaithful
from search.encoders.model_input import ModelInput
from search.encoders.onnx_runtime import Graph, pooled
from search.encoders.prepared import GRAPH, Means, Settings, write_prepared
from search.encoders.rounding import round_weights
from search.encoders.source_model import SourceModel
from search.encoders.taming import tamed
from search.encoders.tokenization import TOKENIZER_FILES, open_tokenizer
from search.errors import StorageFull

EXPORTING, QUANTISING, CHECKING, AVERAGING = (
    "exporting it to ONNX",
    "quantising it to int8",
    "checking its fidelity",
    "computing its means",
)
QUESTIONS_COMPARED = 60
LIBRARIES = ("onnxruntime", "torch", "transformers", "sentence-transformers", "tokenizers", "sentencepiece")


def assemble(
    name: str,
    source: SourceModel,
    folder: Path,
    scratch: Path,
    announce: Callable[[str], None],
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Fill the empty ``folder`` with the prepared form of ``source``; ``scratch`` takes files in between.

    What else is known of the model, the ``facts``, is reported with its fidelity.

    Raises:
        StorageFull: there is too little room for the files in between.
        ModelRefused: the int8 model is not faithful to its original.
    """
    check_room(folder, name, sum(tensor.nbytes for tensor in source.transformer.parameters()))
    (folder / TOKENIZER_FILES[source.tokenizer_kind]).write_bytes(source.tokenizer)
    settings = settings_of(source, folder)
    reader = ModelInput(folder, settings)
    announce(EXPORTING)
    typical = _typical_inputs(reader, source.languages)
    fit_for_int8 = round_weights(tamed(source.transformer, typical), typical)
    exported = scratch / "exported.onnx"
    export_graph(with_int8_vocabulary(fit_for_int8), exported)
    announce(QUANTISING)
    quantise(exported, folder / GRAPH)
    announce(CHECKING)
    graph = Graph(folder, settings)
    fidelity = fidelity_of(graph, source)
    refuse_unfaithful(fidelity)
    announce(AVERAGING)
    means = _means(graph, source.languages)
    versions = {library: version(library) for library in LIBRARIES}
    report = {"origin": source.origin, "fidelity": asdict(fidelity), "versions": versions, **(facts or {})}
    write_prepared(folder, name, settings, means, report)


def check_room(folder: Path, name: str, float32_bytes: int) -> None:
    """Raise ``StorageFull`` unless the disk holds what a model of this size needs for a while."""
    # The exported graph, the quantiser's copy of it, and the int8 form: libraries that meet a full
    # disk half-way say nothing a user could act on.
    needed, free = 1.6 * float32_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise StorageFull(
            f"preparing the model {name} needs {needed / 1e6:.0f} MB of disk for a while and "
            f"{free / 1e6:.0f} MB are free; free some space and try again",
            model=name,
        )


def settings_of(source: SourceModel, folder: Path) -> Settings:
    """Return the settings of ``source``, whose tokenizer lies in ``folder``."""
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


def _typical_inputs(reader: ModelInput, languages: tuple[Language, ...]) -> list[list[int]]:
    """Return ids of passages and questions, the questions others than those that fidelity is measured on."""
    inputs = []
    for language in languages:
        inputs += [reader.ids(text, "passage") for text in passages(language)]
        inputs += [reader.ids(text, "query") for text in questions(language)[-QUESTIONS_COMPARED:]]
    return inputs


def fidelity_of(graph: Graph, source: SourceModel) -> Fidelity:
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
            output = source.transformer(input_ids=torch.tensor([graph.input.ids(text, role)]))
        rows.append(pooled(output.last_hidden_state[0].numpy(), source.pooling))
    return np.stack(rows)


def _means(graph: Graph, languages: tuple[Language, ...]) -> Means:
    asked = {language: questions(language) for language in languages}
    told = {language: joined_pairs(passages(language)) for language in languages}
    query_vectors, query_tokens = _means_of(graph, asked, "query")
    passage_vectors, passage_tokens = _means_of(graph, told, "passage")
    return Means(query_vectors, passage_vectors, query_tokens, passage_tokens)


def _means_of(
    graph: Graph, texts: Mapping[Language, Sequence[str]], role: Role
) -> tuple[dict[Language, Vector], dict[Language, Vector]]:
    """Return the mean vector and the mean token state of each language's texts."""
    vectors, states = {}, {}
    for language, those in texts.items():
        rows, tokens = graph.encode_tokens(those, role)
        vectors[language] = rows.mean(axis=0)
        states[language] = np.concatenate([token.states for token in tokens]).mean(axis=0)
    return vectors, states


def joined_pairs(texts: Sequence[str]) -> list[str]:
    """Return each text with the next one behind it: as long as the passages of a collection are.

    The mean of short texts is another one than that of long texts, and ranks them worse.
    """
    return [f"{text} {following}" for text, following in zip(texts, [*texts[1:], texts[0]], strict=True)]
