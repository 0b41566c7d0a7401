"""One body of tests over every way a lexical index can come to be, judged by BM25 in NumPy."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from search.artifacts import DamagedArtifact
from search.lexical.tantivy_index import TantivyIndex, TantivyWriter

NO_IDS = np.empty(0, dtype=np.int64)
COVERS = 4321


def make_passages(count, seed):
    """Ids with gaps and terms of natural frequencies; every tenth passage is the twin of an earlier one."""
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(10 * count, count, replace=False)) + 2**33
    passages = []
    for place in range(count):
        if place % 10 == 9:
            passages.append(passages[int(rng.integers(place))])
        else:
            words = rng.zipf(1.25, rng.integers(1, 90)) % 400
            passages.append([f"w{word}" for word in words])
    return list(zip(ids.tolist(), passages, strict=True))


def in_memory(passages, folder):
    return TantivyIndex.in_memory(passages, covers=COVERS)


def on_disk(passages, folder):
    with TantivyWriter.create(folder) as writer:
        writer.apply(passages, [], covers=COVERS)
    return TantivyIndex.open(folder)


def on_disk_in_steps(passages, folder):
    """Many commits, with passages that come and go on the way."""
    step = len(passages) // 12
    with TantivyWriter.create(folder) as writer:
        for number, start in enumerate(range(0, len(passages), step)):
            gone = [(number * 1000 + place, ["w1", "w2", "gone"]) for place in range(30)]
            earlier = [(number - 1) * 1000 + place for place in range(30)]
            writer.apply([*passages[start : start + step], *gone], earlier, covers=number)
    with TantivyWriter.open(folder) as writer:
        writer.apply([], [number * 1000 + place for place in range(30)], covers=COVERS)
    return TantivyIndex.open(folder)


PASSAGES = make_passages(900, 11)
QUERIES = [
    ["w1"],
    ["w1", "w2", "w3"],
    ["w17", "w399", "w50", "w4"],
    ["w7", "nowhere"],
    ["w5", "w5", "w5", "w9"],
    ["w390"],
    [f"w{word}" for word in range(1, 60)],
    {"w3": 1.0, "w17": 0.125, "w50": 2.7, "nowhere": 1.0},
]


@pytest.fixture(scope="module", params=[in_memory, on_disk, on_disk_in_steps], ids=lambda way: way.__name__)
def index(request, tmp_path_factory):
    return request.param(PASSAGES, tmp_path_factory.mktemp("lexical"))


def stored(length):
    """What one byte keeps of a length, told differently from the code: 4 bits above 24, rounded down."""
    candidates = [*range(24), *(24 + mantissa * 2**shift for shift in range(20) for mantissa in range(16))]
    return max(candidate for candidate in candidates if candidate <= length)


STORED = [stored(length) for length in range(100)]


def oracle(terms, statistics, passages):
    """BM25 in double precision: id -> score of every passage that matches."""
    distinct = list(dict.fromkeys(terms))
    weights = np.array([terms[term] if isinstance(terms, dict) else 1 for term in distinct])
    ids = np.array([passage_id for passage_id, _ in passages])
    counts = np.array(
        [[words.count(term) for term in distinct] for _, words in passages]
    )  # (passages, terms)
    lengths = np.array([STORED[len(words)] for _, words in passages], dtype=np.float64)
    df = np.array([statistics.frequencies[term] for term in distinct])
    idf = np.log(1 + (statistics.documents - df + 0.5) / (df + 0.5))
    norms = 1.2 * (0.25 + 0.75 * lengths / statistics.average_length)
    scores = (2.2 * weights * idf * counts / (counts + norms[:, None])).sum(axis=1)
    matching = counts.any(axis=1)
    return dict(zip(ids[matching].tolist(), scores[matching].tolist(), strict=True))


def assert_best(ids, found, scores, k):
    """``ids`` and ``found`` are the ``k`` best of the oracle's ``scores``, equals by ascending id.

    Equal passages have equal scores in both precisions; those nearly equal may change places.
    """
    assert len(ids) == min(k, len(scores))
    assert (ids.dtype, found.dtype) == (np.int64, np.float32)
    np.testing.assert_allclose(found, [scores[passage_id] for passage_id in ids.tolist()], rtol=1e-5)
    page = list(zip((-found).tolist(), ids.tolist(), strict=True))
    assert page == sorted(page)
    left = {passage_id: score for passage_id, score in scores.items() if passage_id not in set(ids.tolist())}
    last = scores[ids.tolist()[-1]]
    assert all(score <= last * (1 + 1e-6) for score in left.values())
    assert all(passage_id > ids[-1] for passage_id, score in left.items() if score == last)


@pytest.mark.parametrize("k", [1, 10, 100, 2000])
@pytest.mark.parametrize("terms", QUERIES, ids=lambda terms: "+".join(terms)[:20])
def test_ids_and_scores_are_those_of_brute_force(index, terms, k):
    scores = oracle(terms, index.statistics(terms), PASSAGES)
    assert_best(*index.search(terms, k), scores, k)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02, 0.002])
@pytest.mark.parametrize("terms", QUERIES, ids=lambda terms: "+".join(terms)[:20])
def test_a_filter_keeps_the_page_full_and_in_order(index, terms, share):
    rng = np.random.default_rng(5)
    chosen = rng.choice([passage_id for passage_id, _ in PASSAGES], int(900 * share), replace=False)
    allowed = np.sort(np.concatenate([chosen, [1, 7, 2**40]]))  # some the index has never heard of
    scores = oracle(terms, index.statistics(terms), [row for row in PASSAGES if row[0] in allowed])
    for k in (1, 10, 300):
        ids, found = index.search(terms, k, allowed)
        if scores:
            assert_best(ids, found, scores, k)
        assert ids.size == min(k, len(scores))
        assert found.tolist() == index.scores(terms, ids).tolist()


def test_the_worst_of_many_allowed(index):
    """A filter that lets through only what ranks last still fills its page."""
    ids, _ = index.search(["w1", "w2"], 2000)
    allowed = np.sort(ids[-200:])
    found, _ = index.search(["w1", "w2"], 10, allowed)
    assert found.tolist() == ids[-200:-190].tolist()


@pytest.mark.parametrize("unknown", [[1, 2**50], range(2000)], ids=["each asked for", "as a set"])
@pytest.mark.parametrize("terms", QUERIES, ids=lambda terms: "+".join(terms)[:20])
def test_given_passages_have_the_scores_of_the_search(index, terms, unknown):
    everything = np.array([passage_id for passage_id, _ in PASSAGES])
    ids, scores = index.search(terms, 2000)
    expected = dict(zip(ids.tolist(), scores.tolist(), strict=True))
    shuffled = np.random.default_rng(2).permutation(np.concatenate([everything, unknown]))
    given = index.scores(terms, shuffled)
    assert given.tolist() == [expected.get(passage_id, 0.0) for passage_id in shuffled.tolist()]
    assert given.dtype == np.float32


def test_marker_and_count(index):
    assert index.marker == COVERS
    assert index.count == len(PASSAGES)


def test_statistics_count_what_is_there(index):
    statistics = index.statistics(["w1", "w399", "nowhere"])
    holding = sum("w1" in words for _, words in PASSAGES)
    assert statistics.documents >= len(PASSAGES) + 1
    assert statistics.frequencies["w1"] >= holding
    assert statistics.frequencies["nowhere"] == 0


@pytest.mark.parametrize("build", [in_memory, on_disk])
def test_without_deletions_statistics_are_exact(build, tmp_path):
    statistics = build(PASSAGES, tmp_path).statistics(["w1", "w399"])
    assert statistics.documents == len(PASSAGES) + 1
    total = sum(len(words) for _, words in PASSAGES) + 1
    assert statistics.average_length == pytest.approx(total / (len(PASSAGES) + 1), rel=1e-6)
    for term in ("w1", "w399"):
        assert statistics.frequencies[term] == sum(term in words for _, words in PASSAGES)


def test_nothing_asked_nothing_found(index):
    for terms, allowed in ([], None), (["nowhere"], None), (["\x00"], None), (["w1"], NO_IDS):
        ids, scores = index.search(terms, 10, allowed)
        assert (ids.tolist(), scores.tolist()) == ([], [])
        assert (ids.dtype, scores.dtype) == (np.int64, np.float32)
    assert index.scores(["w1"], NO_IDS).tolist() == []
    assert index.scores([], np.array([5, 6])).tolist() == [0.0, 0.0]
    assert index.scores(["\x00"], np.array([5, 6])).tolist() == [0.0, 0.0]


def test_a_page_of_none_is_a_mistake(index):
    with pytest.raises(ValueError, match="k is 0"):
        index.search(["w1"], 0)


def test_threads_agree(index):
    alone = [index.search(terms, 50)[0].tolist() for terms in QUERIES]
    with ThreadPoolExecutor(8) as threads:
        together = list(
            threads.map(lambda place: index.search(QUERIES[place % 8], 50)[0].tolist(), range(160))
        )
    assert together == alone * 20


@pytest.mark.parametrize("build", [in_memory, on_disk_in_steps])
def test_a_tie_over_the_edge_goes_by_id(build, tmp_path):
    """Many equal passages in segments of any order: always the lowest ids."""
    rng = np.random.default_rng(4)
    ids = rng.permutation(np.arange(1, 2401) * 7)
    index = build([(passage_id, ["same", "words"]) for passage_id in ids.tolist()], tmp_path)
    found, scores = index.search(["same"], 25)
    assert found.tolist() == (np.arange(1, 26) * 7).tolist()
    assert len(set(scores.tolist())) == 1
    allowed = np.sort(ids[:1200])
    assert index.search(["same"], 25, allowed)[0].tolist() == allowed[:25].tolist()


@pytest.mark.parametrize("build", [in_memory, on_disk])
def test_an_empty_index(build, tmp_path):
    index = build([], tmp_path)
    assert (index.count, index.marker) == (0, COVERS)
    assert index.search(["w1"], 5)[0].tolist() == []
    assert index.search(["w1"], 5, np.array([1, 2]))[0].tolist() == []
    assert index.scores(["w1"], np.array([3])).tolist() == [0.0]


def test_an_index_that_has_lost_everything(tmp_path):
    with TantivyWriter.create(tmp_path) as writer:
        writer.apply(PASSAGES[:50], [], covers=1)
        writer.apply([], [passage_id for passage_id, _ in PASSAGES[:50]], covers=2)
    index = TantivyIndex.open(tmp_path)
    assert index.count == 0
    assert index.search(["w1"], 5)[0].tolist() == []
    assert index.search(["w1"], 5, np.arange(3000))[0].tolist() == []


def test_a_filter_of_far_more_ids_than_there_are_passages(tmp_path):
    index = in_memory([(7, ["w1"]), (9, ["w1"])], tmp_path)
    assert index.search(["w1"], 5, np.arange(8))[0].tolist() == [7]
    assert index.search(["w1"], 5, np.arange(3000))[0].tolist() == [7, 9]


def test_after_deletions_the_order_is_that_of_an_index_made_anew(tmp_path):
    passages = make_passages(600, 23)
    lost = [passage_id for passage_id, _ in passages[::3]]
    left = [row for row in passages if row[0] not in set(lost)]
    with TantivyWriter.create(tmp_path) as writer:
        writer.apply(passages, [], covers=1)
        writer.apply([], lost, covers=2)
    deleted = TantivyIndex.open(tmp_path)
    rebuilt = TantivyIndex.in_memory(left, covers=2)
    assert deleted.count == rebuilt.count == len(left)
    for terms in QUERIES:
        found = deleted.search(terms, 1000)[0].tolist()
        assert not set(found) & set(lost)
        assert set(found) == set(rebuilt.search(terms, 1000)[0].tolist())
    assert deleted.search(["w1"], 50)[0].tolist() == rebuilt.search(["w1"], 50)[0].tolist()


def test_a_picture_does_not_change(tmp_path):
    with TantivyWriter.create(tmp_path) as writer:
        writer.apply(PASSAGES[:300], [], covers=1)
        before = TantivyIndex.open(tmp_path)
        answer = before.search(["w1", "w2"], 20)
        assert before.intact()
        writer.apply(PASSAGES[300:], [passage_id for passage_id, _ in PASSAGES[:100]], covers=2)
        after = TantivyIndex.open(tmp_path)
    assert [array.tolist() for array in before.search(["w1", "w2"], 20)] == [
        array.tolist() for array in answer
    ]
    assert (before.marker, before.count) == (1, 300)
    assert (after.marker, after.count) == (2, 800)
    assert not before.intact()  # its files have been superseded; it answers from its mapping
    assert after.intact()
    shutil.rmtree(tmp_path)
    assert not after.intact()
    assert after.search(["w1"], 5)[0].size == 5


def test_in_memory_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert TantivyIndex.in_memory(PASSAGES[:10], covers=3).intact()
    assert list(tmp_path.iterdir()) == []


def test_there_is_nothing_to_open_before_the_first_apply(tmp_path):
    with TantivyWriter.create(tmp_path) as writer:
        assert writer.marker == 0
        with pytest.raises(DamagedArtifact, match="missing"):
            TantivyIndex.open(tmp_path)
    with pytest.raises(DamagedArtifact, match="missing"):
        TantivyWriter.open(tmp_path)
    with pytest.raises(DamagedArtifact, match="missing"):
        TantivyIndex.open(tmp_path / "elsewhere")
