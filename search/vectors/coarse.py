"""A small copy of an index's rows that tells, provably, which of them can be the best.

A scan of many rows waits for memory more than it computes, and the copy is a quarter of them: each number
is stored in eight bits, as a whole multiple of its dimension's scale, and the query likewise, so that the
scan is one of integers.  How far each of them lies from the true one is known, so how far a score can be off
is known too (Cauchy and Schwarz):

    |q . x - q' . x'|  <=  |q . (x - x')| + |(q - q') . x'|  <=  |q| e + |q - q'| (1 + e)

where x is a unit row, x' its copy, e the largest |x - x'| of all rows, q' the query in whole multiples.

The copy's best rows are scored exactly.  No row that it did not give can be better than its last rough score
plus that error; once the k-th exact score lies above it, none is missed.  Otherwise more are taken.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from search.arrays import Ids, Matrix, Vector
from search.artifacts import DamagedArtifact
from search.vectors.base import Mask
from search.vectors.faiss_files import asked, index_header, open_mapped
from search.vectors.scoring import SPARE, exact_scores, slack

OVERSAMPLED = 4
"""Rows taken for each that is wanted: mostly enough to prove that none is missed."""
MORE = 4

_KIND = faiss.ScalarQuantizer.QT_8bit_direct_signed
_BLOCK_ROWS = 4096
_LEVELS = 127
_ZERO = 128
"""How the number 0 is stored."""


class CoarseCopy:
    """The eight-bit copy of ``rows (n, d)``, mapped."""

    def __init__(self, path: Path, rows: Matrix) -> None:
        """Map the copy that lies beside ``path``; raise ``DamagedArtifact`` unless it fits the rows."""
        count, dimension = rows.shape
        self._index = open_mapped(_beside(path, "faiss"), faiss.IndexScalarQuantizer, count, dimension)
        self._rows = rows
        try:
            self._order: Ids = np.load(_beside(path, "npy"), mmap_mode="r", allow_pickle=False)
            told = json.loads(_beside(path, "json").read_text("utf-8"))
            self._scales, self._error = np.array(told["scales"], dtype=np.float32), float(told["error"])
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DamagedArtifact(f"the coarse copy of {path.name} cannot be read") from error
        fitting = self._scales.shape == (dimension,) and self._order.shape == (count,)
        if not fitting or self._index.sq.qtype != _KIND:
            raise DamagedArtifact(f"{_beside(path, 'faiss').name} is no coarse copy of {path.name}")

    def best(self, query: Vector, k: int, mask: Mask | None) -> tuple[Ids, Vector]:
        """Return numbers of rows among which the ``k`` best of all allowed surely are, with exact scores."""
        allowed = len(self._rows) if mask is None else int(np.count_nonzero(mask))
        whole, unit = self._in_multiples(query)
        margin = self._margin(query, unit * whole / self._scales)
        wanted = OVERSAMPLED * (k + SPARE)
        while wanted < allowed:
            rough, places = asked(self._index, whole, wanted, None if mask is None else mask[self._order])
            rows = self._order[places]
            scores = exact_scores(query, self._rows[rows[: k + SPARE]])
            enough = np.partition(scores, -k)[-k] - margin
            if unit * rough[-1] < enough:
                needed = max(scores.size, int(np.searchsorted(-unit * rough, -enough, side="right")))
                rest = exact_scores(query, self._rows[rows[scores.size : needed]])
                return rows[:needed], np.concatenate([scores, rest])
            wanted *= MORE  # what may be a tie reaches over the edge: all of it must be seen
        rows = np.arange(len(self._rows)) if mask is None else np.flatnonzero(mask)
        return rows, exact_scores(query, self._rows[rows])

    def _in_multiples(self, query: Vector) -> tuple[Vector, np.float64]:
        """Return whole numbers for FAISS to multiply the codes with, and what their products count in.

        FAISS takes them for bytes where the processor multiplies bytes, so no fraction may be left.
        """
        scaled = query.astype(np.float64) * self._scales
        unit = np.abs(scaled).max(initial=0.0) / _LEVELS or np.float64(1)
        return np.rint(scaled / unit).astype(np.float32), unit

    def _margin(self, query: Vector, copied: NDArray[np.float64]) -> float:
        """Return by how much a rough score, of the query as it was ``copied``, can be below the exact one."""
        precise = query.astype(np.float64)
        length, apart = np.linalg.norm(precise), np.linalg.norm(precise - copied)
        rounding = slack(query.size) * (length + apart) * (1 + self._error)
        return float(length * self._error + apart * (1 + self._error) + rounding)


def write_coarse(path: Path, rows: Callable[[], Matrix], groups: NDArray[Any]) -> None:
    """Write the copy of rows ``(n, d)`` beside ``path``; reads them twice, a block at a time.

    Args:
        path: the file of the rows.
        rows: gives unit or zero rows; asked anew for each block, so that where they are a mapped file no
            more of it stays in memory than a block.
        groups: ``(n,)``; rows of one group are stored together, so that a search for them alone leaves
            the memory of the others unread.
    """
    count, dimension = rows().shape
    order = np.argsort(groups, kind="stable")
    largest = np.zeros(dimension, dtype=np.float32)
    for block in _blocks(rows, order):
        largest = np.maximum(largest, np.abs(block).max(axis=0))
    scales = np.where(largest > 0, largest / np.float32(_LEVELS), np.float32(1))
    error = 0.0
    empty = faiss.IndexScalarQuantizer(dimension, _KIND, faiss.METRIC_INNER_PRODUCT)
    with _beside(path, "faiss").open("wb") as stream:
        stream.write(index_header(empty, count, count * dimension))
        for block in _blocks(rows, order):
            multiples = np.rint(block / scales)
            apart = block.astype(np.float64) - multiples * scales.astype(np.float64)
            error = max(error, float(np.linalg.norm(apart, axis=1).max()))
            stream.write((multiples + _ZERO).astype(np.uint8).tobytes())
    np.save(_beside(path, "npy"), order, allow_pickle=False)
    told = {"error": float(np.nextafter(error, np.inf)), "scales": scales.tolist()}
    _beside(path, "json").write_text(json.dumps(told), "utf-8")


def _blocks(rows: Callable[[], Matrix], order: Ids) -> Iterator[Matrix]:
    for start in range(0, order.size, _BLOCK_ROWS):
        yield rows()[order[start : start + _BLOCK_ROWS]]


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.stem}.coarse.{suffix}")
