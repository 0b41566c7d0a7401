"""``xunyi evaluate --by``: groups of questions, and fields that the questions do not have."""

import json

import pytest

from indexer.cli import run
from tests.bad_files import lines

pytestmark = pytest.mark.usefixtures("models_opened_once")


@pytest.fixture
def judged(tmp_path):
    """Three judged questions, two of which say of which kind they are, and an unjudged one with a hue."""
    folder = tmp_path / "judged"
    folder.mkdir()
    corpus = (
        {"_id": "a", "title": "Tern", "text": "A tern dives."},
        {"_id": "b", "title": "", "text": "An ox."},
    )
    queries = (
        {"_id": "1", "text": "tern", "kind": "bird"},
        {"_id": "2", "text": "ox", "kind": "beast"},
        {"_id": "3", "text": "ox", "kind": None},
        {"_id": "4", "text": "unjudged", "hue": "red"},
    )
    (folder / "corpus.jsonl").write_text(lines(*corpus))
    (folder / "queries.jsonl").write_text(lines(*queries))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t1\n3\tb\t1\n")
    return folder


def test_questions_without_the_field_are_in_no_group_and_that_is_told(judged, home, capsys):
    status = run(
        ["evaluate", str(judged), "--systems", "lexical", "--by", "kind", "--json", "--home", str(home)]
    )
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (status, found["queries"], set(found["groups"])) == (0, 3, {"bird", "beast"})
    assert "1 of 3 questions have no field 'kind' and are in no group" in shown.err.splitlines()


@pytest.mark.parametrize("field", ["nosuch", "hue", "text", ""])
def test_a_field_that_no_judged_question_has_is_refused_before_anything_is_done(judged, home, capsys, field):
    assert run(["evaluate", str(judged), "--by", field, "--home", str(home)]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and [path.name for path in home.iterdir()] == ["models"]
    assert shown.err == (
        f"xunyi: no judged question has the field {field!r}; group by one of: kind (invalid_input)\n"
    )


def test_questions_without_any_field_are_not_grouped(judged, home, capsys):
    (judged / "queries.jsonl").write_text(lines({"_id": "1", "text": "tern"}))
    assert run(["evaluate", str(judged), "--by", "kind", "--home", str(home)]) == 2
    assert "'kind'; they have none to group by; leave --by out (invalid_input)" in capsys.readouterr().err
