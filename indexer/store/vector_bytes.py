"""Vectors as bytes of a row of the database, little-endian.

A dense one is its numbers in single precision.  A sparse one is the columns of those that are not zero (32
bits each, ascending), then these numbers: half of the bytes each.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from search.arrays import Matrix, Rows

_PAIR_BYTES = 8


def packed(rows: Rows) -> list[bytes]:
    """Return the bytes of each row."""
    if isinstance(rows, np.ndarray):
        return [row.tobytes() for row in rows.astype("<f4")]
    columns, values = rows.indices.astype("<u4"), rows.data.astype("<f4")
    places = zip(rows.indptr[:-1].tolist(), rows.indptr[1:].tolist(), strict=True)
    return [columns[start:end].tobytes() + values[start:end].tobytes() for start, end in places]


def unpacked(vectors: Sequence[bytes], dimension: int, sparse: bool) -> Rows:
    """Return the rows ``(len(vectors), dimension)`` that were packed."""
    if not sparse:
        return _dense(vectors, dimension)
    halves = [len(vector) // 2 for vector in vectors]
    pairs = list(zip(vectors, halves, strict=True))
    columns = np.frombuffer(b"".join(vector[:half] for vector, half in pairs), dtype="<u4")
    values = np.frombuffer(b"".join(vector[half:] for vector, half in pairs), dtype="<f4")
    starts = np.concatenate([[0], np.cumsum([len(vector) // _PAIR_BYTES for vector in vectors])])
    return csr_array(
        (values.astype(np.float32), columns.astype(np.int32), starts.astype(np.int64)),
        shape=(len(vectors), dimension),
    )


def _dense(vectors: Sequence[bytes], dimension: int) -> Matrix:
    stacked = np.frombuffer(b"".join(vectors), dtype="<f4")
    return stacked.reshape(len(vectors), dimension).astype(np.float32)
