"""Every ``VectorIndex`` answers as brute force in float64 does: same ids, same scores, same order."""

import json
import subprocess
import sys
from dataclasses import dataclass

import faiss
import numpy as np
import pytest
from scipy.sparse import csr_array

from search.arrays import unit_rows
from search.artifacts import DamagedArtifact
from search.vectors.coarse import CoarseCopy, write_coarse
from search.vectors.exact_index import ExactIndex
from search.vectors.faiss_files import asked
from search.vectors.faiss_index import FlatFile, GraphFile, write_flat, write_graph
from search.vectors.rows import index_over, no_rows, stacked
from search.vectors.scoring import exact_scores, mask_of, positions
from search.vectors.sparse_index import FILES, open_sparse, write_sparse

SEED = 20240501


def random_unit_rows(generator, count, dimension):
    return unit_rows(generator.standard_normal((count, dimension)).astype(np.float32))


def clustered_rows(generator, count, dimension, clusters=60):
    """Return rows as real embeddings lie: in clumps, some of them copies of others."""
    centres = random_unit_rows(generator, clusters, dimension)
    noise = 0.6 * random_unit_rows(generator, count, dimension)
    rows = unit_rows(centres[generator.integers(clusters, size=count)] + noise)
    copies = generator.integers(count, size=count // 20)
    rows[generator.integers(count, size=copies.size)] = rows[copies]
    return rows


def reference(ids, rows, query, k, mask=None):
    """Return the ``k`` best by inner products in float64, which rounded to float32 are the scores."""
    scores = (rows.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    if mask is not None:
        ids, scores = ids[mask], scores[mask]
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]


def groups_of(rows):
    """Return what tells two kinds of rows apart, which lie mixed."""
    return lambda: rows[:, 0] > 0


def build_exact(folder, ids, rows):
    return ExactIndex(ids, rows)


def build_flat(folder, ids, rows):
    path = folder / f"flat{len(list(folder.iterdir()))}.faiss"
    write_flat(path, rows.shape[1], len(rows), np.array_split(rows, 3), groups_of(rows))
    return FlatFile(path, ids, rows.shape[1])


def build_graph(folder, ids, rows):
    path = folder / f"graph{len(list(folder.iterdir()))}.faiss"
    write_graph(path, rows.shape[1], np.array_split(rows, 3), groups_of(rows))
    return GraphFile(path, ids, rows.shape[1])


def build_sparse(folder, ids, rows):
    place = folder / f"sparse{len(list(folder.iterdir()))}"
    place.mkdir()
    write_sparse(place, [csr_array(part) for part in np.array_split(rows, 3)])
    return open_sparse(place, ids, rows.shape[1])


ALWAYS_EXACT = {"ExactIndex": build_exact, "FlatFile": build_flat, "SparseIndex": build_sparse}
ALL = ALWAYS_EXACT | {"GraphFile": build_graph}


@pytest.fixture(params=ALL.values(), ids=ALL)
def build(request, tmp_path):
    return lambda ids, rows: request.param(tmp_path, ids, rows)


@pytest.fixture(params=ALWAYS_EXACT.values(), ids=ALWAYS_EXACT)
def build_exactly(request, tmp_path):
    return lambda ids, rows: request.param(tmp_path, ids, rows)


@dataclass(frozen=True)
class Field:
    """12,000 clustered rows under ids with gaps, and queries near some of them."""

    ids: np.ndarray
    rows: np.ndarray
    queries: np.ndarray


@pytest.fixture(scope="module")
def field():
    generator = np.random.default_rng(SEED)
    rows = clustered_rows(generator, 12_000, 32)
    ids = np.cumsum(generator.integers(1, 9, size=len(rows)))
    near = rows[generator.integers(len(rows), size=12)] + 0.5 * random_unit_rows(generator, 12, 32)
    return Field(ids, rows, unit_rows(near))


@pytest.fixture(scope="module", params=ALL.values(), ids=ALL)
def whole(request, field, tmp_path_factory):
    """An index of the whole field, once for each implementation."""
    return request.param(tmp_path_factory.mktemp("whole"), field.ids, field.rows)


def assert_same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[0].dtype == np.int64 and found[1].dtype == np.float32


@pytest.mark.parametrize("k", [1, 10, 300])
def test_without_a_mask_an_exact_index_is_brute_force_and_a_graph_nearly(whole, field, k):
    recalls = []
    for query in field.queries:
        ids, scores, exact = whole.search(query, k)
        expected = reference(field.ids, field.rows, query, k)
        assert len(ids) == k
        if exact:
            assert_same((ids, scores), expected)
        else:
            # What a graph finds it scores and orders as all others do.
            among = np.isin(field.ids, ids)
            assert_same((ids, scores), reference(field.ids, field.rows, query, k, among))
        recalls.append(np.isin(expected[0], ids).mean())
    assert np.mean(recalls) >= (0.98 if isinstance(whole, GraphFile) else 1)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.0001])
def test_under_a_mask_pages_are_full_and_right(whole, field, share):
    generator = np.random.default_rng(SEED + 1)
    mask = np.zeros(field.ids.size, dtype=bool)
    mask[generator.choice(field.ids.size, size=round(share * field.ids.size), replace=False)] = True
    recalls = []
    for query in field.queries:
        ids, scores, exact = whole.search(query, 10, mask)
        expected = reference(field.ids, field.rows, query, 10, mask)
        assert len(ids) == min(10, mask.sum())
        assert mask[np.searchsorted(field.ids, ids)].all()
        if exact:
            assert_same((ids, scores), expected)
        recalls.append(np.isin(expected[0], ids).mean())
    walked = isinstance(whole, GraphFile) and share == 0.5
    assert exact is not walked
    assert np.mean(recalls) >= (0.98 if walked else 1)


def test_a_mask_far_from_the_query_does_not_lead_a_graph_astray(whole, field):
    for query in field.queries:
        near = np.argsort(field.rows @ query)[-5000:]
        mask = np.ones(field.ids.size, dtype=bool)
        mask[near] = False
        ids, scores, exact = whole.search(query, 10, mask)
        assert exact
        assert_same((ids, scores), reference(field.ids, field.rows, query, 10, mask))


@pytest.mark.parametrize("dimension", [8, 33, 384])
@pytest.mark.parametrize("count", [250, 1001, 2689])
def test_ties_go_by_ascending_id_across_the_edge_of_the_page(build_exactly, dimension, count):
    """BLAS gives equal rows unequal products, by their place; that must not show."""
    generator = np.random.default_rng(SEED)
    three = random_unit_rows(generator, 3, dimension)
    query = random_unit_rows(generator, 1, dimension)[0]
    ids = np.arange(count) * 3 + 5
    for rows in (np.repeat(three[:1], count, axis=0), three[generator.integers(3, size=count)]):
        index = build_exactly(ids, rows)
        for k in (1, 7, count // 2 + 3, count - 20):
            assert_same(index.search(query, k)[:2], reference(ids, rows, query, k))


def test_rows_that_differ_in_their_last_bits_are_told_apart(build_exactly):
    """In single precision they come out in any order; the right one is that of float64."""
    generator = np.random.default_rng(SEED)
    ids = np.arange(1, 401)
    for _ in range(5):
        rows = np.repeat(random_unit_rows(generator, 1, 384), ids.size, axis=0)
        towards = np.where(generator.random(rows.shape) < 0.5, np.float32(1), np.float32(-1))
        rows = np.nextafter(rows, towards)
        query = random_unit_rows(generator, 1, 384)[0]
        assert_same(build_exactly(ids, rows).search(query, 10)[:2], reference(ids, rows, query, 10))


def test_zero_rows_score_zero_and_rank_above_the_negative(build):
    rows = np.array([[1, 0], [0, 0], [-1, 0], [0, 1]], dtype=np.float32)
    found = build(np.array([2, 3, 5, 7]), rows).search(np.array([1, 0], dtype=np.float32), 4)
    assert found[0].tolist() == [2, 3, 7, 5]
    assert found[1].tolist() == [1, 0, 0, -1]


def test_an_empty_index_finds_nothing(build):
    index = build(np.empty(0, dtype=np.int64), np.empty((0, 16), dtype=np.float32))
    query = np.ones(16, dtype=np.float32) / 4
    for mask in (None, np.empty(0, dtype=bool)):
        ids, scores, exact = index.search(query, 5, mask)
        assert (ids.size, scores.size, exact) == (0, 0, True)
    assert index.vectors(np.empty(0, dtype=np.int64)).shape == (0, 16)


def test_an_empty_mask_finds_nothing_and_a_large_k_everything(build):
    generator = np.random.default_rng(SEED)
    rows, ids = random_unit_rows(generator, 40, 16), np.arange(40) + 100
    index, query = build(ids, rows), random_unit_rows(generator, 1, 16)[0]
    ids_found, _, exact = index.search(query, 5, np.zeros(40, dtype=bool))
    assert ids_found.size == 0 and exact
    assert_same(index.search(query, 1000)[:2], reference(ids, rows, query, 1000))
    assert index.search(query, 1000)[2]
    mask = np.arange(40) % 2 == 0
    assert_same(index.search(query, 1000, mask)[:2], reference(ids, rows, query, 1000, mask))


def test_vectors_come_back_bit_for_bit_in_the_order_asked(whole, field):
    wanted = field.ids[[7, 11_999, 0, 512]]
    np.testing.assert_array_equal(whole.vectors(wanted), field.rows[[7, 11_999, 0, 512]])
    np.testing.assert_array_equal(whole.ids, field.ids)
    for missing in (field.ids[-1] + 1, 0):
        with pytest.raises(KeyError):
            whole.vectors(np.array([missing]))


def test_a_score_is_the_same_in_any_company():
    generator = np.random.default_rng(SEED)
    rows, query = random_unit_rows(generator, 9001, 384), random_unit_rows(generator, 1, 384)[0]
    together = exact_scores(query, rows)
    alone = np.concatenate([exact_scores(query, rows[i : i + 1]) for i in range(0, 9001, 37)])
    np.testing.assert_array_equal(together[::37], alone)
    np.testing.assert_array_equal(exact_scores(query, np.asfortranarray(rows)), together)
    np.testing.assert_allclose(together, rows.astype(np.float64) @ query, atol=1e-7)


def test_masks_and_positions():
    ids = np.array([3, 5, 8, 13])
    assert mask_of(ids, np.array([1, 5, 6, 13, 99])).tolist() == [False, True, False, True]
    assert mask_of(ids, np.empty(0, dtype=np.int64)).tolist() == [False] * 4
    assert mask_of(np.empty(0, dtype=np.int64), np.array([4])).tolist() == []
    assert positions(ids, np.array([13, 3])).tolist() == [3, 0]


# Files


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_a_flat_file_is_what_faiss_writes(tmp_path, count):
    rows = random_unit_rows(np.random.default_rng(SEED), count, 24)
    index = faiss.IndexFlatIP(24)
    index.add(rows)
    faiss.write_index(index, str(tmp_path / "faiss"))
    write_flat(tmp_path / "ours", 24, count, np.array_split(rows, 7), groups_of(rows))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "faiss").read_bytes()


def test_a_flat_file_takes_as_many_rows_as_were_announced(tmp_path):
    rows = random_unit_rows(np.random.default_rng(SEED), 5, 8)
    with pytest.raises(ValueError, match="5 rows were given where 6 were announced"):
        write_flat(tmp_path / "short", 8, 6, [rows], groups_of(rows))


OPENERS = {"flat": (FlatFile, build_flat), "graph": (GraphFile, build_graph)}


@pytest.fixture(params=OPENERS.values(), ids=OPENERS)
def written(request, tmp_path):
    """A file of 50 rows of dimension 16, and what opens it."""
    opener, build = request.param
    rows = random_unit_rows(np.random.default_rng(SEED), 50, 16)
    build(tmp_path, np.arange(50), rows)
    return next(path for path in tmp_path.iterdir() if "coarse" not in path.name), opener


def test_a_truncated_file_is_damaged(written):
    path, opener = written
    content = path.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedArtifact):
            opener(path, np.arange(50), 16)


def test_a_file_of_another_count_dimension_metric_or_kind_is_damaged(written):
    path, opener = written
    for count, dimension in ((49, 16), (51, 16), (50, 15)):
        with pytest.raises(DamagedArtifact, match=f"{count} .*rows of {dimension}"):
            opener(path, np.arange(count), dimension)
    product = faiss.METRIC_INNER_PRODUCT
    kind = faiss.IndexHNSWFlat(16, 8, product) if opener is FlatFile else faiss.IndexFlatIP(16)
    for other in (faiss.IndexFlatL2(16), faiss.IndexLSH(16, 8), faiss.IndexHNSWFlat(16, 8), kind):
        other.add(np.eye(50, 16, dtype=np.float32))
        faiss.write_index(other, str(path))
        with pytest.raises(DamagedArtifact):
            opener(path, np.arange(50), 16)


def test_a_missing_file_is_damaged(written):
    path, opener = written
    path.unlink()
    with pytest.raises(DamagedArtifact):
        opener(path, np.arange(50), 16)


@pytest.mark.parametrize("file", ["coarse.faiss", "coarse.json", "coarse.npy"])
def test_a_coarse_copy_that_is_missing_truncated_or_of_other_rows_is_damaged(written, tmp_path, file):
    path, opener = written
    copy = path.with_name(f"{path.stem}.{file}")
    content = copy.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 1):
        copy.write_bytes(content[:length])
        with pytest.raises(DamagedArtifact):
            opener(path, np.arange(50), 16)
    (tmp_path / "other").mkdir()
    build_flat(tmp_path / "other", np.arange(40), random_unit_rows(np.random.default_rng(SEED), 40, 8))
    copy.write_bytes((tmp_path / "other" / f"flat0.{file}").read_bytes())
    with pytest.raises(DamagedArtifact):
        opener(path, np.arange(50), 16)
    copy.unlink()
    with pytest.raises(DamagedArtifact):
        opener(path, np.arange(50), 16)


def coarse_fields():
    """Yield rows and queries of several kinds, and how far off a score may be at most."""
    generator = np.random.default_rng(SEED)
    for dimension in (8, 33, 64, 384):
        uneven = np.geomspace(1, 1e-4, dimension).astype(np.float32)
        queries = random_unit_rows(generator, 6, dimension)
        yield random_unit_rows(generator, 5000, dimension), queries, 0.04
        yield unit_rows(random_unit_rows(generator, 5000, dimension) * uneven), queries, 1
        yield clustered_rows(generator, 5000, dimension), unit_rows(queries * uneven), 0.04
    yield np.zeros((300, 64), np.float32), random_unit_rows(generator, 2, 64), 0.04


def test_the_error_of_a_coarse_score_is_within_its_margin(tmp_path):
    for number, (rows, queries, widest) in enumerate(coarse_fields()):
        write_coarse(tmp_path / f"{number}.faiss", lambda rows=rows: rows, groups_of(rows)())
        copy = CoarseCopy(tmp_path / f"{number}.faiss", rows)
        for query in queries:
            whole, unit = copy._in_multiples(query)
            margin = copy._margin(query, unit * whole / copy._scales)
            rough, found = asked(copy._index, whole, len(rows), None)
            found = copy._order[found]
            apart = np.abs(unit * rough - rows[found].astype(np.float64) @ query.astype(np.float64))
            assert found.size == len(rows) and apart.max() <= margin
            assert margin < widest


def test_a_coarse_copy_is_what_faiss_writes(tmp_path):
    rows = random_unit_rows(np.random.default_rng(SEED), 5000, 24)
    write_coarse(tmp_path / "rows.faiss", lambda: rows, rows[:, 0] > 0)
    rows = np.concatenate([rows[rows[:, 0] <= 0], rows[rows[:, 0] > 0]])
    told = json.loads((tmp_path / "rows.coarse.json").read_text("utf-8"))
    scales, error = np.array(told["scales"], np.float32), told["error"]
    np.testing.assert_allclose(scales, np.abs(rows).max(axis=0) / 127, rtol=1e-6)
    index = faiss.IndexScalarQuantizer(
        24, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    index.add(np.rint(rows / scales))
    faiss.write_index(index, str(tmp_path / "faiss"))
    assert (tmp_path / "rows.coarse.faiss").read_bytes() == (tmp_path / "faiss").read_bytes()
    copied = index.reconstruct_n(0, 5000).astype(np.float64) * scales
    assert error == pytest.approx(np.linalg.norm(rows - copied, axis=1).max(), rel=1e-9)


FLIPPING = """
import sys
import numpy as np
from pathlib import Path
from search.artifacts import DamagedArtifact
from search.vectors.faiss_index import FlatFile
path, byte, bit = Path(sys.argv[1]), 0, 0
content = path.read_bytes()
rows = np.frombuffer(content[-50 * 64:], dtype="<f4").reshape(50, 16)
opened = []
for place in range(8 * (len(content) - rows.nbytes)):
    broken = bytearray(content)
    broken[place // 8] ^= 1 << place % 8
    path.write_bytes(broken)
    try:
        index = FlatFile(path, np.arange(50), 16)
    except DamagedArtifact:
        continue
    assert np.array_equal(index.vectors(np.arange(50)), rows), place
    opened.append(place)
print(*opened)
"""


def test_a_flipped_bit_in_the_header_is_damage_or_means_nothing(tmp_path):
    """In a process of its own: a header believed blindly could take the process down."""
    build_flat(tmp_path, np.arange(50), random_unit_rows(np.random.default_rng(SEED), 50, 16))
    path = tmp_path / "flat0.faiss"
    told = subprocess.run(
        [sys.executable, "-c", FLIPPING, path], capture_output=True, text=True, check=True, timeout=50
    )
    # Two 64-bit words that FAISS itself skips, and the byte that says "trained".
    assert len(told.stdout.split()) <= 2 * 64 + 8


RESIDENT = """
import sys
import numpy as np
from pathlib import Path
from search.vectors.faiss_index import FlatFile
def anonymous():
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
query = np.full(64, 1 / 8, dtype=np.float32)
small = FlatFile(Path(sys.argv[2]), np.arange(1000), 64)  # whatever the first search loads, once
small.search(query, 10)
before = anonymous()
index = FlatFile(Path(sys.argv[1]), np.arange(100_000), 64)
found = index.search(query, 10)
index.search(query, 10, np.arange(100_000) % 2 == 0)
print(anonymous() - before, index.ids.nbytes, *found[0])
"""


def test_a_flat_file_stays_out_of_a_process_s_own_memory(tmp_path):
    rows = random_unit_rows(np.random.default_rng(SEED), 100_000, 64)
    write_flat(tmp_path / "large", 64, 100_000, [rows], groups_of(rows))
    write_flat(tmp_path / "small", 64, 1000, [rows[:1000]], groups_of(rows[:1000]))
    told = subprocess.run(
        [sys.executable, "-c", RESIDENT, tmp_path / "large", tmp_path / "small"],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    grown, ids_bytes, *found = map(int, told.stdout.split())
    query = np.full(64, 1 / 8, dtype=np.float32)
    assert found == reference(np.arange(100_000), rows, query, 10)[0].tolist()
    assert grown < ids_bytes + 3_000_000 < rows.nbytes / 6


WRITING = """
import sys
from pathlib import Path
import numpy as np
from search.vectors.faiss_index import write_flat
def peak():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
def write(name, blocks):
    rows = np.eye(128, dtype=np.float32)[np.arange(1000) % 128]
    groups = np.arange(1000 * blocks) % 7 < 3
    write_flat(Path(sys.argv[1]) / name, 128, groups.size, (rows for _ in range(blocks)), lambda: groups)
write("small", 5)  # whatever the first one loads, once
before = peak()
write("large", 200)
print(peak() - before)
"""


def test_a_flat_file_is_written_without_ever_being_held_or_mapped_whole(tmp_path):
    command = [sys.executable, "-c", WRITING, tmp_path]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout
    assert int(told) < 20_000_000 < (tmp_path / "large").stat().st_size / 5


@pytest.mark.parametrize("file", FILES)
def test_sparse_rows_that_are_missing_truncated_or_of_another_shape_are_damaged(tmp_path, file):
    ids = np.arange(1, 5)
    write_sparse(tmp_path, [csr_array(np.eye(4, dtype=np.float32))])
    assert open_sparse(tmp_path, ids, 4).search(np.ones(4, np.float32), 9)[0].tolist() == [1, 2, 3, 4]
    for count, dimension in [(5, 4), (4, 3)]:
        with pytest.raises(DamagedArtifact):
            open_sparse(tmp_path, np.arange(count), dimension)
    path = tmp_path / f"{file}.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DamagedArtifact):
        open_sparse(tmp_path, ids, 4)
    path.unlink()
    with pytest.raises(DamagedArtifact):
        open_sparse(tmp_path, ids, 4)


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_of_one_kind_are_put_together(sparse):
    blocks = [np.eye(3, dtype=np.float32)[:2], np.full((1, 3), 0.5, np.float32)]
    parts = [csr_array(block) for block in blocks] if sparse else blocks
    rows = stacked([no_rows(3, sparse), *parts])
    index = index_over(np.array([4, 7, 9]), rows)
    assert index.vectors(np.array([9, 4])).tolist() == [[0.5, 0.5, 0.5], [1, 0, 0]]
    assert index.scores(np.array([0, 2, 0], np.float32), np.array([7, 9])).tolist() == [2, 1]
    assert index.zero_is_nothing is sparse
