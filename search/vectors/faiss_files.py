"""FAISS's files: opened by mapping, checked, searched by one thread, and written without holding them whole.

``IO_FLAG_MMAP_IFC`` keeps the rows of an index out of a process's own memory, where ``IO_FLAG_MMAP`` would
copy them.
"""

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from search.arrays import Ids, Matrix, Vector
from search.artifacts import DamagedArtifact
from search.vectors.base import Mask

_KNOWN_PREFIXES = (b"IxFI", b"IxSQ")


def open_mapped(path: Path, kind: type[Any], count: int, dimension: int) -> Any:
    """Map the FAISS file at ``path``, whose checksum has been compared.

    FAISS believes what it maps: a file cut short within its header can take the process down here.

    Raises:
        DamagedArtifact: FAISS cannot read it, or it is not an inner-product index of this kind and size.
    """
    try:
        # Python already has the right class; downcast_index would give one that does not own its memory.
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise DamagedArtifact(f"{path.name} is no readable FAISS file") from error
    found = (index.ntotal, index.d, index.metric_type)
    if not isinstance(index, kind) or found != (count, dimension, faiss.METRIC_INNER_PRODUCT):
        raise DamagedArtifact(f"{path.name} does not hold {count} inner-product rows of {dimension} numbers")
    return index


def stored_rows(index: Any) -> Matrix:
    """Return the rows of a flat index or graph ``(n, d)``: a view of its memory, good only while it lives."""
    flat: Any = faiss.downcast_index(index.storage) if isinstance(index, faiss.IndexHNSW) else index
    if flat.ntotal == 0:
        return np.empty((0, flat.d), np.float32)
    view: Matrix = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)
    return view


def asked(index: Any, query: Vector, k: int, mask: Mask | None, parameters: Any = None) -> tuple[Vector, Ids]:
    """Return FAISS's scores and row numbers, best first, without its -1 fillers."""
    if k < 1:
        return np.empty(0, np.float32), np.empty(0, np.int64)
    # Of this thread alone.  Searches run side by side; one that shares its rows out waits for the slowest
    # of its threads, and on a busy machine that takes five times as long.
    faiss.omp_set_num_threads(1)
    if mask is not None:
        selector = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))  # type: ignore[call-arg,arg-type]
        parameters = parameters or faiss.SearchParameters()
        parameters.sel = selector
    scores, rows = index.search(query[None, :], k, params=parameters)
    real = rows[0] >= 0
    return scores[0][real], rows[0][real]


def index_header(empty: Any, count: int, stored: int) -> bytes:
    """Return what FAISS writes before an index's rows: the header of an ``empty`` one with other counts.

    Args:
        empty: an index without rows, of a kind whose file ends with them.
        count: how many rows will follow.
        stored: how many elements they have in all.
    """
    header = faiss.serialize_index(empty).tobytes()
    if not header.startswith(_KNOWN_PREFIXES):
        raise ValueError("this FAISS writes indexes in a way that is not known here")
    count_at = 4 + 4  # after the name comes the dimension, int32
    return (
        header[:count_at]
        + count.to_bytes(8, "little")
        + header[count_at + 8 : -8]
        + stored.to_bytes(8, "little")  # length of the vector that follows
    )
