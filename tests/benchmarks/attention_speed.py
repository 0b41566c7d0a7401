"""What attention costs: ranking a hundred passages, and a whole search over 100,000.

Ranking is all that follows once the candidates are known: their states are fetched from the database,
unpacked, attended to and summed.  The passages are those of the home whose encoder input has 180 pieces,
give or take a few, drawn anew for every question.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sqlalchemy as sa

from indexer.service import Service
from indexer.store.tables import PassageRow, TokenStatesRow
from indexer.store.token_states import states_of
from indexer.token_states import codec_of
from search.arrays import Ids
from search.attending import CANDIDATES, attend
from search.encoders.base import token_encoder
from search.model import SearchRequest
from search.question import Question, prepare
from search.ranking.attention import Simple
from tests.benchmarks import home_100k
from tests.benchmarks.demo_corpus import judged_questions
from tests.benchmarks.report import Options, Outcome, Target
from tests.benchmarks.timing import Times

RANKING_MS_MAX = 12.0
SEARCH_MS_MAX = 40.0
STATE_BYTES_MAX = 24 * 1024
ROUNDS = 3
PIECES = range(178, 183)
SAMPLE = 20_000
SEED = 41


def run(options: Options) -> Outcome:
    """Measure both, and the bytes of the states."""
    service = home_100k.opened(options)
    service.ready()
    collection = service.ensure_collection(home_100k.COLLECTION)
    encoder = token_encoder(service.models.encoder_of(collection))
    if encoder is None:
        raise ValueError("the benchmark's encoder has token states")
    questions = [
        prepare(SearchRequest(query, mode="attention"), encoder, service.analyzer)
        for query in judged_questions()
    ]
    passages, sizes = _of_180_pieces(service, encoder.tokenizer.count)
    ranking, counts = Times(), []
    rng = np.random.default_rng(SEED)
    for question in questions * ROUNDS:
        ids = rng.choice(passages, CANDIDATES, replace=False)
        counts.append(ranking.of(partial(_ranked, service, codec_of(encoder), question, ids)))
    searching = Times()
    for query in judged_questions():
        _search(service, query)
    for query in judged_questions() * ROUNDS:
        searching.of(partial(_search, service, query))
    service.close()
    told = {
        "ranking": ranking.told(),
        "search": searching.told(),
        "state_bytes": float(np.mean(sizes)),
        "states": float(np.mean(counts)),
        "query_pieces": float(
            np.mean([len(question.pieces.states) for question in questions if question.pieces])
        ),
    }
    return Outcome(
        settings={"candidates": CANDIDATES, "pieces": [PIECES.start, PIECES.stop], "rounds": ROUNDS},
        measured=told,
        targets=[
            Target("ranking 100 passages of 180 pieces: p50 ms", ranking.p50_ms, RANKING_MS_MAX),
            Target("attention over 100,000 passages: p50 ms", searching.p50_ms, SEARCH_MS_MAX),
            Target("states of a passage of 180 pieces: bytes", told["state_bytes"], STATE_BYTES_MAX),
        ],
    )


def _search(service: Service, query: str) -> None:
    service.search(home_100k.COLLECTION, SearchRequest(query, mode="attention"))


def _of_180_pieces(service: Service, count: Callable[[str], int]) -> tuple[Ids, list[int]]:
    """Return ids of passages of that length among a sample, and the bytes of their states."""
    with service.database.read() as connection:
        rows = connection.execute(
            sa.select(
                PassageRow.id,
                PassageRow.title,
                PassageRow.text,
                sa.func.length(TokenStatesRow.states).label("bytes"),
            )
            .join(TokenStatesRow, TokenStatesRow.passage_id == PassageRow.id)
            .limit(SAMPLE)
        ).all()
    chosen = [row for row in rows if count(f"{row.title}\n{row.text}") in PIECES]
    return np.array([row.id for row in chosen]), [row.bytes for row in chosen]


def _ranked(service: Service, codec: str, question: Question, ids: Ids) -> float:
    """Rank candidates; return how many states each has."""
    with service.database.read() as connection:
        encoder_id = service.ensure_collection(home_100k.COLLECTION).encoder_id
        states = states_of(connection, encoder_id, codec, ids.tolist())
        rarity = dict.fromkeys(question.terms, 1.0)
        evidence = attend(Simple(), question.pieces, rarity, ids, states)
        order = np.argsort(-evidence.scores())
        return float(evidence.passages.lengths[order].mean())
