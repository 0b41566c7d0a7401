"""Learned attention on disk: a folder written once, which proves itself on opening and is served by NumPy.

<folder>/checksums.json       size and sha256 of the other files
         attention.json       kind, number of heads, format
         maps.safetensors     the maps: ``query``, ``key``, ``value``; of several heads ``output`` too
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from search.artifacts import DamagedArtifact, fingerprint_of, seal
from search.ranking.attention import AttentionRanker, Causal, MultiHead, Projections, Trainable

SIMPLE = "simple"
LEARNED = ("trainable", "causal", "multihead")
KINDS = (SIMPLE, *LEARNED)

HEADS = 2
"""Of ``multihead``: one that looks sharper than ``Simple`` and one that spreads its attention further.

Within one language questions are answered best by attention that is spread, across languages by the best word
alone, and no single temperature does both; every head sees whole states, since a part of the dimensions
alone resembles nothing that the model was trained for.
"""

FORMAT = 1
MAPS, FACTS = "maps.safetensors", "attention.json"

Maps = Mapping[str, NDArray[np.float32]]


def write_learned(folder: Path, kind: str, heads: int, maps: Maps) -> None:
    """Write what was learned into an empty ``folder``."""
    save_file(dict(maps), folder / MAPS)
    (folder / FACTS).write_text(json.dumps({"format": FORMAT, "kind": kind, "heads": heads}), "utf-8")
    seal(folder)


def read_learned(folder: Path, fingerprint: str, dimension: int) -> AttentionRanker:
    """Return the attention of ``folder`` after checking every byte of it.

    Raises:
        DamagedArtifact: it is missing, not what was written, or made for states of another length.
    """
    if not folder.is_dir():
        raise DamagedArtifact("its folder is missing")
    if fingerprint_of(folder) != fingerprint:
        raise DamagedArtifact("it is another one than the database names")
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        maps = load_file(folder / MAPS)
    except (OSError, ValueError, SafetensorError) as error:
        raise DamagedArtifact(f"it cannot be read: {type(error).__name__}") from None
    if facts["format"] != FORMAT:
        raise DamagedArtifact(f"it has format {facts['format']} instead of {FORMAT}")
    if {len(maps[name]) for name in ("query", "key", "value")} != {dimension}:
        raise DamagedArtifact(f"it was not trained for states of {dimension} numbers")
    return ranker_of(facts["kind"], facts["heads"], maps)


def ranker_of(kind: str, heads: int, maps: Maps) -> AttentionRanker:
    """Return the attention that learned maps are."""
    learned = Projections(maps["query"], maps["key"], maps["value"])
    if kind == "multihead":
        return MultiHead(heads, learned, maps["output"])
    return Causal(learned) if kind == "causal" else Trainable(learned)
