"""Questions whose answers are known, and what a search looks at for each of them.

Judged questions, or else questions that the texts ask of themselves (``text_questions.py``): attention learns
from them, and whatever is to come into use is tested by them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexer import generations
from indexer.chunking import passage_input
from indexer.judged_questions import QUESTIONS_MAX, answered
from indexer.lexical_caches import terms_of
from indexer.service import Service
from indexer.store import passages
from indexer.store.collections import Collection
from indexer.store.passages import IndexedText
from indexer.text_questions import TextQuestion, questions_of
from search.attending import Candidates, attend, second_look
from search.centring import UNKNOWN_SHARE, centred, mean_of_all, passage_mean
from search.encoders.base import TokenEncoder, token_encoder
from search.engine import Engine
from search.errors import InvalidInput
from search.evaluation.judged import Judged
from search.evaluation.measures import COMPARED, by_query
from search.fusion import best_of_groups
from search.languages import LanguageView
from search.lexical.bm25 import score_passages
from search.model import QUERY_CHARACTERS_MAX, SearchRequest
from search.question import Question, prepare
from search.ranking.attention import AttentionRanker
from search.ranking.token_codec import packed

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to learn from, or to be tested with."""

    text: str
    answers: Mapping[int, int]
    """Document -> grade above 0."""
    hidden: IndexedText | None = None
    """Where the question is of the collection's own: the passage that answers, without the question."""

    @property
    def group(self) -> int:
        """A document that answers: questions of one document are learned from or held out together."""
        return min(self.answers, key=lambda document: (-self.answers[document], document))


@dataclass(frozen=True, slots=True)
class Looked:
    """What the engine looks at for a question."""

    question: Question
    candidates: Candidates
    states: Mapping[int, bytes]
    rarity: Mapping[str, float]
    languages: LanguageView
    documents: Mapping[int, int]
    """Passage -> document."""

    def parts(self, ranker: AttentionRanker) -> Mapping[str, NDArray[np.float64]]:
        """Return the parts of the candidates' scores, as a search has them."""
        if self.question.pieces is None:
            raise ValueError("mode attention has pieces")
        evidence = attend(ranker, self.question.pieces, self.rarity, self.candidates.ids, self.states)
        return second_look(self.question, self.candidates, evidence.scores(), self.languages, None)

    def best(self, ranker: AttentionRanker) -> list[int]:
        """Return the best documents."""
        rows = best_of_groups(self.candidates.ids, self.parts(ranker), DEPTH, lambda _: self.documents)
        return [row.group for row in rows]


class Asking:
    """Asks a collection as it is seen through one of its encoders."""

    def __init__(self, service: Service, seen: Collection, generator: np.random.Generator) -> None:
        """Take the encoder that ``seen`` names; ``generator`` draws which questions are put.

        Raises:
            InvalidInput: the encoder has no token states.
        """
        encoder = token_encoder(service.models.encoder_of(seen))
        if encoder is None:
            raise InvalidInput(f"the encoder {seen.encoder} has no token states to attend to")
        self._service = service
        self.seen = seen
        self.encoder: TokenEncoder = encoder
        self._generator = generator
        with service.database.read() as connection:
            manifest = generations.active(connection, seen)
        self._mean = passage_mean(
            encoder.passage_means, manifest.chinese_share if manifest else UNKNOWN_SHARE
        )

    def judged_questions(self, judged: Judged) -> list[Asked]:
        """Return the judged questions that a stored document answers, in drawn order."""
        asked = [
            Asked(question.text, answers) for question, answers in answered(self._service, self.seen, judged)
        ]
        return [asked[place] for place in self._generator.permutation(len(asked)).tolist()][:QUESTIONS_MAX]

    def own_questions(self) -> list[Asked]:
        """Return questions of the texts: of every passage one, drawn, before the second of any."""
        with self._service.database.read() as connection:
            documents = passages.documents_by_passage(connection, self.seen.id)
            titles, headings = passages.names_counted(connection, self.seen.id)
            drawn = self._generator.permutation(np.array(sorted(documents), dtype=np.int64)).tolist()
            texts = {text.id: text for text in passages.indexed_texts(connection, drawn[:QUESTIONS_MAX])}
        rounds: list[tuple[int, TextQuestion]] = []
        for passage in filter(texts.__contains__, drawn):
            mine = list(
                questions_of(
                    texts[passage],
                    documents[passage],
                    titles,
                    headings,
                    self._service.analyzer,
                    self._generator,
                )
            )
            order = self._generator.permutation(len(mine)).tolist()
            rounds += [(turn, mine[place]) for turn, place in enumerate(order)]
        rounds.sort(key=lambda one: one[0])
        asked = {each.text: Asked(each.text, {each.document: 1}, each.answer) for _, each in reversed(rounds)}
        return list(reversed(asked.values()))[:QUESTIONS_MAX]

    def looked(self, asked: Asked) -> Looked:
        """Return what a search looks at for a question.

        Raises:
            InvalidInput: passages have no token states yet.
        """
        service = self._service
        request = SearchRequest(query=asked.text[:QUERY_CHARACTERS_MAX], mode="attention", highlight=False)
        question = prepare(request, self.encoder, service.analyzer)
        instead = self._hidden(asked.hidden, question) if asked.hidden else None

        def look(engine: Engine, connection: Connection) -> Looked:
            candidates = engine.candidates(question)
            states = dict(engine.source.token_states(candidates.ids.tolist()))
            documents = dict(engine.source.documents_of(candidates.ids.tolist()))
            if len(states) < candidates.ids.size:
                raise InvalidInput(
                    f"passages of {self.seen.name!r} have no token states yet; `xunyi worker --once` makes "
                    "them, then train"
                )
            if asked.hidden and instead:
                (document,) = asked.answers
                packed_states, cosine = instead
                kept = np.array([documents[each] != document for each in candidates.ids.tolist()], dtype=bool)
                given = {"dense": cosine, "lexical": self._words(engine, question, asked.hidden)}
                table = {
                    name: np.append(part[kept], given.get(name, 0.0))
                    for name, part in candidates.table.items()
                }
                ids = np.append(candidates.ids[kept], asked.hidden.id)
                candidates = Candidates(ids, table, False)
                states[asked.hidden.id] = packed_states
                documents[asked.hidden.id] = document
            rarity = engine.rarity(question.terms)
            return Looked(question, candidates, states, rarity, engine.languages, documents)

        return service.at_one_state(self.seen, look)

    def _hidden(self, passage: IndexedText, question: Question) -> tuple[bytes, float]:
        """Return the states of a passage without its question, and its cosine to that."""
        encoder, text = self.encoder, passage_input(passage.title, passage.heading, passage.text)
        rows, tokens = encoder.encode_tokens([text], "passage")
        centre = mean_of_all(encoder.token_passage_means)
        stored = packed(tokens[0].states, tokens[0].spans, text, centre)
        return stored, float(centred(rows, self._mean)[0] @ question.vector)

    def _words(self, engine: Engine, question: Question, passage: IndexedText) -> float:
        terms = terms_of(self._service.analyzer, passage)
        statistics = engine.words.statistics(question.terms)
        return engine.lexical_factor(question) * float(score_passages(question.terms, [terms], statistics)[0])


def gains(asked: Sequence[Asked], best: Sequence[Sequence[int]]) -> Mapping[str, float]:
    """Return question (its place) -> nDCG@10 of the best documents that were found for it."""
    judgements = {
        str(place): {str(document): grade for document, grade in question.answers.items()}
        for place, question in enumerate(asked)
    }
    run = {str(place): [str(document) for document in found] for place, found in enumerate(best)}
    return by_query(judgements, run)[COMPARED]
