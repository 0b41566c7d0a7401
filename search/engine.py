"""One search over one state of one collection: parts, fusion, rows, highlights.

``Service`` hands over what the collection is made of (encoder, analyzer, views, passages); nothing
here knows where they came from.  A question is prepared before the database is asked for anything,
so that no transaction is open while a model runs.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from search.attending import (
    CANDIDATES,
    WEIGHTS,
    Candidates,
    DamagedStates,
    Evidence,
    attend,
    first_look,
    second_look,
)
from search.diversity import diverse, pool_size
from search.expansion import PASSAGES, likely_words, weighed
from search.explaining import links_told, speaking_words
from search.fusion import Part, Ranked, best_of_groups, first_depth, rank
from search.languages import LanguageView
from search.lexical.bm25 import idf
from search.model import FoundPassage, FurtherWord, Hit, Mode
from search.parts import DensePart, LanguagePart, LexicalPart, Pool
from search.question import Question
from search.ranking.attention import AttentionRanker
from search.relevance import evidence as told
from search.text.analyzer import Analyzer
from search.text.highlight import highlights
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

    def token_states(self, passage_ids: Sequence[int]) -> Mapping[int, bytes]:
        """Return passage id -> its stored token states, for passages that have them."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one question, and how they were found."""

    hits: Sequence[Hit]
    mode: Mode
    exact: bool
    evidence: float | None = None
    """What the most relevant of all candidates scores by itself; None without any, and in other modes."""
    waiting: int = 0
    """Candidates that have no token states yet, which kept attention from ranking."""
    damaged: Sequence[int] = ()
    """Passages whose token states are damaged, which kept attention from ranking."""
    expansion: Sequence[FurtherWord] | None = None
    """What was looked for beside the question's words; None where it was not expanded."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A collection's views and rows within one transaction."""

    vectors: VectorView
    words: LexicalView
    languages: LanguageView
    source: PassageSource
    analyzer: Analyzer
    ranker: AttentionRanker
    """What mode attention ranks by."""
    beside: Mapping[str, VectorView] = field(default_factory=dict)
    """Encoder that was fit on the collection -> its vectors."""
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    """What parts weigh beside attention; see ``second_look``."""
    usual_weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    """What they weigh where nothing was fitted."""
    shares: Mapping[Mode, float] = field(default_factory=dict)
    """Mode that questions are expanded in -> what further words weigh, of all words."""

    def answer(self, question: Question, selection: Selection | None) -> Answer:
        """Return the best passages, or documents by their best passage, with their rows."""
        if question.mode in self.shares:
            further = self.likely_words(question, selection)
            expansion = weighed(further, question.terms, self.shares[question.mode])
            question = replace(question, expansion=expansion)
        if question.mode == "attention":
            return self._attended_if_sound(question, selection)
        wanted = pool_size(question.limit, question.diversity)
        ranking = rank(self._parts(question, selection), wanted, self._groups(question))
        rows = self._diverse(ranking.rows, question)
        shown = self._hits(rows, question, None)
        return Answer(shown, question.mode, ranking.exact, expansion=question.expansion)

    def likely_words(self, question: Question, selection: Selection | None) -> list[FurtherWord]:
        """Return what the best passages by a first look say beside the question; they weigh 1 in all.

        They are among those that a filter lets through: others must not show in an answer.
        """
        first = question if question.mode == "lexical" else without_attention(question)
        passages = replace(question, group_by="passage")
        best = rank(self._parts(first, selection), PASSAGES, self._groups(passages)).rows
        found = self.source.passages([row.passage for row in best])
        texts = [found[row.passage].encoded for row in best]
        return likely_words(question.terms, texts, self.analyzer, self.words.statistics)

    def _attended_if_sound(self, question: Question, selection: Selection | None) -> Answer:
        """Rank by attention, or as the first look does where token states turn out to be damaged."""
        try:
            return self._attended(question, selection)
        except DamagedStates as damage:
            found = self.answer(without_attention(question), selection)
            return replace(found, damaged=damage.passages)

    def _attended(self, question: Question, selection: Selection | None) -> Answer:
        """Rank the best of ``hybrid`` by attention; as many of them as it takes to fill the page."""
        if question.pieces is None:
            raise ValueError("mode attention needs the pieces of the query")
        parts, beside = self._parts(question, selection), self._beside(question, selection)
        count = _depth(question)
        while True:
            candidates = first_look(parts, count, beside)
            states = self.source.token_states(candidates.ids.tolist())
            waiting = candidates.ids.size - len(states)
            if waiting:
                found = self.answer(without_attention(question), selection)
                return replace(found, waiting=waiting)
            evidence = attend(
                self.ranker, question.pieces, self.rarity(question.terms), candidates.ids, states
            )
            table = second_look(
                question,
                candidates,
                evidence.scores(),
                self.languages,
                selection,
                self.weights,
                self.usual_weights,
            )
            wanted = pool_size(question.limit, question.diversity)
            rows = best_of_groups(candidates.ids, table, wanted, self._groups(question))
            if len(rows) >= question.limit or candidates.complete:
                most = float(told(table).max()) if candidates.ids.size else None
                shown = self._hits(self._diverse(rows, question), question, evidence)
                return Answer(shown, question.mode, candidates.complete, most, expansion=question.expansion)
            count *= 2

    def candidates(self, question: Question) -> Candidates:
        """Return what mode attention looks at first, among all passages."""
        return first_look(self._parts(question, None), _depth(question), self._beside(question, None))

    def rarity(self, terms: Sequence[str]) -> dict[str, float]:
        """Return the inverse document frequency of terms in the collection."""
        known = self.words.statistics(terms)
        return {term: float(idf(known.documents, known.frequencies.get(term, 0))) for term in terms}

    def _groups(self, question: Question) -> Callable[[Sequence[int]], Mapping[int, int]]:
        if question.group_by == "document":
            return self.source.documents_of
        return lambda ids: {passage: passage for passage in ids}

    def _diverse(self, rows: Sequence[Ranked], question: Question) -> Sequence[Ranked]:
        """Return the rows of the page, out of those it may be made of."""
        if question.diversity == 0:
            return rows
        vectors = self.vectors.vectors(np.array([row.passage for row in rows], dtype=np.int64))
        scores = [row.score for row in rows]
        return [rows[place] for place in diverse(scores, vectors, question.limit, question.diversity)]

    def _hits(self, rows: Sequence[Ranked], question: Question, evidence: Evidence | None) -> list[Hit]:
        """Return the rows of a ranking, highlighted."""
        found = self.source.passages([row.passage for row in rows])
        if evidence:
            evidence.check({passage: row.encoded for passage, row in found.items()})
        return [self._hit(row, found[row.passage], question, evidence) for row in rows]

    def _parts(self, question: Question, selection: Selection | None) -> dict[str, Part]:
        if question.mode == "dense" and not question.balanced:
            return {"dense": self._dense(question, [Pool(selection)])}
        if question.mode == "dense" or question.by_examples:
            return self._meaning(question, selection, lifted=0.0)
        lexical = LexicalPart(
            self.words,
            question.weights,
            selection,
            self.lexical_factor(question),
            alone=question.mode == "lexical",
        )
        if question.mode == "lexical":
            return {"lexical": lexical}
        if not self._others(question, selection).ids.size:
            return {"dense": self._dense(question, [Pool(selection)]), "lexical": lexical}
        meaning = self._meaning(question, selection, lexical.best(_depth(question)))
        return {"dense": meaning["dense"], "lexical": lexical, "language": meaning["language"]}

    def _meaning(self, question: Question, selection: Selection | None, lifted: float) -> dict[str, Part]:
        """Return nearness of meaning, each passage held against the best of its own language.

        Args:
            question: its language is the own one.
            selection: what a filter lets through.
            lifted: by how much words lift the best passage of that language.
        """
        own = self.languages.selection(question.language, selection)
        dense = self._dense(question, [Pool(own), Pool(self._others(question, selection))])
        handicap = lifted + dense.lead(_depth(question))
        return {
            "dense": dense.held_back(handicap),
            "language": LanguagePart(self.languages, question.language, handicap),
        }

    def _others(self, question: Question, selection: Selection | None) -> Selection:
        """Return the passages that are not in the question's language."""
        return self.languages.selection("en" if question.language == "zh" else "zh", selection)

    def _dense(self, question: Question, pools: Sequence[Pool]) -> DensePart:
        if question.vector is None:
            raise ValueError(f"mode {question.mode} needs a vector")
        return DensePart(self.vectors, question.vector, pools)

    def _beside(self, question: Question, selection: Selection | None) -> dict[str, DensePart]:
        """Return what encoders that were fit on the collection say, unweighted."""
        return {
            name: DensePart(view, question.beside[name], [Pool(selection)])
            for name, view in self.beside.items()
        }

    def lexical_factor(self, question: Question) -> float:
        """Return what BM25 is multiplied by for a question."""
        bound = self.words.upper_bound(question.weights)
        return 1.0 if question.mode == "lexical" or bound <= 0 else LEXICAL_WEIGHT / math.sqrt(bound)

    def _hit(self, row: Ranked, found: FoundPassage, question: Question, evidence: Evidence | None) -> Hit:
        links = evidence.links(row.passage) if evidence else None
        if not question.highlight:
            marked = []
        elif links:
            marked = speaking_words(links, found, self.analyzer)
        else:
            marked = highlights(found.passage.text, question.weights, self.analyzer, found.passage.start)
        explanation = self._explanation(row, question, second=bool(links)) if question.explain else None
        if explanation is not None and links:
            explanation["attention"] = links_told(links, question.text, found, self.analyzer)
        return Hit(
            key=found.key,
            title=found.title,
            passage=found.passage,
            score=row.score,
            parts=row.parts,
            highlights=marked,
            metadata=found.metadata,
            explanation=explanation,
        )

    def _explanation(self, row: Ranked, question: Question, second: bool) -> dict[str, Any]:
        """Return what each part was made of, so that a reader can check the sum.

        Args:
            row: of the ranking.
            question: what was asked.
            second: whether the row had its second look, in which meaning and words weigh less.
        """
        told: dict[str, Any] = {"score": "the sum of the parts"}
        if "dense" in row.parts:
            factor = self.weights["dense"] if second else 1.0
            told["dense"] = {"cosine": row.parts["dense"] / factor, "factor": factor}
        for name in (name for name in row.parts if name in self.beside):
            told[name] = {"cosine": row.parts[name] / self.weights[name], "factor": self.weights[name]}
        if "lexical" in row.parts:
            factor = self.lexical_factor(question) * (self.weights["lexical"] if second else 1.0)
            told["lexical"] = {
                "bm25": row.parts["lexical"] / factor,
                "factor": factor,
                "terms": list(question.weights),
            }
        if "language" in row.parts:
            told["language"] = {"of_the_question": question.language}
        return told


def without_attention(question: Question) -> Question:
    """Return the question whose answer is the first look alone."""
    mode: Mode = "dense" if question.by_examples else "hybrid"
    return replace(question, mode=mode, pieces=None, expansion=None)


def _depth(question: Question) -> int:
    """Return how many passages of each part are looked at first; every list of them is made once."""
    if question.mode == "attention":
        return max(CANDIDATES, 2 * question.limit)
    return first_depth(question.limit)
