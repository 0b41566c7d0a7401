"""Serves a prepared model with ONNX Runtime; nothing here imports torch.

Each text is one call of the session with one intra-op thread, and as many Python threads as there
are cores call it at once.  Dynamic int8 takes the scale of its activations over everything in
a call, so a text in a batch would get another vector in other company; alone it has one
vector, bit for bit, and the threads make it faster than batches are.  For the same reason nothing
is ever padded, and the graph needs no attention mask.

``open_encoder`` in ``search.encoders.catalog`` builds these.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from search.arrays import Matrix, States, Vector
from search.encoders.base import Language, Role, TextTokenizer, TokenStates
from search.encoders.model_input import ModelInput
from search.encoders.prepared import GRAPH, Pooling, PreparedModel, Settings


class Graph:
    """A graph with its tokenizer and settings: texts in, unit rows out."""

    def __init__(self, folder: Path, settings: Settings, threads: int | None = None) -> None:
        """Open the files of ``folder``; ``threads`` texts are encoded at once, by default one per core."""
        self.input = ModelInput(folder, settings)
        self._settings = settings
        self._session = open_session(folder / GRAPH)
        threads = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encode")

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows ``(len(texts), dimension)``; a text without any piece is a zero row."""
        rows = np.zeros((len(texts), self._settings.dimension), dtype=np.float32)
        self._for_each(len(texts), lambda position: self._read(texts[position], role, rows[position]))
        return rows

    def encode_tokens(self, texts: Sequence[str], role: Role) -> tuple[Matrix, list[TokenStates]]:
        """Return the rows of ``encode`` and the states of every text's own pieces."""
        rows = np.zeros((len(texts), self._settings.dimension), dtype=np.float32)
        nothing = TokenStates(np.empty((0, rows.shape[1]), np.float32), np.empty((0, 2), np.int32))
        tokens = [nothing] * len(texts)

        def fill(position: int) -> None:
            states = self._read(texts[position], role, rows[position])
            if len(states):
                spans = self.input.spans(texts[position], role)
                begin = self.input.begin(role)
                tokens[position] = TokenStates(states[begin : begin + len(spans)], spans)

        self._for_each(len(texts), fill)
        return rows, tokens

    def _for_each(self, count: int, fill: Callable[[int], object]) -> None:
        if count == 1:
            fill(0)
        else:
            # Exhausting the results raises the first failure, and cancels what has not begun.
            list(self._pool.map(fill, range(count)))

    def _read(self, text: str, role: Role, row: Vector) -> States:
        """Return the last layer's states ``(n, dimension)`` of all that is read, and their pool in ``row``.

        Of a text without any piece there are none, and ``row`` stays as it is.
        """
        ids = self.input.ids(text, role)
        if not ids:
            return np.empty((0, self._settings.dimension), dtype=np.float32)
        batch = np.array([ids], dtype=np.int64)
        states: States = self._session.run(None, {"input_ids": batch})[0][0]
        row[:] = pooled(states, self._settings.pooling)
        return states


class OnnxEncoder:
    """A prepared Transformer; see the ``Encoder`` protocol for what callers may expect."""

    def __init__(self, model: PreparedModel, threads: int | None = None) -> None:
        """Open ``model``; ``threads`` texts are encoded at once, by default one per usable core."""
        self._model = model
        self._graph = Graph(model.folder, model.settings, threads)

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._model.settings.dimension

    @property
    def max_tokens(self) -> int:
        """Pieces of a text that are read; what is beyond is not."""
        return self._model.settings.max_tokens

    @property
    def fingerprint(self) -> str:
        """Digest of weights, tokenizer and settings."""
        return self._model.fingerprint

    @property
    def centring(self) -> str:
        """Digest of the means."""
        return self._model.centring

    @property
    def tokenizer(self) -> TextTokenizer:
        """The model's own tokenizer."""
        return self._graph.input.tokenizer

    @property
    def query_means(self) -> Mapping[Language, Vector]:
        """Mean of raw query vectors per language the model reads."""
        return self._model.means.queries

    @property
    def passage_means(self) -> Mapping[Language, Vector]:
        """Mean of raw passage vectors per language the model reads."""
        return self._model.means.passages

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows ``(len(texts), dimension)``; a text without any piece is a zero row.

        Raises:
            InvalidInput: a text has a lone surrogate.
        """
        return self._graph.encode(texts, role)

    @property
    def token_query_means(self) -> Mapping[Language, Vector]:
        """Mean of raw token states of questions per language the model reads."""
        return self._model.means.query_tokens

    @property
    def token_passage_means(self) -> Mapping[Language, Vector]:
        """Mean of raw token states of passages per language the model reads."""
        return self._model.means.passage_tokens

    def encode_tokens(self, texts: Sequence[str], role: Role) -> tuple[Matrix, list[TokenStates]]:
        """Return the rows of ``encode`` and what the model makes of each piece, by one reading.

        Raises:
            InvalidInput: a text has a lone surrogate.
        """
        return self._graph.encode_tokens(texts, role)


# In this version the fused Add + LayerNormalization is the slower one, by a tenth of the whole.
SLOW_FUSIONS = ["SkipLayerNormFusion"]


def open_session(graph: Path) -> onnxruntime.InferenceSession:
    """Return a session that runs a call on its caller's thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
    )


def pooled(states: NDArray[np.float32], pooling: Pooling) -> Vector:
    """Return one unit vector ``(d,)`` of token states ``(n, d)``: their mean, or the first one."""
    vector = states.mean(axis=0) if pooling == "mean" else states[0]
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
