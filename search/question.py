"""A request made ready before any row is read: checked, analysed, encoded.

Every edge comes through here, so a bad query, limit, mode or vector is refused in the same words by the
shell, the API and the pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from search.arrays import Matrix, Spans, Vector, unit_rows
from search.centring import centred, query_centre, query_mean
from search.encoders.base import Encoder, Language, TokenStates, token_encoder
from search.encoders.fitted.catalog import WITH_STATES
from search.errors import InvalidInput
from search.lexical.bm25 import weighted
from search.model import (
    LIMIT_MAX,
    MODES,
    QUERY_CHARACTERS_MAX,
    FurtherWord,
    GroupBy,
    Mode,
    SearchRequest,
)
from search.ranking.pieces import said, tokens_of_pieces
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
    text: str = ""
    """The query itself; empty where there is a vector alone."""
    highlight: bool = True
    balanced: bool = False
    """Whether mode dense holds each passage against the best of its own language."""
    by_examples: bool = False
    """Whether passages ask instead of words, so that BM25 has no part in it."""
    diversity: float = 0.0
    """See ``search/diversity.py``."""
    pieces: "QueryPieces | None" = None
    """What the encoder makes of each piece of it; None where the mode has no use for it."""
    beside: Mapping[str, Vector] = field(default_factory=dict)
    """Encoder that was fit on the collection -> its vector of the query, which weighs beside attention."""
    expansion: Sequence[FurtherWord] | None = None
    """What is looked for by words beside ``terms``; None where nothing further was asked for."""

    @property
    def weights(self) -> Mapping[str, float]:
        """What each term weighs that BM25 looks for."""
        return {**weighted(self.terms), **{further.term: further.weight for further in self.expansion or ()}}


@dataclass(frozen=True, slots=True)
class QueryPieces:
    """The pieces of a query that are words or parts of words."""

    states: Matrix
    """Centred, of unit length ``(n, d)``."""
    spans: Spans
    """Where they stand in the query ``(n, 2)``."""
    terms: Sequence[Sequence[str]]
    """Of each, the terms it is a part of."""
    weights: NDArray[np.float64] | None = None
    """What each weighs ``(n,)``; None where the rarity of its terms says it."""


def checked_limit(limit: int) -> int:
    """Return ``limit``; raise ``InvalidInput`` unless it is from 1 to the maximum."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"limit is {limit}; give a number from 1 to {LIMIT_MAX}", limit=limit)
    return limit


def checked_group(group_by: str) -> None:
    """Raise ``InvalidInput`` unless hits are to be grouped in a way there is."""
    if group_by not in ("document", "passage"):
        raise InvalidInput(f"group_by is {group_by!r}; choose document or passage")


def checked_diversity(diversity: float) -> float:
    """Return ``diversity``; raise ``InvalidInput`` unless it is from 0 to 1."""
    if not 0 <= diversity <= 1:
        raise InvalidInput(
            f"diversity is {diversity}; give a number from 0 (the best hits) to 1 (the most different)"
        )
    return float(diversity)


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
    _check_relevance(request.min_relevance)
    if (request.query is None) == (request.vector is None):
        raise InvalidInput("give exactly one of query and vector")
    mode = _checked_mode(request, token_encoder(encoder) is not None)
    if request.min_relevance is not None and mode != "attention":
        raise InvalidInput(f"mode {mode} tells no relevance; leave min_relevance out, or choose attention")
    checked_group(request.group_by)
    diversity = checked_diversity(request.diversity)
    if request.vector is not None:
        vector = query_vector_given(request.vector, encoder)
        return Question(
            mode, request.limit, request.group_by, request.explain, [], vector, "en", diversity=diversity
        )
    query = checked_query(request.query or "")
    spoken = language(query)
    asked = Question(
        mode,
        request.limit,
        request.group_by,
        request.explain,
        analyzer.terms(query),
        None,
        spoken,
        query,
        request.highlight,
        diversity=diversity,
    )
    if mode == "lexical":
        return asked
    states = token_encoder(encoder)
    if mode != "attention" or states is None:
        return replace(asked, vector=query_vector(query, encoder))
    rows, tokens = states.encode_tokens([query], "query")
    vector = centred(rows, query_centre(encoder.query_means, spoken))[0]
    centre = query_mean(states.token_query_means, spoken)
    return replace(asked, vector=vector, pieces=_query_pieces(query, tokens[0], centre, analyzer))


def _query_pieces(query: str, tokens: TokenStates, centre: Vector, analyzer: Analyzer) -> QueryPieces:
    """Return the pieces that have a letter or a digit, or all of them where none has."""
    kept = said(query, tokens.spans)
    kept = kept if kept.any() else ~kept
    words = analyzer.tokens(query)
    return QueryPieces(
        unit_rows(tokens.states[kept] - centre),
        tokens.spans[kept],
        [[words[place].term for place in those] for those in tokens_of_pieces(tokens.spans[kept], words)],
    )


def _check_relevance(lowest: float | None) -> None:
    if lowest is not None and not 0 <= lowest <= 1:
        raise InvalidInput(f"min_relevance is {lowest}; give a number from 0 to 1", min_relevance=lowest)


def _checked_mode(request: SearchRequest, attentive: bool) -> Mode:
    if request.mode is not None and request.mode not in MODES:
        raise InvalidInput(
            f"there is no mode {request.mode!r}; choose one of: {', '.join(MODES)}", known=list(MODES)
        )
    if request.vector is not None and request.mode not in (None, "dense"):
        raise InvalidInput(f"mode {request.mode} needs words; a vector is searched in mode dense")
    if request.mode == "attention" and not attentive:
        raise without_states("hybrid or dense")
    if request.vector is not None:
        return "dense"
    return request.mode or ("attention" if attentive else "hybrid")


def without_states(modes: str) -> InvalidInput:
    """Return the refusal of mode attention by an encoder without token states, naming what else there is."""
    return InvalidInput(
        f"this encoder has no token states to attend to; choose mode {modes}, or an encoder that has some: "
        f"the collection's own or one of {', '.join(WITH_STATES)}",
        encoders=list(WITH_STATES),
    )


def query_vector(query: str, encoder: Encoder) -> Vector:
    """Return the centred vector ``(d,)`` of a query."""
    centre = query_centre(encoder.query_means, language(query))
    vector: Vector = centred(encoder.encode([query], "query"), centre)[0]
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
    moved: Vector = centred(unit[None, :], query_centre(encoder.query_means, None))[0]
    return moved
