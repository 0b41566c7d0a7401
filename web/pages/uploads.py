"""Bringing files in, and watching them being read."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from indexer.records import DEFAULT_COLLECTION
from web.service import service, settings
from web.uploads import uploaded_files

pages = Blueprint("uploads_page", __name__)
TASKS_SHOWN = 50
ENDED = ("succeeded", "failed", "canceled")


@pages.get("/upload")
def upload() -> ResponseReturnValue:
    """Show the form."""
    return render_template(
        "upload.html",
        collections=service().collections(),
        chosen=request.args.get("collection", DEFAULT_COLLECTION),
        bytes_max=settings().upload_bytes_max,
    )


@pages.post("/upload")
def receive() -> ResponseReturnValue:
    """Take the files and lead to the page that shows their progress."""
    collection = request.form.get("collection", "").strip() or DEFAULT_COLLECTION
    task = service().upload(collection, uploaded_files("file"))
    return redirect(url_for("uploads_page.task", task_id=task.id), 303)


@pages.get("/tasks")
def tasks() -> ResponseReturnValue:
    """Show the newest tasks."""
    return render_template("tasks.html", tasks=service().tasks(limit=TASKS_SHOWN))


@pages.get("/tasks/<number:task_id>")
def task(task_id: int) -> ResponseReturnValue:
    """Show how far a task is; the page renews itself until the task has ended."""
    found = service().task(task_id)
    return render_template("task.html", task=found, ended=found.state in ENDED)


@pages.post("/tasks/<number:task_id>/cancel")
def cancel(task_id: int) -> ResponseReturnValue:
    """Stop a task and show it."""
    service().cancel_task(task_id)
    return redirect(url_for("uploads_page.task", task_id=task_id), 303)
