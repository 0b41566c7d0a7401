"""``xunyi demo --once``: four questions, each answered first by its document, and not called unanswered."""

import pytest

from indexer.cli import run
from indexer.service import Service
from indexer.settings import Settings
from indexer.shell.demo import COLLECTION, QUESTIONS
from search.model import SearchRequest

pytestmark = pytest.mark.slow


def test_the_demo_answers_its_questions_and_says_so(home, capsys):
    for _ in range(2):
        assert run(["demo", "--once", "--home", str(home)]) == 0
        told = capsys.readouterr().out
        assert all(question.text in told for question in QUESTIONS)
        assert "Nothing relevant" not in told
    service = Service.open(Settings.from_environment({}, home))
    for question in QUESTIONS:
        result = service.search(COLLECTION, SearchRequest(query=question.text, limit=3))
        assert result.hits[0].key == question.answer and not result.nothing_relevant
    service.close()
