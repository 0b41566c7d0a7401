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

from search.fusion import Part, Ranked, Ranking, first_depth, rank
from search.languages import LanguageView
from search.model import FoundPassage, Hit
from search.parts import DensePart, LanguagePart, LexicalPart, Pool
from search.question import Question
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
        lexical = LexicalPart(
            self.words,
            question.terms,
            selection,
            self._lexical_factor(question),
            alone=question.mode == "lexical",
        )
        if question.mode == "lexical":
            return {"lexical": lexical}
        other = self.languages.selection("en" if question.language == "zh" else "zh", selection)
        if not other.ids.size:
            return {"dense": self._dense(question, [Pool(selection)]), "lexical": lexical}
        own = self.languages.selection(question.language, selection)
        dense, depth = self._dense(question, [Pool(own), Pool(other)]), first_depth(question.limit)
        handicap = lexical.best(depth) + dense.lead(depth)
        return {
            "dense": dense.held_back(handicap),
            "lexical": lexical,
            "language": LanguagePart(self.languages, question.language, handicap),
        }

    def _dense(self, question: Question, pools: Sequence[Pool]) -> DensePart:
        if question.vector is None:
            raise ValueError(f"mode {question.mode} needs a vector")
        return DensePart(self.vectors, question.vector, pools)

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
            told["lexical"] = {
                "bm25": float(self.words.scores(question.terms, np.array([row.passage], dtype=np.int64))[0]),
                "factor": self._lexical_factor(question),
                "terms": list(dict.fromkeys(question.terms)),
            }
        if "language" in row.parts:
            told["language"] = {"of_the_question": question.language}
        return told
