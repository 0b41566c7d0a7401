"""Judgements and evaluation runs on both databases."""

from dataclasses import replace

import pytest

from indexer.evaluation_records import JudgedQuestion
from indexer.evaluations import Evaluations, asked_of, measured
from indexer.judging import Judgements
from indexer.store import collections, evaluations, judgements
from indexer.store.judgements import Coverage
from search.errors import (
    InvalidInput,
    UnknownCollection,
    UnknownDocument,
    UnknownEvaluation,
    UnknownJudgements,
)
from tests.contracts.stored import LATER, NOW, current, document, new_collection, put, remove

pytest_plugins = ["tests.contracts.databases"]

ASKED = [JudgedQuestion("q1", "潮汐是什么", {"a": 2, "b": 0}), JudgedQuestion("2", "unjudged", {})]


@pytest.fixture
def notes(database):
    found = new_collection(database)
    put(database, found, document("a"), document("b"))
    return current(database)


@pytest.fixture
def judging(database, notes):
    return Judgements(database, lambda: LATER)


@pytest.fixture
def evaluating(database, notes):
    return Evaluations(database, lambda: LATER)


def test_what_was_put_is_read_back_and_more_is_added(judging):
    info = judging.put("notes", "first", ASKED)
    assert (info.questions, info.judged_questions, info.judgements, info.created_at) == (2, 1, 2, LATER)
    assert judging.get("notes", "first").questions == ASKED
    judging.put("notes", "first", [JudgedQuestion("q1", "潮汐是什么", {"b": 3, "z": 1})])
    assert judging.get("notes", "first").questions[0].judgements == {"a": 2, "b": 3, "z": 1}
    judging.put("notes", "empty", [])
    assert [(each.name, each.questions) for each in judging.all("notes")] == [("empty", 0), ("first", 2)]


def test_a_question_with_other_words_is_refused_and_nothing_is_stored(judging):
    judging.put("notes", "first", ASKED)
    with pytest.raises(InvalidInput, match="another text"):
        judging.put(
            "notes", "first", [JudgedQuestion("3", "new", {"a": 1}), JudgedQuestion("q1", "other", {})]
        )
    assert judging.get("notes", "first").questions == ASKED


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (JudgedQuestion("", "text", {}), "no id of a question"),
        (JudgedQuestion("1", "nul \x00", {}), "needs a text"),
        (JudgedQuestion("1", " ", {}), "needs a text"),
        (JudgedQuestion("1", "x" * 10_001, {}), "needs a text of 1 to 10000"),
        (JudgedQuestion("1", "text", {"half \ud800": 1}), "no key of a document"),
        (JudgedQuestion("1", "text", {"a": 1001}), "a grade lies between"),
    ],
)
def test_what_no_database_can_hold_is_refused(judging, asked, told):
    with pytest.raises(InvalidInput, match=told):
        judging.put("notes", "first", [ASKED[0], asked])
    assert judging.all("notes") == []
    with pytest.raises(InvalidInput, match="name of judgements"):
        judging.put("notes", "../x", ASKED)


def test_one_grade_is_given_changed_and_taken_back(judging):
    judging.put("notes", "first", ASKED)
    assert judging.add_question("notes", "first", " 为什么 ") == JudgedQuestion("q3", "为什么", {})
    assert judging.judge("notes", "first", "q3", "a", 3, "page").judgements == {"a": 3}
    assert judging.judge("notes", "first", "q3", "a", 1, "page").judgements == {"a": 1}
    assert judging.judge("notes", "first", "q3", "a", None, "page").judgements == {}
    with pytest.raises(UnknownDocument):
        judging.judge("notes", "first", "q3", "nosuch", 1, "page")
    with pytest.raises(UnknownJudgements, match="no question 'q9'"):
        judging.judge("notes", "first", "q9", "a", 1, "page")
    with pytest.raises(UnknownJudgements, match=r"did you mean 'first'\?"):
        judging.judge("notes", "frist", "q3", "a", 1, "page")
    judging.remove_question("notes", "first", "q3")
    assert judging.get("notes", "first").questions == ASKED


def test_judgements_outlive_their_documents_and_what_became_of_these_is_counted(database, notes, judging):
    def cover():
        with database.read() as connection:
            found = collections.get(connection, "notes")
            return judgements.coverage(connection, found, judgements.get(connection, found, "first"))

    judging.put("notes", "first", ASKED)
    assert cover() == Coverage(judged=2, missing=0, changed=0)
    remove(database, notes, "a")
    assert cover() == Coverage(judged=2, missing=1, changed=0)
    put(database, notes, document("a", "another text"), now=LATER.replace(day=3))
    assert cover() == Coverage(judged=2, missing=0, changed=1)
    assert judging.get("notes", "first").questions == ASKED


def store_run(database, system, rankings, task=None):
    with database.write() as connection:
        found = collections.get(connection, "notes")
        judged = judgements.get(connection, found, "first")
        made = measured(
            connection,
            found,
            judged,
            asked_of(connection, judged),
            rankings,
            system=system,
            imported=False,
            settings={"mode": system},
            task_id=task,
            generation=None,
            change_number=found.change_number,
            ms_per_query_p50=1.5,
        )
        return evaluations.add(connection, found, judged, made, NOW)


def test_a_run_is_stored_with_its_questions(database, judging, evaluating):
    judging.put("notes", "first", ASKED)
    number = store_run(database, "lexical", {"q1": ["b", "a"]}, task=7)
    detail = evaluating.get("notes", number)
    assert (detail.evaluation.system, detail.evaluation.questions) == ("lexical", 1)
    assert detail.evaluation.measures == pytest.approx(
        {"nDCG@10": 0.6309297535714575, "R@100": 1.0, "RR@10": 0.5}
    )
    assert detail.questions[0].ranking == ["b", "a"]
    assert detail.questions[0].measures == detail.evaluation.measures
    assert evaluating.newest("notes", "first") == [detail.evaluation]
    with database.read() as connection:
        assert evaluations.systems_of_task(connection, 7) == {"lexical"}
        assert evaluations.systems_of_task(connection, 8) == set()


def test_runs_are_compared_on_the_same_judgements_alone(database, judging, evaluating):
    judging.put("notes", "first", [*ASKED, JudgedQuestion("q3", "third", {"b": 1})])
    worse = store_run(database, "lexical", {"q1": ["b", "a"], "q3": ["b"]})
    better = store_run(database, "dense", {"q1": ["a", "b"], "q3": ["a", "b"]})
    compared = evaluating.compare("notes", better, worse, "RR@10")
    assert [(each.id, each.difference) for each in compared.questions] == [("q1", 0.5), ("q3", -0.5)]
    assert (compared.value, compared.baseline_value, compared.p_value) == (0.75, 0.75, 1.0)
    judging.judge("notes", "first", "q3", "a", 1, "page")
    after = store_run(database, "dense", {"q1": ["a", "b"], "q3": ["a", "b"]})
    with pytest.raises(InvalidInput, match="different judgements"):
        evaluating.compare("notes", after, worse)
    with pytest.raises(InvalidInput, match="choose one of: nDCG@10, R@100, RR@10"):
        evaluating.compare("notes", better, worse, "P@5")


def test_a_run_file_is_measured_and_written_back(judging, evaluating):
    judging.put("notes", "first", ASKED)
    text = "q1 Q0 b 1 2 bm25\nq1 Q0 a 2 1 bm25\n"
    run = evaluating.import_run("notes", "first", text)
    assert (run.system, run.imported, run.measures["RR@10"]) == ("bm25", True, 0.5)
    assert evaluating.export_run("notes", run.id) == text
    with pytest.raises(InvalidInput, match="line 1: there is no question 'q9'"):
        evaluating.import_run("notes", "first", "q9 Q0 b 1 2 t")
    empty = evaluating.import_run("notes", "first", "2 Q0 b 1 2 other")
    assert empty.measures == {"nDCG@10": 0.0, "R@100": 0.0, "RR@10": 0.0}


def test_nothing_is_measured_where_nothing_is_judged(judging, evaluating):
    judging.put("notes", "first", [ASKED[1]])
    with pytest.raises(InvalidInput, match="no question of 'first' is judged yet"):
        evaluating.enqueue("notes", "first", ["lexical"])


def test_runs_go_with_their_set_and_all_with_the_collection(database, notes, judging, evaluating):
    judging.put("notes", "first", ASKED)
    judging.put("notes", "second", ASKED)
    number = store_run(database, "lexical", {"q1": ["a"]})
    new_collection(database, "other")
    with pytest.raises(UnknownEvaluation):
        evaluating.get("other", number)
    for wrong in (0, number + 1, 2**64):
        with pytest.raises(UnknownEvaluation):
            evaluating.get("notes", wrong)
    judging.remove("notes", "first")
    assert evaluating.newest("notes") == []
    with database.read() as connection:
        second = judgements.get(connection, notes, "second")
    with database.write() as connection:
        collections.delete(connection, notes)
        with pytest.raises(UnknownCollection):
            judgements.ensure(connection, notes, "third", NOW)
    with database.read() as connection, pytest.raises(UnknownJudgements):
        judgements.get(connection, replace(notes), "second")
    with database.read() as connection:
        assert judgements.questions(connection, second) == []
