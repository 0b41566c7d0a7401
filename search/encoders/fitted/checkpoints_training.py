"""What a training has reached, kept in one file so that a killed one goes on where it stood.

A checkpoint belongs to one fit: passages, seed, analyzer, kind and settings are in its digest, and a file of
another fit is not read.  Tensors are the body of a safetensors file, everything else JSON in its header; the
file is replaced by a rename, so that it is whole or not there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from search.artifacts import sync
from search.encoders.fitted.base import Fit

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One file of a fit's folder of checkpoints."""

    path: Path
    fit: str
    """Digest of all that the result depends on."""

    def read(self) -> tuple[Tensors, Any] | None:
        """Return what was written last for this fit, or None."""
        if not self.path.exists():
            return None
        with safe_open(self.path, "pt") as stored:
            header = stored.metadata()
            if header["fit"] != self.fit:
                return None
            return {name: stored.get_tensor(name) for name in stored.keys()}, json.loads(header["facts"])

    def write(self, tensors: Tensors, facts: Any) -> None:
        """Replace the file; ``facts`` are ready for JSON."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part")
        contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, aside, {"fit": self.fit, "facts": json.dumps(facts)})
        sync(aside)
        aside.replace(self.path)


def checkpoint(fit: Fit, name: str, settings: Mapping[str, Any]) -> Checkpoint:
    """Return the checkpoint called ``name`` of a training with these ``settings``."""
    state = sha256()
    facts = [name, fit.seed, fit.analyzer.version, torch.__version__, dict(settings)]
    state.update(json.dumps(facts, sort_keys=True).encode())
    for passage in fit.passages:
        # Escaped, so that a lone surrogate has bytes too.
        state.update(json.dumps([passage.document, passage.heading, passage.text]).encode())
    return Checkpoint(fit.checkpoints / f"{name}.safetensors", state.hexdigest())
