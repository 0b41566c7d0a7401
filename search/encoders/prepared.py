"""A prepared model on disk: a folder written once, moved into place whole, proved on opening.

    models/<folder>/manifest.json   sha256 and size of every other file, and the fingerprint
                    config.json     settings the vectors depend on; how the model was made and judged
                    model.onnx ...  the graph, with its weights
                    means.safetensors
                    sentencepiece.model or tokenizer.json

The fingerprint is a digest of everything a vector depends on, so equal fingerprints give equal
vectors; figures of fidelity and versions of libraries stand beside it.  Preparation publishes such
folders, ``OnnxEncoder`` opens them.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import load_file, save_file

from search.arrays import Vector
from search.encoders.base import Language, Role
from search.encoders.tokenization import TokenizerKind
from search.errors import ModelRefused

FORMAT = 1
MANIFEST, CONFIG, MEANS, GRAPH = "manifest.json", "config.json", "means.safetensors", "model.onnx"
PASSAGE_MEAN = "passage"

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
    """Means of raw unit vectors, none of unit length itself."""

    queries: Mapping[Language, Vector]
    passage: Vector


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A folder that proved itself."""

    name: str
    folder: Path
    fingerprint: str
    settings: Settings
    means: Means
    report: Mapping[str, Any]
    """Where the model came from, its fidelity and the versions of the libraries that made it."""


def write_prepared(
    folder: Path, name: str, settings: Settings, means: Means, report: Mapping[str, Any]
) -> None:
    """Complete ``folder``, which holds the graph and the tokenizer, and bring every byte to the disk."""
    tensors = {f"query.{language}": mean for language, mean in means.queries.items()}
    save_file(tensors | {PASSAGE_MEAN: means.passage}, folder / MEANS)
    config = {"name": name, "settings": asdict(settings), "report": dict(report)}
    (folder / CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False), "utf-8")
    files = {file.name: _facts(file) for file in sorted(folder.iterdir())}
    manifest = {"format": FORMAT, "fingerprint": _fingerprint(files, settings), "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    for file in folder.iterdir():
        flush(file)
    flush(folder)


def read_prepared(folder: Path) -> PreparedModel:
    """Return the model of ``folder`` after checking every byte; raise ``ModelRefused`` if it is damaged."""
    try:
        return _read(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, "a file is missing or no longer what was written") from error


def flush(path: Path) -> None:
    """Bring a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(folder: Path) -> PreparedModel:
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    if manifest["format"] != FORMAT:
        raise ModelRefused(
            f"the prepared model {folder.name} has format {manifest['format']}, this program reads "
            f"{FORMAT}; remove it from the models folder and it is prepared again",
            model=folder.name,
        )
    for name, facts in manifest["files"].items():
        if _facts(folder / name) != facts:
            raise _damaged(folder, f"{name} is not what was written")
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    settings = Settings(**config["settings"])
    if _fingerprint(manifest["files"], settings) != manifest["fingerprint"]:
        raise _damaged(folder, "its fingerprint is not that of its files")
    means = _read_means(folder / MEANS)
    return PreparedModel(config["name"], folder, manifest["fingerprint"], settings, means, config["report"])


def _read_means(file: Path) -> Means:
    tensors = load_file(file)
    passage = tensors.pop(PASSAGE_MEAN)
    languages: dict[str, Language] = {"query.en": "en", "query.zh": "zh"}
    return Means({languages[name]: _frozen(mean) for name, mean in tensors.items()}, _frozen(passage))


def _frozen(vector: Vector) -> Vector:
    vector = np.ascontiguousarray(vector, dtype=np.float32)
    vector.setflags(write=False)
    return vector


def _facts(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}


def _fingerprint(files: Mapping[str, Mapping[str, Any]], settings: Settings) -> str:
    """Digest all files but the config, whose report no vector depends on, and its settings."""
    digests = {name: facts["sha256"] for name, facts in files.items() if name != CONFIG}
    meaning = {"format": FORMAT, "files": digests, "settings": asdict(settings)}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode("utf-8")).hexdigest()


def _damaged(folder: Path, what: str) -> ModelRefused:
    return ModelRefused(
        f"the prepared model {folder.name} is damaged ({what}); remove it from the models folder and "
        f"it is prepared again",
        model=folder.name,
    )
