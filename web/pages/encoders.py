"""The encoders of a collection: fit, switch, take away, and see what each finds for the same question."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from indexer.fitted import kinds_of_text
from indexer.records import EncoderInfo
from search.encoders.fitted.catalog import OF_FIELDS
from search.errors import InvalidInput
from search.model import Hit, SearchRequest
from web.pages.reading import page_of
from web.service import service

pages = Blueprint("encoders_page", __name__)
HITS = 8
KIND_OF = {"text": "tags", "integer": "number", "number": "number", "boolean": "boolean", "time": "time"}
"""Kind of stored values -> what a field of them can be declared as."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one encoder finds."""

    encoder: EncoderInfo
    hits: tuple[Hit, ...]

    def rank(self, key: str) -> int | None:
        """Return the place of a document, from 1; None where it is not among the hits."""
        return next((place for place, hit in enumerate(self.hits, start=1) if hit.key == key), None)


@pages.get("/collections/<collection>/encoders")
def encoders(collection: str) -> ResponseReturnValue:
    """Show the encoders and, once there is a question, what each of them finds by meaning alone."""
    found = service().encoders(collection)
    query = request.args.get("q", "").strip()
    names = {info.name for info in found}
    return render_template(
        "encoders.html",
        collection=collection,
        encoders=found,
        others=[kind for kind in kinds_of_text() if kind not in names],
        fields=_declarable(collection),
        of_fields=OF_FIELDS[0],
        query=query,
        answers=_answers(collection, found, query) if query else [],
        page_of=page_of,
    )


@pages.post("/collections/<collection>/encoders")
def fit(collection: str) -> ResponseReturnValue:
    """Have the encoder fit that the form names, and lead to the page that shows how far that is."""
    task = service().fit_encoder(collection, _named(), fields=_declared())
    return redirect(url_for("uploads_page.task", task_id=task.id), 303)


@pages.post("/collections/<collection>/encoders/switch")
def switch(collection: str) -> ResponseReturnValue:
    """Have the collection go over to the encoder that the form names, and lead to how far that is."""
    task = service().switch_encoder(collection, _named().strip(), "force" in request.form)
    return redirect(url_for("uploads_page.task", task_id=task.id), 303)


@pages.post("/collections/<collection>/encoders/rollback")
def roll_back(collection: str) -> ResponseReturnValue:
    """Go back to the collection's former encoder, and show which it has."""
    service().roll_back_encoder(collection)
    return redirect(url_for(".encoders", collection=collection), 303)


@pages.post("/collections/<collection>/encoders/remove")
def remove(collection: str) -> ResponseReturnValue:
    """Take the encoder that the form names away, and show the others."""
    service().remove_encoder(collection, _named())
    return redirect(url_for(".encoders", collection=collection), 303)


def _declarable(collection: str) -> dict[str, list[str]]:
    """Return field of the documents -> what it can be declared as."""
    stored = service().kinds_of_fields(collection)
    return {name: sorted({KIND_OF[kind] for kind in kinds}) for name, kinds in stored.items()}


def _declared() -> list[dict[str, Any]]:
    """Return the fields that a form declares, those without a kind left out."""
    rows = [request.form.getlist(column) for column in ("field", "field_kind", "field_weight")]
    if len({len(column) for column in rows}) > 1:
        raise InvalidInput("this form is not whole; go back, reload the page and send it again")
    return [
        {"name": name, "kind": kind, "weight": _weight(name, weight)}
        for name, kind, weight in zip(*rows, strict=True)
        if kind
    ]


def _weight(name: str, given: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise InvalidInput(f"the weight of {name[:100]!r} is a number, not {given[:100]!r}") from None


def _named() -> str:
    name = request.form.get("name")
    if name is None:
        raise InvalidInput("this form names no encoder; go back, reload the page and send it again")
    return name


def _answers(collection: str, found: list[EncoderInfo], query: str) -> list[Answer]:
    answers = []
    for info in found:
        if info.complete and info.name not in OF_FIELDS:
            asked = SearchRequest(query, mode="dense", encoder=info.name, limit=HITS, highlight=False)
            answers.append(Answer(info, tuple(service().search(collection, asked).hits)))
    return answers
