"""How close the served int8 model is to the float32 one, and whether that is close enough.

Ranking compares vectors less their mean, so the centred cosine is what counts: one scale per
tensor still has a plain cosine of .986, but .942 centred, and costs three points of nDCG.
Preparation's child process measures; ``refuse_unfaithful`` decides.
"""

from dataclasses import asdict, dataclass

import numpy as np

from search.arrays import Matrix, Vector, unit_rows
from search.errors import ModelRefused

COSINE_MIN = 0.99
CENTRED_MIN = 0.97


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Mean cosines between int8 and float32 vectors of the same texts."""

    texts: int
    cosine: float
    centred: float
    """After each side's own mean was subtracted."""


def measure(served: Matrix, reference: Matrix) -> Fidelity:
    """Compare unit rows ``(n, d)`` of the same texts by both models."""
    return Fidelity(
        texts=len(served),
        cosine=float(_cosines(served, reference).mean()),
        centred=float(_cosines(served - served.mean(axis=0), reference - reference.mean(axis=0)).mean()),
    )


def refuse_unfaithful(fidelity: Fidelity) -> None:
    """Raise ``ModelRefused`` with the figures where the served model strays too far."""
    # Written so that a figure that is no number fails too.
    if fidelity.cosine >= COSINE_MIN and fidelity.centred >= CENTRED_MIN:
        return
    raise ModelRefused(
        f"the exported model is not faithful to its original: mean cosine {fidelity.cosine:.4f} (at least "
        f"{COSINE_MIN}), centred {fidelity.centred:.4f} (at least {CENTRED_MIN}) over {fidelity.texts} "
        f"texts; this model cannot be served on this machine",
        **asdict(fidelity),
    )


def _cosines(left: Matrix, right: Matrix) -> Vector:
    return np.asarray((unit_rows(left) * unit_rows(right)).sum(axis=1), dtype=np.float32)
