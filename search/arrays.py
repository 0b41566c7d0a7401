"""The array types that every part of the core speaks."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import ThreadpoolController

Vector = NDArray[np.float32]
"""One vector ``(d,)``: unit length, or all zeros."""

Matrix = NDArray[np.float32]
"""Rows of vectors ``(n, d)``: each unit length, or all zeros."""

States = NDArray[np.float32]
"""Token states ``(n, d)`` as a model gave them, of any length."""

Spans = NDArray[np.int32]
"""Half-open ranges of code points ``(n, 2)``: start and end."""

Rows: TypeAlias = "Matrix | csr_array"
"""Rows of vectors, dense or without the zeros that most of them are ``(n, d)``."""

Ids = NDArray[np.int64]
"""Passage ids ``(n,)`` as the database gave them."""


def unit_rows(rows: NDArray[np.float32]) -> Matrix:
    """Return ``(n, d)`` rows scaled to unit length; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0), dtype=np.float32)


def one_thread_each() -> None:
    """Let this process's matrix products run on the thread that asks for them, and on no other.

    Searches run side by side.  A product that is shared out waits for the slowest of its threads: attention
    then takes three times as long on a machine whose cores have something to do, and gains nothing otherwise.
    """
    ThreadpoolController().limit(limits=1, user_api="blas")
