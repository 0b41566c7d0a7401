"""A prepared model on disk: a folder written once, moved into place whole, proved on opening.

    models/<folder>/checksums.json     size and sha256 of every other file
                    config.json        settings the vectors depend on; how the model was made and judged
                    model.onnx         the graph, and beside it ``model.onnx.data``, its weights
                    means.safetensors
                    sentencepiece.model or tokenizer.json

The fingerprint is a digest of graph, weights, tokenizer and settings, so equal fingerprints give
equal vectors; the means have a digest of their own, since centring changes no stored vector.  What
figures of fidelity and which libraries stand beside them changes neither.  Preparation writes such
folders, ``OnnxEncoder`` serves them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from safetensors.numpy import load_file, save_file

from search.arrays import Vector
from search.artifacts import DamagedArtifact, Description, seal, verify_sealed
from search.encoders.base import Language, Role
from search.encoders.tokenization import TokenizerKind

# Of the folder, not of how its weights were made: a folder of another format is replaced, and with it goes
# the model that stored vectors were made by.
FORMAT = 5
CONFIG, MEANS, GRAPH = "config.json", "means.safetensors", "model.onnx"

Pooling = Literal["mean", "cls"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a vector depends on besides weights and vocabulary."""

    dimension: int
    max_tokens: int
    """Pieces of a text that are read; with the longest prompt and special tokens they fill the model."""
    pooling: Pooling
    prompts: Mapping[Role, str]
    begin_ids: list[int]
    """Special tokens before every text."""
    end_ids: list[int]
    """Special tokens after every text."""
    tokenizer: TokenizerKind


@dataclass(frozen=True, slots=True)
class Means:
    """Means of raw unit vectors and of raw token states, none of unit length itself."""

    queries: Mapping[Language, Vector]
    passages: Mapping[Language, Vector]
    query_tokens: Mapping[Language, Vector]
    passage_tokens: Mapping[Language, Vector]


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A folder that proved itself."""

    name: str
    folder: Path
    fingerprint: str
    """Digest of all that a raw vector depends on."""
    centring: str
    """Digest of the means."""
    settings: Settings
    means: Means
    report: Mapping[str, Any]
    """Where the model came from, its fidelity and the versions of the libraries that made it."""


def write_prepared(
    folder: Path, name: str, settings: Settings, means: Means, report: Mapping[str, Any]
) -> None:
    """Complete ``folder``, which holds the graph and the tokenizer, and note what every file must be."""
    tensors = {
        f"{kind}.{language}": mean
        for kind, of_kind in asdict(means).items()
        for language, mean in of_kind.items()
    }
    save_file(tensors, folder / MEANS)
    config = {"format": FORMAT, "name": name, "settings": asdict(settings), "report": dict(report)}
    (folder / CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False), "utf-8")
    seal(folder)


def read_prepared(folder: Path) -> PreparedModel:
    """Return the model of ``folder`` after checking every byte of it.

    Raises:
        DamagedArtifact: a file is missing or not what was written, or the format is another one.
    """
    described = verify_sealed(folder)
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    if config["format"] != FORMAT:
        raise DamagedArtifact(f"the prepared model has format {config['format']} instead of {FORMAT}")
    settings = Settings(**config["settings"])
    return PreparedModel(
        name=config["name"],
        folder=folder,
        fingerprint=_fingerprint(described, settings),
        centring=str(described[MEANS]["sha256"]),
        settings=settings,
        means=_read_means(folder / MEANS),
        report=config["report"],
    )


def _fingerprint(described: Description, settings: Settings) -> str:
    """Digest settings and files; of the config the settings alone count, and the means not at all."""
    files = {name: facts["sha256"] for name, facts in described.items() if name not in (CONFIG, MEANS)}
    meaning = {"files": files, "settings": asdict(settings)}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode("utf-8")).hexdigest()


def _read_means(file: Path) -> Means:
    tensors = {name: _frozen(mean) for name, mean in load_file(file).items()}
    languages: tuple[Language, ...] = ("en", "zh")
    known = [language for language in languages if f"queries.{language}" in tensors]
    kinds = [field.name for field in fields(Means)]
    return Means(**{kind: {language: tensors[f"{kind}.{language}"] for language in known} for kind in kinds})


def _frozen(vector: Vector) -> Vector:
    vector.setflags(write=False)
    return vector
