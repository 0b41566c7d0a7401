"""The shipped demo collection: complete, well formed, and not to be solved by shared words."""

import csv
import json
import re
from collections import Counter, defaultdict
from importlib.resources import files

import pytest

DEMO = files("indexer.demo")
HAN = re.compile(r"[\u4e00-\u9fff]")
DIRECTIONS = ("en-en", "zh-zh", "zh-en", "en-zh")
# Words that carry no subject: sharing them tells nobody which article answers.
ENGLISH_FUNCTION_WORDS = frozenset(
    """a about after all an and are as at be but by can did do does each for from had has have how i in
    into is it its more much my no not of off on only or our out over so still than that the their them
    then they this time to until up us was way we were what when which who why will with would you your
    """.split()
)
CHINESE_FUNCTION_CHARACTERS = frozenset(
    "的了是在有和与也就都会到把被吗呢这那一个要能上里又而怎么为什样时候从起来"
)


def read_lines(name):
    return [json.loads(line) for line in (DEMO / name).read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def articles():
    return {record["_id"]: record for record in read_lines("corpus.jsonl")}


@pytest.fixture(scope="module")
def questions():
    return {question["_id"]: question for question in read_lines("queries.jsonl")}


@pytest.fixture(scope="module")
def judgements():
    with (DEMO / "qrels.tsv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def test_ids_are_unique():
    for name in ("corpus.jsonl", "queries.jsonl"):
        ids = [record["_id"] for record in read_lines(name)]
        assert len(ids) == len(set(ids))


def test_records_have_exactly_the_documented_fields(articles, questions):
    for article in articles.values():
        assert list(article) == ["_id", "title", "text", "subject", "language"]
        assert all(isinstance(value, str) and value.strip() for value in article.values())
    for question in questions.values():
        assert list(question) == ["_id", "text", "direction"]


def test_counts_per_language(articles):
    languages = defaultdict(set)
    for article in articles.values():
        name, language = article["_id"].rsplit(".", 1)
        assert language == article["language"]
        languages[name].add(language)
    assert Counter(article["language"] for article in articles.values()) == {"en": 78, "zh": 81}
    assert Counter("".join(sorted(both)) for both in languages.values()) == {"en": 57, "zh": 60, "enzh": 21}


def test_texts_and_titles_are_in_the_language_they_name(articles):
    for article in articles.values():
        for part in (article["title"], article["text"]):
            han_share = len(HAN.findall(part)) / len(part)
            assert han_share > 0.6 if article["language"] == "zh" else han_share == 0, article["_id"]


def test_lengths(articles):
    for article in articles.values():
        if article["language"] == "en":
            assert 60 <= len(article["text"].split()) <= 250, article["_id"]
        else:
            assert 100 <= len(article["text"]) <= 450, article["_id"]


def test_no_text_is_given_twice(articles):
    assert len({article["text"] for article in articles.values()}) == len(articles)
    assert len({article["title"] for article in articles.values()}) == len(articles)


def test_every_subject_has_neighbours_in_both_languages(articles):
    by_subject = defaultdict(Counter)
    for article in articles.values():
        by_subject[article["subject"]][article["language"]] += 1
    assert len(by_subject) == 24
    for subject, languages in by_subject.items():
        assert min(languages["en"], languages["zh"]) >= 2, subject
        assert languages.total() >= 5, subject


def test_twenty_questions_in_each_direction(questions):
    assert Counter(question["direction"] for question in questions.values()) == dict.fromkeys(DIRECTIONS, 20)
    for question in questions.values():
        asked_in = "zh" if HAN.search(question["text"]) else "en"
        assert question["direction"].startswith(asked_in), question["_id"]


def test_judgements_refer_to_existing_records_and_judge_every_question_once_or_twice(
    articles, questions, judgements
):
    pairs = [(row["query-id"], row["corpus-id"]) for row in judgements]
    assert list(judgements[0]) == ["query-id", "corpus-id", "score"]
    assert len(pairs) == len(set(pairs))
    assert {article for _, article in pairs} <= articles.keys()
    assert {row["score"] for row in judgements} <= {"1", "2"}
    answers = Counter(question for question, _ in pairs)
    assert answers.keys() == questions.keys()
    assert max(answers.values()) <= 2


def test_answers_exist_in_the_language_of_the_direction_alone(articles, questions, judgements):
    for row in judgements:
        answered_in = questions[row["query-id"]]["direction"].partition("-")[2]
        other = "en" if answered_in == "zh" else "zh"
        name, language = row["corpus-id"].rsplit(".", 1)
        assert language == answered_in, row
        assert f"{name}.{other}" not in articles, row


def test_questions_share_few_words_with_their_answers(articles, questions, judgements):
    shared = {
        row["query-id"]: shared_words(
            questions[row["query-id"]]["text"],
            articles[row["corpus-id"]]["title"] + " " + articles[row["corpus-id"]]["text"],
        )
        for row in judgements
    }
    assert {question: words for question, words in shared.items() if len(words) > 3} == {}
    assert sum(len(words) for words in shared.values()) / len(shared) < 1.0


def shared_words(question, answer):
    return english_words(question) & english_words(answer) | han_pairs(question) & han_pairs(answer)


def english_words(text):
    words = set(re.findall(r"[a-z]+", text.lower())) - ENGLISH_FUNCTION_WORDS
    # A plural is no other word: this crude stem errs on the side of finding more in common.
    return {word.removesuffix("s") for word in words}


def han_pairs(text):
    """Pairs of neighbouring characters, the usual stand-in for words where none are marked."""
    runs = re.findall(r"[\u4e00-\u9fff]+", text)
    pairs = {run[i : i + 2] for run in runs for i in range(len(run) - 1)}
    return {pair for pair in pairs if not CHINESE_FUNCTION_CHARACTERS & set(pair)}
