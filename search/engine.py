"""One search over one state of one collection: parts, fusion, rows, highlights.

``Service`` hands over what the collection is made of (encoder, analyzer, views, passages); nothing
here knows where they came from.  A question is prepared before the database is asked for anything,
so that no transaction is open while a model runs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from search.arrays import Ids, Vector, unit_rows
from search.centring import centred, mean_of_all, query_mean
from search.encoders.base import Encoder, Language
from search.errors import InvalidInput
from search.fusion import Listing, Part, Ranked, Ranking, rank
from search.languages import LanguageView
from search.model import (
    DEFAULT_MODE,
    LIMIT_MAX,
    MODES,
    QUERY_CHARACTERS_MAX,
    FoundPassage,
    GroupBy,
    Hit,
    Mode,
    SearchRequest,
)
from search.text.analyzer import Analyzer
from search.text.highlight import highlights
from search.text.language import language
from search.views import LexicalView, Selection, VectorView

LEXICAL_WEIGHT = 0.024
"""What BM25, divided by the root of its upper bound for the query, weighs beside the centred cosine.

Undivided, long questions would be answered by words alone; divided by the bound itself, they would hardly
profit from words.
"""


class PassageSource(Protocol):
    """Where the engine finds the rows; ``indexer/store/passages.py`` is one."""

    def documents_of(self, passage_ids: Sequence[int]) -> Mapping[int, int]:
        """Return passage id -> document id."""
        ...

    def passages(self, passage_ids: Sequence[int]) -> Mapping[int, FoundPassage]:
        """Return passage id -> the passage with its document's facts."""
        ...


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
    vector = np.asarray(values, dtype=np.float32)
    if vector.shape != (encoder.dimension,):
        raise InvalidInput(
            f"the vector has {vector.size} numbers; this collection's encoder makes {encoder.dimension}",
            given=int(vector.size),
            dimension=encoder.dimension,
        )
    if not np.isfinite(vector).all() or not vector.any():
        raise InvalidInput("the vector must be of finite numbers, not all zero")
    moved: Vector = centred(unit_rows(vector[None, :]), mean_of_all(encoder.query_means))[0]
    return moved


@dataclass(frozen=True, slots=True)
class Pool:
    """Passages that are listed apart, because another part gives all of them a handicap."""

    selection: Selection | None
    handicap: float = 0.0


@dataclass(frozen=True, slots=True)
class DensePart:
    """Cosine of the centred vectors."""

    view: VectorView
    vector: Vector
    pools: Sequence[Pool]

    def top(self, k: int) -> Listing:
        """Return the ``k`` nearest passages of every pool; all passages have a vector.

        The ceiling counts the handicaps in, so that the sum of all ceilings is as low as it can be.
        """
        listings = [self._listing(pool, k) for pool in self.pools]
        return Listing(
            np.concatenate([listing.ids for listing in listings]),
            np.concatenate([listing.scores for listing in listings]),
            all(listing.exact for listing in listings),
            max(listing.ceiling for listing in listings),
            all(listing.complete for listing in listings),
        )

    def _listing(self, pool: Pool, k: int) -> Listing:
        ids, scores, exact = self.view.search(self.vector, k, pool.selection)
        complete = ids.size < k
        ceiling = -np.inf if complete else float(scores[-1]) - pool.handicap
        return Listing(ids, scores, exact, ceiling, complete)

    def scores(self, ids: Ids) -> Vector:
        """Return the cosines of given passages."""
        return self.view.scores(self.vector, ids)


@dataclass(frozen=True, slots=True)
class LexicalPart:
    """BM25 times a factor that is fixed for the query, less a handicap for passages of one language.

    In mode hybrid the handicap is what the best passage by words has, so a passage in the question's own
    language gets at most 0, for all the words it could have had, and one in the other language about 0.
    """

    view: LexicalView
    terms: Sequence[str]
    selection: Selection | None
    factor: float
    alone: bool
    """Whether only passages that hold a word of the query can be an answer."""
    languages: LanguageView
    language: Language
    handicap: float

    def top(self, k: int) -> Listing:
        """Return the ``k`` best passages by words."""
        ids, scores = self.view.search(self.terms, k, self.selection)
        scores = scores * np.float32(self.factor)
        ended = ids.size < k
        return Listing(ids, scores, True, 0.0 if ended else float(scores[-1]), self.alone and ended)

    def scores(self, ids: Ids) -> Vector:
        """Return the weighted scores of given passages, less the handicap."""
        scores = self.view.scores(self.terms, ids) * np.float32(self.factor)
        if self.handicap:
            scores -= np.float32(self.handicap) * self.languages.among(ids, self.language)
        return scores

    def best(self) -> float:
        """Return the weighted score of the best passage, 0 where none holds a word of the query."""
        _, scores = self.view.search(self.terms, 1, self.selection)
        return float(scores[0]) * self.factor if scores.size else 0.0


@dataclass(frozen=True, slots=True)
class Engine:
    """A collection's views and rows within one transaction."""

    vectors: VectorView
    words: LexicalView
    languages: LanguageView
    source: PassageSource
    analyzer: Analyzer

    def ranking(self, question: Question, selection: Selection | None) -> Ranking:
        """Return the best passages (or documents by their best passage), without their rows."""
        parts = self._parts(question, selection)
        if question.group_by == "document":
            return rank(parts, question.limit, self.source.documents_of)
        return rank(parts, question.limit, lambda ids: {passage: passage for passage in ids})

    def hits(self, ranking: Ranking, question: Question) -> list[Hit]:
        """Return the rows of a ranking, highlighted."""
        found = self.source.passages([row.passage for row in ranking.rows])
        return [self._hit(row, found[row.passage], question) for row in ranking.rows]

    def _parts(self, question: Question, selection: Selection | None) -> dict[str, Part]:
        if question.mode == "dense":
            return {"dense": self._dense(question, [Pool(selection)])}
        lexical = self._lexical(question, selection, 0.0)
        if question.mode == "lexical":
            return {"lexical": lexical}
        handicap = lexical.best()
        other: Language = "en" if question.language == "zh" else "zh"
        pools = [
            Pool(self.languages.selection(question.language, selection), handicap),
            Pool(self.languages.selection(other, selection)),
        ]
        return {
            "dense": self._dense(question, pools),
            "lexical": self._lexical(question, selection, handicap),
        }

    def _dense(self, question: Question, pools: Sequence[Pool]) -> DensePart:
        if question.vector is None:
            raise ValueError(f"mode {question.mode} needs a vector")
        return DensePart(self.vectors, question.vector, pools)

    def _lexical(self, question: Question, selection: Selection | None, handicap: float) -> LexicalPart:
        return LexicalPart(
            self.words,
            question.terms,
            selection,
            self._lexical_factor(question),
            alone=question.mode == "lexical",
            languages=self.languages,
            language=question.language,
            handicap=handicap,
        )

    def _lexical_factor(self, question: Question) -> float:
        bound = self.words.upper_bound(question.terms)
        return LEXICAL_WEIGHT / math.sqrt(bound) if question.mode == "hybrid" and bound > 0 else 1.0

    def _hit(self, row: Ranked, found: FoundPassage, question: Question) -> Hit:
        marked = highlights(found.passage.text, question.terms, self.analyzer, found.passage.start)
        return Hit(
            key=found.key,
            title=found.title,
            passage=found.passage,
            score=row.score,
            parts=row.parts,
            highlights=marked,
            metadata=found.metadata,
            explanation=self._explanation(row, question) if question.explain else None,
        )

    def _explanation(self, row: Ranked, question: Question) -> dict[str, Any]:
        """Return what each part was made of, so that a reader can check the sum."""
        told: dict[str, Any] = {"score": "the sum of the parts"}
        if "dense" in row.parts:
            told["dense"] = {"cosine": row.parts["dense"], "factor": 1.0}
        if "lexical" in row.parts:
            bm25 = float(self.words.scores(question.terms, np.array([row.passage], dtype=np.int64))[0])
            factor = self._lexical_factor(question)
            told["lexical"] = {
                "bm25": bm25,
                "factor": factor,
                "handicap": bm25 * factor - row.parts["lexical"],
                "terms": list(dict.fromkeys(question.terms)),
            }
        return told
