"""What the API takes about judgements and evaluations; ``schemas.py`` has what all parts share."""

from pydantic import Field

from indexer.evaluation_records import JudgedQuestion
from indexer.judging import FILES, GRADES, of_beir, of_trec
from search.errors import InvalidInput
from search.evaluation.measures import COMPARED
from web.api.schemas import Body, CollectionPath, Limit, Parameters


class JudgementsPath(CollectionPath):
    """A set of judgements by name."""

    name: str


class JudgementsFilePath(JudgementsPath):
    """A set of judgements as one of these files."""

    file: str = Field(description=f"One of: {', '.join(FILES)}")


class EvaluationPath(CollectionPath):
    """An evaluation by number."""

    evaluation: int


class ComparisonPath(EvaluationPath):
    """An evaluation and the one it is held against."""

    baseline: int


class QuestionBody(Body):
    """A question and how well documents answer it."""

    id: str
    text: str
    judgements: dict[str, int] = Field(
        default_factory=dict, description="Key of a document -> grade; above 0 is an answer"
    )


class JudgementsBody(Body):
    """Judgements to be added under ``name``: as questions, or as the texts of two files."""

    name: str
    questions: list[QuestionBody] | None = None
    queries: str | None = Field(
        default=None, description="queries.jsonl of a BEIR folder; with its qrels.tsv"
    )
    topics: str | None = Field(default=None, description="Topics: id, tab, text a line; with TREC's qrels")
    qrels: str | None = Field(default=None, description="The judgements of queries or topics")

    def asked(self) -> list[JudgedQuestion]:
        """Return the questions; raise ``InvalidInput`` unless they came in exactly one form."""
        given = [each is not None for each in (self.questions, self.queries, self.topics)]
        if sum(given) != 1 or (self.qrels is None) != (self.questions is not None):
            raise InvalidInput("give either questions, or queries and qrels, or topics and qrels")
        if self.queries is not None and self.qrels is not None:
            return of_beir(self.queries, self.qrels)
        if self.topics is not None and self.qrels is not None:
            return of_trec(self.topics, self.qrels)
        asked = [JudgedQuestion(each.id, each.text, each.judgements) for each in self.questions or ()]
        twice = len({question.id for question in asked}) < len(asked)
        if twice:
            raise InvalidInput("an id is given to more than one question")
        return asked


class NewQuestionBody(Body):
    """A question to be added; without an id it gets the next free of q1, q2, ..."""

    text: str
    id: str | None = None


class QuestionNameBody(Body):
    """A question by its id."""

    question: str


class GradeBody(Body):
    """How well a document answers a question; null takes the grade back."""

    question: str
    document: str
    grade: int | None = Field(description=f"Above 0 is an answer; usual are {GRADES[0]} to {GRADES[-1]}")


class EvaluationBody(Body):
    """Systems to be measured on judgements."""

    judgements: str
    systems: list[str] = Field(description="As in `xunyi evaluate --systems`")


class RunBody(Body):
    """A TREC run file to be measured on judgements."""

    judgements: str
    run: str = Field(description="question, Q0, key, rank, score, tag; a line each")


class EvaluationListParameters(Parameters):
    """The newest evaluations, on one set of judgements or on all."""

    judgements: str | None = None
    limit: Limit = 50


class ComparisonParameters(Parameters):
    """By which measure two evaluations are compared."""

    measure: str = COMPARED
