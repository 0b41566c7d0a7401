"""Files of BEIR and TREC: read and written, and refused with the line that is wrong."""

import math

import ir_measures
import pytest

from search.errors import InvalidInput
from search.evaluation.formats import (
    read_beir_judgements,
    read_queries,
    read_run,
    read_topics,
    read_trec_judgements,
    write_beir_judgements,
    write_queries,
    write_run,
    write_topics,
    write_trec_judgements,
)
from search.evaluation.measures import by_query, means

HEADER = "query-id\tcorpus-id\tscore\n"
ASKED = [("q1", "潮汐是什么"), ("2", 'why "tides"\u2028here')]
GRADES = {"q1": {"a": 2, "面包": 0}, "2": {"b/c.md": -1}}


def test_what_is_written_is_read_back():
    assert [(query.id, query.text) for query in read_queries(write_queries(ASKED))] == ASKED
    assert [(query.id, query.text) for query in read_topics(write_topics(ASKED))] == ASKED
    assert read_beir_judgements(write_beir_judgements(GRADES)) == GRADES
    assert read_trec_judgements(write_trec_judgements(GRADES)) == GRADES
    rankings = {"q1": ["b/c.md", "a"], "2": ["面包"]}
    run = read_run(write_run("tag", rankings), 100)
    assert (run.tag, run.rankings) == ("tag", rankings)


def test_other_tools_read_what_is_written_and_measure_the_same():
    """ir-measures reads TREC's files by itself; its figures are those of the rankings that were written."""
    rankings = {"q1": ["x", "a", "面包"], "2": ["b/c.md"]}
    qrels = list(ir_measures.read_trec_qrels(write_trec_judgements(GRADES)))
    run = list(ir_measures.read_trec_run(write_run("tag", rankings)))
    theirs = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, run)
    ours = means(by_query(GRADES, rankings))["nDCG@10"]
    assert ours == pytest.approx(theirs[ir_measures.nDCG @ 10]) == pytest.approx(1 / math.log2(3) / 2)


def test_a_run_is_ranked_by_score_and_equal_scores_stay_in_order():
    text = "1 Q0 low 1 0.5 t\n1 Q0 first 2 7e1 t\r\n1 Q0 second 3 70 t\n\n1 Q0 cut 4 -1 t\n"
    assert read_run(text, 3).rankings == {"1": ["first", "second", "low"]}


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (read_queries, '{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}', "line 2: the question '1' is"),
        (read_queries, "[" * 100_000, 'queries.jsonl, line 1: give {"_id"'),
        (read_queries, '\n{"_id": "", "text": "a"}', "line 2"),
        (read_queries, "7", "line 1"),
        (read_topics, "1\ta\n2 b", "topics.tsv, line 2: give the question's id, a tab, and its text"),
        (read_topics, "1\ta\tb", "line 1"),
        (read_topics, "1\t ", "neither may be empty"),
        (read_beir_judgements, "q\td\t1\n", "qrels.tsv must begin with the header"),
        (read_beir_judgements, HEADER + "q\td\tmany\n", "line 2: give query, document and a whole number"),
        (read_beir_judgements, HEADER + "q\td\t1\nq\td\t2", "line 3: 'd' is graded otherwise above for 'q'"),
        (read_beir_judgements, HEADER + "q\td\t1001", "line 2: a grade lies between -1000 and 1000"),
        (read_trec_judgements, "q 0 d 1\nq 0 d", "qrels.txt, line 2: give question, 0, document and"),
        (read_trec_judgements, "q 0 d " + "9" * 5000, "line 1"),
        (lambda text: read_run(text, 9), "", "run.txt holds no ranking"),
        (lambda text: read_run(text, 9), "1 Q0 d 1 nan t", "line 1: the score is no finite number"),
        (lambda text: read_run(text, 9), "1 Q0 d 1 2 t\n1 Q0 d 2 1 t", "line 2: 'd' is ranked twice for '1'"),
        (lambda text: read_run(text, 9), "1 Q0 d 1 2 t\n1 Q0 e 2 1 u", "line 2: the tag is 'u' after 't'"),
        (lambda text: read_run(text, 9), "1 Q0 d 1", "line 1: give question, Q0, document, rank, score and"),
        (lambda text: read_run(text, 9, known={"2"}), "1 Q0 d 1 2 t", "line 1: there is no question '1'"),
        (lambda text: read_trec_judgements(text, known=()), "1 0 d 1", "line 1: there is no question '1'"),
    ],
)
def test_what_is_malformed_is_refused_with_its_line(read, text, told):
    with pytest.raises(InvalidInput) as refused:
        read(text)
    assert told in str(refused.value)


def test_what_a_file_cannot_hold_is_not_written():
    with pytest.raises(InvalidInput, match=r"'a b' holds white space.*qrels\.tsv or JSON"):
        write_trec_judgements({"1": {"a b": 1}})
    with pytest.raises(InvalidInput, match="white space"):
        write_run("two words", {"1": ["a"]})
    with pytest.raises(InvalidInput, match=r"a tab or a line's end, which topics\.tsv"):
        write_topics([("1", "a\nb")])
    assert read_beir_judgements(write_beir_judgements({"1": {"a b": 1}})) == {"1": {"a b": 1}}
    with pytest.raises(InvalidInput, match=r"qrels\.tsv"):
        write_beir_judgements({"1": {"a\tb": 1}})
