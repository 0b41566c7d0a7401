"""The numbers of a fitted encoder: one safetensors file in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

FILE = "weights.safetensors"

Weights = Mapping[str, NDArray[np.float32]]
"""Arrays by name."""


def write_weights(folder: Path, weights: Mapping[str, Any]) -> None:
    """Write float32 arrays, or what NumPy makes such of."""
    save_file(
        {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}, folder / FILE
    )


def read_weights(folder: Path) -> Weights:
    """Read what ``write_weights`` wrote."""
    return dict(load_file(folder / FILE))
