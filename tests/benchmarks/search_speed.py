"""Searches over 100,000 passages in process: with the caches up to date, and with a tail they lack.

The tail is what an ingest beside a running service leaves for a while: passages that are in no cache yet, and
deleted ones that still are.  It is made in a copy of the home.
"""

from collections.abc import Callable, Mapping
from functools import partial

from indexer.service import Service
from search.model import MODES, Mode, SearchRequest
from tests.benchmarks import home_100k
from tests.benchmarks.demo_corpus import judged_questions
from tests.benchmarks.report import Options, Outcome, Target
from tests.benchmarks.timing import Times

P50_MS_MAX = 25.0
ROUNDS = 3
TAIL_PASSAGES = 1_900
"""As many as may wait for the next folding."""
DELETED = {"lot": {"$lt": 500}}
"""Some 460 documents from all over the collection."""
TAIL_SEED = 77

Summaries = Mapping[str, Mapping[str, float]]


def run(options: Options) -> Outcome:
    """Measure every mode, and the encoding of a query by itself."""
    service = home_100k.opened(options)
    folded = _measured(service)
    encoding = _encoding(service)
    service.close()
    changed = home_100k.copied(options, "home-100k-tail")
    changed.ready()
    _change(changed)
    with_tail = _measured(changed)
    changed.close()
    return Outcome(
        settings={
            "passages": home_100k.PASSAGES,
            "limit": SearchRequest().limit,
            "searches_per_mode": ROUNDS * len(judged_questions()),
            "tail": {"passages": TAIL_PASSAGES, "deleted": DELETED},
        },
        measured={"folded": folded, "with_tail": with_tail, "query_encoding": encoding},
        targets=[Target("hybrid, caches up to date: p50 ms", folded["hybrid"]["p50_ms"], P50_MS_MAX)],
    )


def _measured(service: Service) -> Summaries:
    service.ready()
    return {mode: _timed(lambda query, mode=mode: _found(service, mode, query)) for mode in MODES}


def _found(service: Service, mode: Mode, query: str) -> None:
    service.search(home_100k.COLLECTION, SearchRequest(query, mode=mode))


def _encoding(service: Service) -> Mapping[str, float]:
    encoder = service.models.encoder_of(service.ensure_collection(home_100k.COLLECTION))
    return _timed(lambda query: encoder.encode([query], "query"))


def _timed(ask: Callable[[str], object]) -> Mapping[str, float]:
    """Put every question once unmeasured, then a few times measured."""
    times = Times()
    for query in judged_questions():
        ask(query)
    for query in judged_questions() * ROUNDS:
        times.of(partial(ask, query))
    return times.told()


def _change(service: Service) -> None:
    """Delete documents from all over the collection and store others, and leave the caches as they are."""
    deleted = service.documents(home_100k.COLLECTION, limit=1000, filter=DELETED).documents
    service.delete_documents(home_100k.COLLECTION, [document.key for document in deleted])
    collection = service.ensure_collection(home_100k.COLLECTION)
    home_100k.store_passages(service, collection, TAIL_PASSAGES, TAIL_SEED, prefix="late-")
