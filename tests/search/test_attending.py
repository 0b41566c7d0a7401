"""Attention as the second look: its parts add up, its links add up, and both are what a plain loop finds."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from search.arrays import unit_rows
from search.attending import CANDIDATES, DENSE_WEIGHT, LEXICAL_SHARE, QUERY_PIECES_MAX, attend
from search.engine import Engine
from search.languages import LanguageView
from search.lexical.bm25 import idf
from search.lexical.tantivy_index import TantivyIndex
from search.model import FoundPassage, PassageText
from search.question import QueryPieces, Question
from search.ranking.attention import Simple
from search.ranking.token_codec import PackedPassages, packed, unpacked
from search.text.analyzer import Analyzer
from search.vectors.exact_index import ExactIndex
from search.views import NO_IDS, LexicalView, Selection, VectorView

D = 24
SEED = 20240501
ANALYZER = Analyzer()
WORDS = {
    "en": [
        "heron",
        "river",
        "willow",
        "badger",
        "copper",
        "lantern",
        "orchard",
        "granite",
        "saddle",
        "thimble",
    ],
    "zh": ["白鹭", "河流", "柳树", "铜器", "灯笼", "果园", "岩石", "马鞍", "顶针", "獾"],
}
TITLE = "Notes 笔记"
TEMPERATURE = Simple().temperature


@dataclass
class Library:
    """Random passages of two languages with everything an engine asks for."""

    count: int
    seed: int
    chinese: float = 0.4
    without_states: tuple[int, ...] = ()
    texts: dict[int, str] = field(default_factory=dict)
    states: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self):
        self.generator = np.random.default_rng(self.seed)
        self.ids = np.cumsum(self.generator.integers(1, 4, self.count))
        self.is_chinese = self.generator.random(self.count) < self.chinese
        self.rows = unit_rows(self.drawn(self.count, D))
        self.centre = self.drawn(1, D)[0]
        for passage, chinese in zip(self.ids.tolist(), self.is_chinese, strict=True):
            words = self.generator.choice(WORDS["zh" if chinese else "en"], 6)
            self.texts[passage] = ("，" if chinese else " ").join(words)
            encoded = f"{TITLE}\n{self.texts[passage]}"
            spans = np.array([(t.start, t.end) for t in ANALYZER.tokens(encoded)], np.int32)
            self.states[passage] = packed(self.drawn(len(spans), D), spans, encoded, self.centre)

    def drawn(self, *shape):
        return self.generator.standard_normal(shape).astype(np.float32)

    def engine(self):
        terms = {p: ANALYZER.terms(f"{TITLE} {text}") for p, text in self.texts.items()}
        tail = ExactIndex(NO_IDS, np.empty((0, D), np.float32))
        index = TantivyIndex.in_memory(terms.items(), covers=1)
        return Engine(
            VectorView(ExactIndex(self.ids, self.rows), tail, None, None),
            LexicalView(index, NO_IDS, [], NO_IDS),
            LanguageView(self.ids, self.ids[self.is_chinese]),
            self,
            ANALYZER,
            Simple(),
        )

    def documents_of(self, ids):
        return {passage: passage // 5 for passage in ids}

    def passages(self, ids):
        return {
            p: FoundPassage(
                PassageText(p, 0, 1000, 1000 + len(self.texts[p]), self.texts[p], "", None),
                p // 5,
                str(p),
                TITLE,
                {},
                f"{TITLE}\n{self.texts[p]}",
            )
            for p in ids
        }

    def token_states(self, ids):
        return {passage: self.states[passage] for passage in ids if passage not in self.without_states}

    def question(self, query="heron willow lantern", language="en", **changes):
        tokens = ANALYZER.tokens(query)
        pieces = QueryPieces(
            unit_rows(self.drawn(len(tokens), D)),
            np.array([(token.start, token.end) for token in tokens], np.int32),
            [[token.term] for token in tokens],
        )
        asked = Question(
            "attention",
            10,
            "passage",
            True,
            ANALYZER.terms(query),
            self.rows[3],
            language,
            query,
            pieces=pieces,
        )
        return replace(asked, **changes)


def plain_attention(library, question, engine):
    """Return passage -> score by the formulas, one link at a time, in double precision."""
    known = engine.words.statistics(question.terms)
    weights = np.array([float(idf(known.documents, known.frequencies[t])) for (t,) in question.pieces.terms])
    weights /= weights.sum()
    scores = {}
    for passage, stored in library.states.items():
        states = PackedPassages([unpacked(stored)]).products(np.eye(D, dtype=np.float32)).T.astype(np.float64)
        total = 0.0
        for weight, state in zip(weights, question.pieces.states.astype(np.float64), strict=True):
            similar = states @ state
            shares = np.exp(similar / TEMPERATURE)
            total += weight * (shares / shares.sum() * similar).sum()
        scores[passage] = total
    return scores


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("group_by", ["passage", "document"])
def test_scores_parts_and_links_are_those_of_a_plain_loop(seed, group_by):
    library = Library(90, seed, chinese=0.5 if seed % 2 else 0.0)
    engine = library.engine()
    question = library.question(group_by=group_by)
    found = engine.answer(question, None)
    attention = plain_attention(library, question, engine)
    assert (found.mode, found.exact, found.waiting) == ("attention", True, 0)
    places = {passage: place for place, passage in enumerate(library.ids.tolist())}
    by_words = replace(question, mode="lexical", group_by="passage", limit=len(places))
    bm25 = {hit.passage.id: hit.score for hit in engine.answer(by_words, None).hits}
    for hit in found.hits:
        passage = hit.passage.id
        assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-9)
        assert hit.parts["attention"] == pytest.approx(attention[passage], abs=1e-5)
        cosine = float(library.rows[places[passage]] @ question.vector)
        assert hit.parts["dense"] == pytest.approx(DENSE_WEIGHT * cosine, abs=1e-6)
        assert hit.explanation["dense"] == pytest.approx({"cosine": cosine, "factor": DENSE_WEIGHT}, abs=1e-6)
        words = hit.explanation["lexical"]
        assert words["bm25"] == pytest.approx(bm25.get(passage, 0.0), abs=1e-5)
        assert words["bm25"] * words["factor"] == pytest.approx(hit.parts["lexical"], abs=1e-9)
        told = hit.explanation["attention"]
        assert np.sum(told["carried"]) == pytest.approx(hit.parts["attention"], abs=1e-6)
        assert [word["score"] for word in told["query"]] == pytest.approx(np.sum(told["carried"], axis=1))
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


def test_all_scores_together_are_ranked_by_the_sum_and_the_language_is_held_against_its_own():
    library = Library(60, 11, chinese=0.5)
    engine = library.engine()
    question = library.question(limit=60)
    hits = engine.answer(question, None).hits
    assert len(hits) == 60
    english = [hit for hit in hits if not library.is_chinese[np.searchsorted(library.ids, hit.passage.id)]]
    (handicap,) = {round(hit.parts["language"], 12) for hit in english}
    assert {hit.parts["language"] for hit in hits if hit not in english} == {0.0}
    sums = {
        own: sorted(
            (h.parts["attention"] + h.parts["dense"] for h in hits if (h in english) == own), reverse=True
        )
        for own in (True, False)
    }
    fewest = min(len(english), 60 - len(english))
    ahead = (np.mean(sums[True][:10]) - np.mean(sums[False][:10])) * fewest / (fewest + 100)
    assert -handicap == pytest.approx(max(hit.parts["lexical"] for hit in hits) + ahead, abs=1e-9)


def test_the_best_hundred_of_the_first_look_get_the_second():
    library = Library(400, 3, chinese=0.0)
    engine = library.engine()
    question = library.question(limit=CANDIDATES // 2)
    found = engine.answer(question, None)
    first = engine.answer(replace(question, mode="hybrid", limit=CANDIDATES), None)
    assert not found.exact and first.exact
    plain = plain_attention(library, question, engine)
    scores = {}
    for hit in first.hits:
        row = library.rows[np.searchsorted(library.ids, hit.passage.id)]
        dense = DENSE_WEIGHT * float(row @ question.vector)
        scores[hit.passage.id] = plain[hit.passage.id] + dense + LEXICAL_SHARE * hit.parts["lexical"]
    expected = sorted(scores, key=scores.__getitem__, reverse=True)
    assert [hit.passage.id for hit in found.hits] == expected[: question.limit]


def test_a_page_is_full_where_so_many_documents_match():
    library = Library(700, 4)
    for limit in (10, 60, 120):
        found = library.engine().answer(library.question(limit=limit, group_by="document"), None)
        assert len(found.hits) == limit
        assert len({hit.passage.id // 5 for hit in found.hits}) == limit


def test_a_filter_is_obeyed_and_few_passages_are_all_looked_at():
    library = Library(300, 5)
    allowed = Selection(library.ids[::50])
    found = library.engine().answer(library.question(), allowed)
    assert {hit.passage.id for hit in found.hits} == set(allowed.ids.tolist()) and found.exact
    nothing = library.engine().answer(library.question(), Selection(NO_IDS))
    assert (nothing.hits, nothing.exact) == ([], True)


def test_passages_without_states_leave_the_ranking_to_the_first_look():
    library = Library(50, 6, without_states=(int(Library(50, 6).ids[0]),))
    engine, question = library.engine(), library.question()
    found = engine.answer(question, None)
    assert (found.mode, found.waiting) == ("hybrid", 1)
    first = engine.answer(replace(question, mode="hybrid"), None)
    assert [hit.parts for hit in found.hits] == [hit.parts for hit in first.hits]


def test_of_a_long_query_the_weightiest_pieces_attend():
    library = Library(20, 7)
    terms = [[f"t{number}"] for number in range(QUERY_PIECES_MAX + 40)]
    states = unit_rows(library.drawn(len(terms), D))
    rarity = {f"t{number}": 1.0 + number for number in range(len(terms))}
    whole = QueryPieces(states, np.zeros((len(terms), 2), np.int32), terms)
    heavy = QueryPieces(states[40:], whole.spans[40:], terms[40:])
    found, expected = (
        attend(Simple(), query, rarity, library.ids, library.states) for query in (whole, heavy)
    )
    assert len(found.weights) == QUERY_PIECES_MAX
    np.testing.assert_array_equal(found.scores(), expected.scores())


def test_highlights_are_words_of_the_passage_and_the_strongest_weighs_one():
    library = Library(40, 8, chinese=0.5)
    hits = library.engine().answer(library.question(), None).hits
    for hit in hits:
        text = library.texts[hit.passage.id]
        words = [text[mark.start - 1000 : mark.end - 1000] for mark in hit.highlights]
        assert set(words) <= {*WORDS["en"], *WORDS["zh"]}
        assert all(0.15 <= mark.weight <= 1 for mark in hit.highlights)
        told = hit.explanation["attention"]
        inside = [word for word in told["passage"] if word["start"] is not None]
        assert [text[word["start"] - 1000 : word["end"] - 1000] for word in inside] == [
            w["text"] for w in inside
        ]
        titled = [word["text"] for word in told["passage"] if word["start"] is None]
        assert titled == ["Notes", "笔记"]
    assert any(mark.weight == 1 for hit in hits for mark in hit.highlights)
