"""The systems of a collection put to its judged questions, one after the other, each stored when it is done.

Begun again after a kill, a task goes on with the first system that it has not stored; that one starts anew.
"""

from collections.abc import Callable, Sequence
from statistics import median

from indexer.asking import opened, put_questions
from indexer.evaluation_records import EvaluationInfo
from indexer.evaluations import asked_of, measured
from indexer.service import Service
from indexer.store import collections, evaluations, judgements
from indexer.systems import check_there, checked_systems
from search.child import Step

Note = Callable[[Step], None]


def measure_systems(
    service: Service,
    collection: str,
    name: str,
    systems: Sequence[str],
    note: Note = lambda _: None,
    task: int | None = None,
) -> list[EvaluationInfo]:
    """Measure systems on a set of judgements; return the runs that were made.

    Args:
        service: of the data folder.
        collection: whose systems they are.
        name: of the judgements.
        systems: see ``SYSTEMS``.
        note: told about every question; may raise to stop, and what was stored stays.
        task: that is being done, if any; systems that it has stored are not measured again.

    Raises:
        UnknownCollection, UnknownJudgements, UnknownEncoder: there is none.
        InvalidInput: a system is unknown or cannot answer here, or nothing is judged.
    """
    chosen = checked_systems(systems)
    with service.database.read() as connection:
        found = collections.get(connection, collection)
        asked_of(connection, judgements.get(connection, found, name))
        for system in chosen:
            check_there(connection, found, system)
        done = set() if task is None else evaluations.systems_of_task(connection, task)
    return [
        _measured(service, collection, name, system, note, task) for system in chosen if system not in done
    ]


def _measured(
    service: Service, collection: str, name: str, system: str, note: Note, task: int | None
) -> EvaluationInfo:
    way = opened(service, collection, system)
    with service.database.read() as connection:
        before = collections.get(connection, collection)
        asked = asked_of(connection, judgements.get(connection, before, name))
    runs, seconds = put_questions(way.answer, asked, lambda number: note(Step(system, number, len(asked))))
    with service.database.write() as connection:
        found = collections.get(connection, collection)
        judged = judgements.get(connection, found, name)
        made = measured(
            connection,
            found,
            judged,
            asked,
            runs,
            system=system,
            imported=False,
            settings=way.settings,
            task_id=task,
            generation=before.active_generation_id,
            change_number=before.change_number,
            ms_per_query_p50=median(seconds) * 1000,
        )
        number = evaluations.add(connection, found, judged, made, service.clock())
        return evaluations.get(connection, found, number)
