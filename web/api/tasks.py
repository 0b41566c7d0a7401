"""Tasks: the work that goes on after an upload was answered."""

from flask import Response

from indexer.records import TaskInfo
from web.api.blueprint import api_part
from web.api.replies import reply, reply_list
from web.api.schemas import Limit, Parameters, TaskList, answer_of
from web.service import service

part = api_part("tasks", "Work that goes on after its request was answered.")


class TaskPath(Parameters):
    """A task by number."""

    task_id: int


class TaskListParameters(Parameters):
    """The newest tasks, of one collection or of all."""

    collection: str | None = None
    limit: Limit = 50


@part.get("/tasks", responses={200: answer_of(TaskList, "Tasks, newest first")})
def list_tasks(query: TaskListParameters) -> Response:
    """List the newest tasks."""
    return reply_list("tasks", service().tasks(query.collection, query.limit))


@part.get("/tasks/<number:task_id>", responses={200: answer_of(TaskInfo, "The task")})
def get_task(path: TaskPath) -> Response:
    """Tell how far a task is and what it refused."""
    return reply(service().task(path.task_id))


@part.post(
    "/tasks/<number:task_id>/cancel", responses={200: answer_of(TaskInfo, "The task as it stands now")}
)
def cancel_task(path: TaskPath) -> Response:
    """Stop a task; what it has stored stays."""
    return reply(service().cancel_task(path.task_id))
