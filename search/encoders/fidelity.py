"""How close the served int8 model is to the float32 one, and whether that is close enough.

Ranking compares queries less the mean of queries of their language, and passages less the mean of
passages, so what counts is the cosine after each kind's own mean was subtracted.  For
multilingual-e5-small, one scale per matrix gives .97 plain but .89 centred; one per channel .984, which
still costs two points of nDCG across languages; with its outliers tamed .9979, which still costs half a
point on some collections; and with compensated rounding and values in float32 .9989.  Rounding is fit on
the same passages: on those of four judged collections it is .9978, with the values .9983 and with both .9986.
Preparation's child process measures, ``refuse_unfaithful`` decides.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from search.arrays import Matrix, Vector, unit_rows
from search.errors import ModelRefused

COSINE_MIN = 0.98
CENTRED_MIN = 0.98


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Mean cosines between int8 and float32 vectors of the same texts."""

    texts: int
    cosine: float
    centred: float
    """After each model's own mean over the texts of one kind was subtracted."""


def measure(kinds: Sequence[tuple[Matrix, Matrix]]) -> Fidelity:
    """Compare both models' unit rows ``(n, d)``, given per kind of text (role and language).

    Each kind is centred by itself: between kinds lie wide gaps that no export loses, and that
    would make any centred cosine look good.
    """
    cosines = np.concatenate([_cosines(served, reference) for served, reference in kinds])
    centred = [_cosines(_centred(served), _centred(reference)) for served, reference in kinds]
    return Fidelity(len(cosines), float(cosines.mean()), float(np.concatenate(centred).mean()))


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


def _centred(rows: Matrix) -> Matrix:
    return np.asarray(rows - rows.mean(axis=0), dtype=np.float32)


def _cosines(left: Matrix, right: Matrix) -> Vector:
    return np.asarray((unit_rows(left) * unit_rows(right)).sum(axis=1), dtype=np.float32)
