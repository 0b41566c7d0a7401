"""What is trained is what is served, it learns a known rule, and it does so to the bit."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from search.arrays import unit_rows
from search.artifacts import DamagedArtifact, fingerprint_of
from search.attending import Evidence
from search.child import run_child
from search.question import QueryPieces
from search.ranking.attention import Simple
from search.ranking.learned import LEARNED, ranker_of, read_learned
from search.ranking.lessons import SCHEDULE, Lesson, Lessons, LessonWriter
from search.ranking.token_codec import PackedPassages, packed

# torch warns of its own future when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore")

D = 24
TOLD, NOISE = slice(0, D // 2), slice(D // 2, D)
"""The rule: what shares the first half of a query's numbers answers, whatever the second half says."""
PIECES, OTHERS = 3, 5


@pytest.fixture(scope="module")
def training():
    import_module("torch").set_num_threads(1)  # on tiny arrays more threads wait longer than they compute
    return import_module("search.ranking.training")


def stored(states):
    text = "x" * len(states)
    spans = np.array([(place, place + 1) for place in range(len(states))], np.int32)
    return packed(states.astype(np.float32), spans, text, np.zeros(D, np.float32))


def write_lessons(folder, count, seed):
    """Write lessons by the rule, in which what misleads is as near to the query as what answers."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    writer = LessonWriter(folder)
    for lesson in range(count):
        query = unit_rows(generator.standard_normal((PIECES, D)).astype(np.float32))
        answer = int(generator.integers(OTHERS + 1))
        numbers = []
        for passage in range(OTHERS + 1):
            states = generator.standard_normal((generator.integers(4, 9), D)).astype(np.float32)
            kept = TOLD if passage == answer else NOISE
            states[:PIECES, kept] = query[:, kept] * np.float32(D**0.5)
            numbers.append(writer.passage((lesson, passage), stored(unit_rows(states))))
        writer.add(
            Lesson(
                query=query,
                weights=np.array([0.5, 0.3, 0.2], np.float32),
                passages=np.array(numbers),
                beside=(generator.standard_normal(OTHERS + 1) * 0.01).astype(np.float32),
                documents=np.arange(OTHERS + 1),
                answers=np.arange(OTHERS + 1) == answer,
            )
        )
    writer.close()
    return Lessons(folder)


def served(ranker, lessons, lesson):
    """Return the scores as a search has them."""
    passages = PackedPassages([lessons.states_of(number) for number in lesson.passages.tolist()])
    pieces = QueryPieces(lesson.query, np.zeros((PIECES, 2), np.int32), [[]] * PIECES)
    attended = ranker.attend(lesson.query, passages)
    evidence = Evidence(lesson.passages, attended, lesson.weights.astype(float), pieces, passages)
    links = [evidence.links(number).carried.sum() for number in lesson.passages.tolist()]
    np.testing.assert_allclose(links, evidence.scores(), atol=1e-6)
    return evidence.scores() + lesson.beside


def found(ranker, lessons):
    """Return the share of lessons whose answer is put first."""
    return np.mean([each.answers[served(ranker, lessons, each).argmax()] for each in lessons.all])


@pytest.mark.parametrize("kind", LEARNED)
def test_a_known_rule_is_learned_and_holds_for_new_questions(training, tmp_path, kind):
    lessons, fresh = (write_lessons(tmp_path / str(seed), 120, seed) for seed in (1, 2))
    schedule = training.Schedule(kind, seed=3, epochs=5, rate=2e-2)
    course = training.Course(lessons, schedule)
    start = training.LearnedAttention(D, schedule)
    learned = training.train(lessons, schedule)
    before, after = (training.mean_loss(each.eval(), course, range(120)) for each in (start, learned))
    assert after < 0.6 * before
    ranker = ranker_of(kind, schedule.heads, learned.maps())
    assert found(Simple(), fresh) + 0.2 < found(ranker, fresh)


@pytest.mark.parametrize("kind", LEARNED)
def test_the_trained_score_is_the_served_score(training, tmp_path, kind):
    lessons = write_lessons(tmp_path, 12, 4)
    schedule = training.Schedule(kind, seed=0, rate=1e-2)
    attention = training.train(lessons, schedule)
    ranker = ranker_of(kind, schedule.heads, attention.maps())
    course = training.Course(lessons, schedule)
    for place, lesson in enumerate(lessons.all):
        trained = attention.scores(lesson, *course.states(place)).detach().numpy()
        np.testing.assert_allclose(served(ranker, lessons, lesson), trained, atol=2e-5)


def test_untrained_attention_of_one_head_is_simple(training, tmp_path):
    lessons = write_lessons(tmp_path, 3, 5)
    maps = training.LearnedAttention(D, training.Schedule("trainable", seed=0)).maps()
    for lesson in lessons.all:
        expected = served(Simple(), lessons, lesson)
        np.testing.assert_allclose(
            served(ranker_of("trainable", 1, maps), lessons, lesson), expected, atol=1e-5
        )


def test_spelt_out_states_have_the_products_that_serving_sees(tmp_path):
    lessons = write_lessons(tmp_path, 2, 6)
    passages = [lessons.states_of(number) for number in lessons.all[1].passages.tolist()]
    spelt = np.concatenate([passage.states() for passage in passages])
    query = lessons.all[0].query
    np.testing.assert_allclose(PackedPassages(passages).products(query), query @ spelt.T, atol=1e-5)


def test_lessons_are_read_as_they_were_written(tmp_path):
    writer = LessonWriter(tmp_path)
    shared = writer.passage("a", stored(np.eye(D)[:2]))
    assert writer.passage("a", b"not written") == shared
    other = writer.passage("b", stored(np.eye(D)[:5]))
    one = Lesson(
        np.eye(D, dtype=np.float32)[:2],
        np.array([0.25, 0.75], np.float32),
        np.array([shared, other]),
        np.array([0.5, 0.125], np.float32),
        np.array([0, 1]),
        np.array([True, False]),
    )
    two = replace(one, query=one.query[:1], weights=np.ones(1, np.float32), answers=~one.answers)
    writer.add(one)
    writer.add(two)
    writer.close()
    lessons = Lessons(tmp_path)
    for read, written in zip(lessons.all, (one, two), strict=True):
        for name in Lesson.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert [len(lessons.states_of(number).codes) for number in (shared, other)] == [2, 5]


def learned_by_a_child(folder, output, kind, seed):
    output.mkdir()
    (folder / SCHEDULE).write_text(json.dumps({"kind": kind, "seed": seed}), "utf-8")
    steps = []
    run_child("search.ranking.training", [str(folder), str(output)], steps.append)
    return steps


@pytest.mark.slow
def test_the_child_learns_the_same_bytes_by_the_same_seed_alone(tmp_path):
    write_lessons(tmp_path / "lessons", 16, 7)
    outputs = [tmp_path / name for name in ("one", "again", "other")]
    for output, seed in zip(outputs, (1, 1, 2), strict=True):
        steps = learned_by_a_child(tmp_path / "lessons", output, "trainable", seed)
    assert (steps[-1].name, steps[-1].number, steps[-1].total) == ("training", 32, 32)
    one, again, other = ((output / "maps.safetensors").read_bytes() for output in outputs)
    assert one == again != other
    assert fingerprint_of(outputs[0]) == fingerprint_of(outputs[1]) != fingerprint_of(outputs[2])


@pytest.fixture
def on_disk(training, tmp_path):
    folder = tmp_path / "learned"
    folder.mkdir()
    attention = training.LearnedAttention(D, training.Schedule("trainable", seed=0))
    training.write_learned(folder, "trainable", 1, attention.maps())
    return folder, fingerprint_of(folder)


def test_what_was_learned_opens_only_as_it_was_written(on_disk):
    folder, fingerprint = on_disk
    read_learned(folder, fingerprint, D)
    with pytest.raises(DamagedArtifact, match="states of 25 numbers"):
        read_learned(folder, fingerprint, D + 1)
    with pytest.raises(DamagedArtifact, match="another one"):
        read_learned(folder, "0" * 64, D)
    with pytest.raises(DamagedArtifact, match="folder is missing"):
        read_learned(folder / "nowhere", fingerprint, D)
    maps = folder / "maps.safetensors"
    maps.write_bytes(maps.read_bytes()[:-1] + b"!")
    with pytest.raises(DamagedArtifact, match="not what was written"):
        read_learned(folder, fingerprint, D)
