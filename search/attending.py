"""The second look: the best passages by meaning and words, ranked by what their tokens say to the query's.

A passage's score is the sum of what attention carries from every word of the query to its words, of some
nearness of meaning as a whole, and of its words by BM25.  As in the first look, passages of the question's
own language are held against the best of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from search.arrays import Ids
from search.fusion import Part, Table, listed, scores_by
from search.languages import LanguageView
from search.parts import believed_lead
from search.question import QueryPieces, Question
from search.ranking.attention import Attended, AttentionRanker
from search.ranking.pieces import piece_weights
from search.ranking.token_codec import PackedPassages, StoredStates
from search.ranking.token_flaws import misplaced, readable
from search.views import Selection

CANDIDATES = 100
"""Passages that get a second look, for a page of up to half as many."""
DENSE_WEIGHT = 0.4
"""What the cosine of the whole vectors weighs beside attention."""
LEXICAL_SHARE = 0.4
"""What words weigh beside attention, which sees them too, of what they weigh beside the cosine alone.

At .6 long pages fall behind meaning alone, from .3 to 1 the mean over judged collections stays the same.
"""
LEAD_PASSAGES = 10
"""How many of a language's best candidates say how near that language lies to a question by itself."""
QUERY_PIECES_MAX = 64
"""Pieces of a query that attend: of a longer one the weightiest."""

NOTHING_BESIDE: Mapping[str, Part] = {}
WEIGHTS: Mapping[str, float] = {"dense": DENSE_WEIGHT, "lexical": LEXICAL_SHARE}
"""What parts weigh beside attention where nothing else was fitted to judgements."""
WEIGHTS_OF_FITTED: Mapping[str, float] = {"dense": 1.0, "lexical": 1.0}
"""The same beside the attention of an encoder that was fit on the collection: what they weigh without it.

So a score is that of the first look and attention on top.  nDCG@10 of hybrid and of attention, cranfield and
stackfaq_answers: rnn .383 .400, .445 .470; lstm .385 .395, .440 .465; transformer-scratch .399 .411, .444
.472; seq2seq .274 .319, .368 .410.  With the weights above lstm would have .376 on cranfield.
"""


class DamagedStates(Exception):
    """Stored token states are not what the codec wrote, so that attention neither ranks nor explains."""

    def __init__(self, passages: Sequence[int]) -> None:
        """Name the ``passages`` whose states they are."""
        super().__init__(f"damaged token states of passages {list(passages)}")
        self.passages = passages


@dataclass(frozen=True, slots=True)
class Candidates:
    """Passages for a second look, with the scores of the first."""

    ids: Ids
    table: Table
    complete: bool
    """Whether no other passage can be an answer."""
    beside: Table = field(default_factory=dict)
    """Encoder that was fit on the collection -> cosines."""


@dataclass(frozen=True, slots=True)
class Links:
    """What made the attention score of one passage."""

    carried: NDArray[np.float64]
    """What each piece of the query brings from each piece of the passage ``(n, l)``; adds up to the score."""
    query: QueryPieces
    passage: StoredStates


@dataclass(frozen=True, slots=True)
class Evidence:
    """What attention saw for one question."""

    ids: Ids
    attended: Attended
    weights: NDArray[np.float64]
    query: QueryPieces
    passages: PackedPassages

    def scores(self) -> NDArray[np.float64]:
        """Return the attention score of every candidate."""
        scores: NDArray[np.float64] = self.attended.scores.astype(np.float64) @ self.weights
        return scores

    def check(self, encoded: Mapping[int, str]) -> None:
        """Raise ``DamagedStates`` unless states of candidates stand in the texts that were ``encoded``."""
        damaged = [
            passage
            for passage, text in encoded.items()
            if misplaced(self.passages.passages[self._place(passage)], text)
        ]
        if damaged:
            raise DamagedStates(damaged)

    def _place(self, passage: int) -> int:
        return int(np.flatnonzero(self.ids == passage)[0])

    def links(self, passage: int) -> Links:
        """Return what made the score of one candidate."""
        place = self._place(passage)
        carried = self.attended.of_passage(place).carried.astype(np.float64)
        return Links(self.weights[:, None] * carried, self.query, self.passages.passages[place])


def first_look(
    parts: Mapping[str, Part], count: int, beside: Mapping[str, Part] = NOTHING_BESIDE
) -> Candidates:
    """Return the ``count`` best passages among those that any part shows at that depth.

    Of every encoder ``beside`` come its own best, half as many: what it alone finds is looked at, too.
    """
    listings = [part.top(count) for part in parts.values()]
    ids = listed(listings)
    table = scores_by(parts, ids)
    scores = np.sum(list(table.values()), axis=0)
    best = np.sort(np.lexsort((ids, -scores))[:count])
    complete = ids.size <= count and any(listing.complete for listing in listings)
    if not beside:
        return Candidates(ids[best], {name: scores[best] for name, scores in table.items()}, complete)
    also = listed([part.top(count // 2) for part in beside.values()])
    together = np.union1d(ids[best], also)
    return Candidates(together, scores_by(parts, together), complete, scores_by(beside, together))


def attend(
    ranker: AttentionRanker,
    query: QueryPieces,
    rarity: Mapping[str, float],
    ids: Ids,
    states: Mapping[int, bytes],
) -> Evidence:
    """Let a query attend to candidates.

    Args:
        ranker: which kind of attention.
        query: its pieces.
        rarity: inverse document frequency of its terms in the collection.
        ids: of the candidates.
        states: of each candidate, as stored.

    Raises:
        DamagedStates: some of the states are not what was stored.
    """
    query, weights = weighed(query, rarity)
    passages = PackedPassages(whole(ids, states, query.states.shape[1]))
    return Evidence(ids, ranker.attend(query.states, passages), weights, query, passages)


def weighed(query: QueryPieces, rarity: Mapping[str, float]) -> tuple[QueryPieces, NDArray[np.float64]]:
    """Return the pieces of a query that attend, and what each weighs ``(n,)``, 1 in all."""
    weights = query.weights if query.weights is not None else piece_weights(query.terms, rarity)
    if len(weights) > QUERY_PIECES_MAX:
        kept = np.sort(np.argsort(-weights, kind="stable")[:QUERY_PIECES_MAX])
        query = QueryPieces(query.states[kept], query.spans[kept], [query.terms[place] for place in kept])
        weights = piece_weights(query.terms, rarity)
    return query, weights


def whole(ids: Ids, states: Mapping[int, bytes], dimension: int) -> list[StoredStates]:
    """Return the states of passages ready for attention; raise ``DamagedStates`` where some are not."""
    read = {passage: readable(states[passage], dimension) for passage in ids.tolist()}
    whole = [stored for stored in read.values() if not isinstance(stored, str)]
    if len(whole) < len(read):
        raise DamagedStates([passage for passage, stored in read.items() if isinstance(stored, str)])
    return whole


def second_look(
    question: Question,
    candidates: Candidates,
    attention: NDArray[np.float64],
    languages: LanguageView,
    selection: Selection | None,
    weights: Mapping[str, float] = WEIGHTS,
    usual: Mapping[str, float] = WEIGHTS,
) -> Table:
    """Return the parts of the candidates' scores.

    Languages are held apart by what parts usually weigh, as they were when weights were fitted: they would
    drift apart with every weight that grows.  nDCG@10 of a collection of both languages by its fitted mix,
    every question by weights that were fitted without it: .7963, held apart by the fitted weights .7793,
    and by the usual mix .7885 (1200 questions, p = .004 and .0009).

    Args:
        question: what was asked.
        candidates: with the scores of the first look.
        attention: what their tokens say to the question's ``(n,)``.
        languages: of all passages.
        selection: what a filter lets through.
        weights: what parts weigh beside attention: ``dense``, ``lexical`` (as a share of what words weigh in
            the first look), and the cosines of encoders that were fit on the collection, by name.
        usual: what they weigh where nothing was fitted.

    Returns:
        Part -> scores ``(n,)``; a part that weighs nothing is left out.
    """
    given = {**candidates.table, **candidates.beside}
    if question.by_examples:
        given.pop("lexical", None)
    table = {"attention": attention, **_weighed(given, weights)}
    if "language" not in candidates.table:
        return table
    own = languages.among(candidates.ids, question.language)
    if own.all() or not own.any():
        return table | {"language": np.zeros(own.size)}
    fewest = min(languages.selection(spoken, selection).ids.size for spoken in ("en", "zh"))
    parts = _weighed(given, usual)
    meaning = sum((part for name, part in parts.items() if name != "lexical"), start=attention)
    first, second = (np.sort(meaning[side])[::-1][:LEAD_PASSAGES] for side in (own, ~own))
    lifted = parts["lexical"].max(initial=0.0) if "lexical" in parts else 0.0
    handicap = lifted + believed_lead(first, second, fewest)
    return table | {"language": np.where(own, -handicap, 0.0)}


def _weighed(given: Table, weights: Mapping[str, float]) -> Table:
    return {name: weight * given[name] for name, weight in weights.items() if weight > 0 and name in given}
