"""Judgements of a collection: how they come in, change, and go out.

They belong to keys of documents.  A document that is deleted keeps its judgements: no system can find it, and
that counts, until it is stored again or its judgement is taken back.
"""

from collections.abc import Callable, Mapping, Sequence

from indexer.clock import Clock
from indexer.evaluation_records import JudgedQuestion, JudgementsDetail, JudgementsInfo
from indexer.pipeline import is_key
from indexer.store import collections, documents, judgements
from indexer.store.collections import checked_name
from indexer.store.judgements import Judgement
from indexer.store.sessions import Database
from indexer.store.storable import is_text
from indexer.store.tables import KEY_CHARACTERS_MAX
from search.errors import InvalidInput, UnknownDocument
from search.evaluation import formats
from search.evaluation.formats import GRADE_MAX, Grades, Query
from search.model import QUERY_CHARACTERS_MAX
from search.registry import slip

IMPORTED = "import"
"""Who made the judgements of a file."""
GRADES = (0, 1, 2, 3)
"""That the page offers: not relevant, somewhat, relevant, the very answer."""

Written = Callable[[Sequence[JudgedQuestion]], str]


def _grades(asked: Sequence[JudgedQuestion]) -> Grades:
    return {question.id: dict(question.judgements) for question in asked if question.judgements}


def _texts(asked: Sequence[JudgedQuestion]) -> list[tuple[str, str]]:
    return [(question.id, question.text) for question in asked]


FILES: Mapping[str, Written] = {
    formats.QUERIES: lambda asked: formats.write_queries(_texts(asked)),
    formats.BEIR_JUDGEMENTS: lambda asked: formats.write_beir_judgements(_grades(asked)),
    formats.TOPICS: lambda asked: formats.write_topics(_texts(asked)),
    formats.TREC_JUDGEMENTS: lambda asked: formats.write_trec_judgements(_grades(asked)),
}
"""Name of a file -> what writes it."""


def of_beir(queries: str, grades: str) -> list[JudgedQuestion]:
    """Return the questions of a BEIR folder's two files; raise ``InvalidInput`` with the wrong line."""
    asked = formats.read_queries(queries)
    return _judged(asked, formats.read_beir_judgements(grades, known={query.id for query in asked}))


def of_trec(topics: str, grades: str) -> list[JudgedQuestion]:
    """Return the questions of TREC's topics and qrels; raise ``InvalidInput`` with the wrong line."""
    asked = formats.read_topics(topics)
    return _judged(asked, formats.read_trec_judgements(grades, known={query.id for query in asked}))


def _judged(asked: Sequence[Query], grades: Grades) -> list[JudgedQuestion]:
    return [JudgedQuestion(query.id, query.text, grades.get(query.id, {})) for query in asked]


class Judgements:
    """The judgements of an installation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def all(self, collection: str) -> list[JudgementsInfo]:
        """Return the sets of a collection, by name; raise ``UnknownCollection``."""
        with self._database.read() as connection:
            return judgements.infos(connection, collections.get(connection, collection))

    def info(self, collection: str, name: str) -> JudgementsInfo:
        """Return what there is to say of a set; raise ``UnknownJudgements``."""
        with self._database.read() as connection:
            found = collections.get(connection, collection)
            judged = judgements.get(connection, found, name)
            return next(info for info in judgements.infos(connection, found) if info.name == judged.name)

    def get(self, collection: str, name: str) -> JudgementsDetail:
        """Return a set with its questions; raise ``UnknownCollection`` or ``UnknownJudgements``."""
        with self._database.read() as connection:
            judged = judgements.get(connection, collections.get(connection, collection), name)
            return JudgementsDetail(judged.name, judged.created_at, judgements.questions(connection, judged))

    def only(self, collection: str) -> str:
        """Return the name of a collection's only set; raise ``InvalidInput`` where it has none or several."""
        names = [info.name for info in self.all(collection)]
        if len(names) != 1:
            told = f"choose one of {', '.join(names)}" if names else "import some with `xunyi judgements`"
            raise InvalidInput(f"{collection!r} has {len(names)} sets of judgements; {told}")
        return names[0]

    def put(
        self, collection: str, name: str, asked: Sequence[JudgedQuestion], made_by: str = IMPORTED
    ) -> JudgementsInfo:
        """Add questions and judgements to a set, making it if need be; all of them or none.

        A question that is there stays; a grade that is given takes the place of the old one.

        Raises:
            UnknownCollection: there is no such collection.
            InvalidInput: something cannot be taken, or a question is there with other words.
        """
        _checked_set(name)
        for question in asked:
            _check(question)
        now = self._clock()
        with self._database.write() as connection:
            judged = judgements.ensure(connection, collections.get(connection, collection), name, now)
            judgements.add_questions(connection, judged, _texts(asked), now)
            given = [
                Judgement(question.id, document, grade)
                for question in asked
                for document, grade in question.judgements.items()
            ]
            judgements.judge(connection, judged, given, made_by, now)
        return self.info(collection, name)

    def add_question(self, collection: str, name: str, text: str, id: str | None = None) -> JudgedQuestion:
        """Add a question to a set that is there; without an id it gets the next free of q1, q2, ...

        Raises:
            UnknownCollection, UnknownJudgements: there is none.
            InvalidInput: the question cannot be taken.
        """
        now = self._clock()
        with self._database.write() as connection:
            found = collections.get(connection, collection)
            judged = judgements.ensure(connection, found, judgements.get(connection, found, name).name, now)
            asked = {question.id: question for question in judgements.questions(connection, judged)}
            number = len(asked) + 1
            while id is None and f"q{number}" in asked:
                number += 1
            question = JudgedQuestion(f"q{number}" if id is None else id, text.strip(), {})
            _check(question)
            judgements.add_questions(connection, judged, _texts([question]), now)
            return asked.get(question.id, question)

    def judge(
        self, collection: str, name: str, question: str, document: str, grade: int | None, made_by: str
    ) -> JudgedQuestion:
        """Grade a document for a question, or take its grade back (None); return the question as it is now.

        Raises:
            UnknownCollection, UnknownJudgements: there is none.
            UnknownDocument: a document is graded that is not stored.
            InvalidInput: the grade is out of range.
        """
        now = self._clock()
        with self._database.write() as connection:
            found = collections.get(connection, collection)
            judged = judgements.ensure(connection, found, judgements.get(connection, found, name).name, now)
            if grade is None:
                judgements.take_back(connection, judged, question, document)
            else:
                _check_grade(grade)
                if not documents.content_hashes(connection, found.id, [document]):
                    raise UnknownDocument(
                        f"nothing is stored under the key {document[:200]!r} in {collection!r}",
                        collection=collection,
                        key=document[:200],
                    )
                judgements.judge(connection, judged, [Judgement(question, document, grade)], made_by, now)
            return next(each for each in judgements.questions(connection, judged) if each.id == question)

    def remove(self, collection: str, name: str) -> None:
        """Delete a set with its runs; raise ``UnknownCollection`` or ``UnknownJudgements``."""
        with self._database.write() as connection:
            found = collections.get(connection, collection)
            collections.lock(connection, found)
            judgements.remove(connection, judgements.get(connection, found, name))

    def remove_question(self, collection: str, name: str, question: str) -> None:
        """Delete a question with its judgements; raise ``UnknownCollection`` or ``UnknownJudgements``."""
        with self._database.write() as connection:
            found = collections.get(connection, collection)
            collections.lock(connection, found)
            judged = judgements.get(connection, found, name)
            judgements.remove_question(connection, judged, question)

    def export(self, collection: str, name: str, file: str) -> str:
        """Return a set as the text of one of ``FILES``.

        Raises:
            UnknownCollection, UnknownJudgements: there is none.
            InvalidInput: there is no such file, or it cannot hold what it should.
        """
        if file not in FILES:
            raise InvalidInput(
                f"there is no file {file[:100]!r}{slip(file, FILES)}; ask for {', '.join(FILES)}"
            )
        return FILES[file](self.get(collection, name).questions)


def _checked_set(name: str) -> None:
    try:
        checked_name(name)
    except InvalidInput:
        raise InvalidInput(
            "the name of judgements has 1 to 100 letters, digits, dots, dashes or underscores "
            "and starts with a letter or digit",
            name=name[:200],
        ) from None


def _check(question: JudgedQuestion) -> None:
    if not is_key(question.id):
        raise InvalidInput(
            f"{question.id[:100]!r} is no id of a question; give 1 to {KEY_CHARACTERS_MAX} characters, "
            "none of them a control character"
        )
    text = question.text
    if not text.strip() or len(text) > QUERY_CHARACTERS_MAX or not is_text(text):
        raise InvalidInput(
            f"the question {question.id[:100]!r} needs a text of 1 to {QUERY_CHARACTERS_MAX} characters"
        )
    for document, grade in question.judgements.items():
        if not is_key(document):
            raise InvalidInput(
                f"{document[:100]!r}, judged for {question.id[:100]!r}, is no key of a document"
            )
        _check_grade(grade)


def _check_grade(grade: int) -> None:
    if abs(grade) > GRADE_MAX:
        raise InvalidInput(f"a grade lies between -{GRADE_MAX} and {GRADE_MAX}; usual are 0 to {GRADES[-1]}")
