"""``xunyi evaluate COLLECTION``: systems of a collection measured on judgements that it keeps."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from indexer.evaluation_records import EvaluationInfo
from indexer.evaluation_tasks import measure_systems
from indexer.service import Service
from indexer.shell import options
from indexer.shell.measured import compared, table_of
from search.child import Step
from search.errors import UnknownCollection
from search.evaluation.measures import COMPARED
from search.evaluation.paired import p_values


def evaluate_collection(
    service: Service, collection: str, judgements: str | None, systems: Sequence[str], as_json: bool
) -> None:
    """Measure systems and print what was found; the runs are kept, those before a stop too."""
    try:
        service.collection(collection)
    except UnknownCollection as error:
        raise UnknownCollection(f"{collection!r} is no folder here, and {error}") from None
    name = judgements or service.judgements.only(collection)
    begun: set[str] = set()

    def note(step: Step) -> None:
        if step.name not in begun:
            begun.add(step.name)
            options.tell(f"{step.name}: {step.total} questions")

    runs = measure_systems(service, collection, name, systems, note)
    found = as_dict(service, collection, runs)
    if as_json:
        options.print_json(found)
        return
    _print(found, runs[0])


def as_dict(service: Service, collection: str, runs: Sequence[EvaluationInfo]) -> dict[str, Any]:
    """Return what was found in the form of ``evaluate DIR``; p-values only of several systems."""
    gains = {
        run.system: {
            question.id: question.measures[COMPARED]
            for question in service.evaluations.get(collection, run.id).questions
        }
        for run in runs
    }
    first = runs[0]
    told: dict[str, Any] = {
        "collection": collection,
        "judgements": first.judgements,
        "documents": service.collection(collection).documents,
        "queries": first.questions,
        "missing_documents": first.missing_documents,
        "changed_documents": first.changed_documents,
        "systems": {run.system: {**run.measures, "ms_per_query_p50": run.ms_per_query_p50} for run in runs},
        "evaluations": {run.system: run.id for run in runs},
    }
    return told | ({"p_values": p_values(gains)} if len(runs) > 1 else {})


def _print(found: dict[str, Any], first: EvaluationInfo) -> None:
    console = options.Output(highlight=False)
    documents = options.counted(found["documents"], "document")
    questions = options.counted(first.questions, "question")
    console.print(f"{escape(found['collection'])}: {documents}, {questions} of {escape(first.judgements)}")
    console.print(table_of({first.judgements: found["systems"]}, "judgements"))
    if first.missing_documents:
        console.print(
            f"{first.missing_documents} of {first.judged_documents} judged documents are not stored; "
            "no system can find them",
            style="dim",
        )
    if first.changed_documents:
        console.print(
            f"{first.changed_documents} of {first.judged_documents} judged documents were stored or changed "
            "after they were judged",
            style="dim",
        )
    for line in compared(found["systems"], found.get("p_values", {})):
        console.print(line, style="dim", markup=False)
