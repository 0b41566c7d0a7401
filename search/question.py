"""A request made ready before any row is read: checked, analysed, encoded.

Every edge comes through here, so a bad query, limit, mode or vector is refused in the same words by the
shell, the API and the pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.arrays import Vector
from search.centring import centred, mean_of_all, query_mean
from search.encoders.base import Encoder, Language
from search.errors import InvalidInput
from search.model import (
    DEFAULT_MODE,
    LIMIT_MAX,
    MODES,
    QUERY_CHARACTERS_MAX,
    GroupBy,
    Mode,
    SearchRequest,
)
from search.text.analyzer import Analyzer
from search.text.language import language


@dataclass(frozen=True, slots=True)
class Question:
    """A request made ready: checked, analysed and encoded."""

    mode: Mode
    limit: int
    group_by: GroupBy
    explain: bool
    terms: Sequence[str]
    """Analysed words of the query, which highlights need in every mode."""
    vector: Vector | None
    """Centred query vector ``(d,)`` of unit length; None where the mode has no use for it."""
    language: Language


def checked_limit(limit: int) -> int:
    """Return ``limit``; raise ``InvalidInput`` unless it is from 1 to the maximum."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"limit is {limit}; give a number from 1 to {LIMIT_MAX}", limit=limit)
    return limit


def checked_query(query: str) -> str:
    """Return ``query``; raise ``InvalidInput`` when there is nothing to search for, or too much."""
    if not query.strip():
        raise InvalidInput("the query is empty; say what to look for")
    if len(query) > QUERY_CHARACTERS_MAX:
        raise InvalidInput(
            f"the query has {len(query)} characters; at most {QUERY_CHARACTERS_MAX} are read, so shorten it",
            characters=len(query),
        )
    if any("\ud800" <= character <= "\udfff" for character in query):
        raise InvalidInput("the query holds half a character (a lone surrogate); send well-formed text")
    return query


def prepare(request: SearchRequest, encoder: Encoder, analyzer: Analyzer) -> Question:
    """Check a request and turn it into what the parts compare.

    Raises:
        InvalidInput: neither or both of query and vector, a bad limit, mode, query or vector.
    """
    checked_limit(request.limit)
    if (request.query is None) == (request.vector is None):
        raise InvalidInput("give exactly one of query and vector")
    mode = _checked_mode(request)
    if request.group_by not in ("document", "passage"):
        raise InvalidInput(f"group_by is {request.group_by!r}; choose document or passage")
    terms: list[str] = []
    vector: Vector | None = None
    if request.vector is not None:
        vector = query_vector_given(request.vector, encoder)
    elif request.query is not None:
        checked_query(request.query)
        terms = analyzer.terms(request.query)
        if mode != "lexical":
            vector = query_vector(request.query, encoder)
    spoken = language(request.query or "")
    return Question(mode, request.limit, request.group_by, request.explain, terms, vector, spoken)


def _checked_mode(request: SearchRequest) -> Mode:
    if request.mode is not None and request.mode not in MODES:
        raise InvalidInput(
            f"there is no mode {request.mode!r}; choose one of: {', '.join(MODES)}", known=list(MODES)
        )
    if request.vector is not None and request.mode in ("lexical", "hybrid"):
        raise InvalidInput(f"mode {request.mode} needs words; a vector is searched in mode dense")
    return request.mode or ("dense" if request.vector is not None else DEFAULT_MODE)


def query_vector(query: str, encoder: Encoder) -> Vector:
    """Return the centred vector ``(d,)`` of a query."""
    mean = query_mean(encoder.query_means, language(query))
    vector: Vector = centred(encoder.encode([query], "query"), mean)[0]
    return vector


def query_vector_given(values: Sequence[float], encoder: Encoder) -> Vector:
    """Return the centred vector of a raw query vector that a caller made with the same encoder.

    Its language is unknown, so it loses the mean of both.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.shape != (encoder.dimension,):
        raise InvalidInput(
            f"the vector has {vector.size} numbers; this collection's encoder makes {encoder.dimension}",
            given=int(vector.size),
            dimension=encoder.dimension,
        )
    length = np.linalg.norm(vector)
    if not np.isfinite(length) or length == 0:
        raise InvalidInput("the vector must be of finite numbers of ordinary size, not all zero")
    unit = (vector / length).astype(np.float32)
    moved: Vector = centred(unit[None, :], mean_of_all(encoder.query_means))[0]
    return moved
