"""Judging: what several systems found for a question, graded without knowing which of them found it."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from indexer.judging import FILES, GRADES, of_beir, of_trec
from indexer.pooling import pool
from search.errors import InvalidInput
from web.service import service
from web.uploads import uploaded_text

pages = Blueprint("judgements_page", __name__)
MADE_BY = "page"
FORMS = {"beir": of_beir, "trec": of_trec}
"""In which form judgements come in two files -> what reads the texts of both."""


@pages.get("/collections/<collection>/judgements")
def judgements(collection: str) -> ResponseReturnValue:
    """Show the sets of judgements of a collection."""
    return render_template(
        "judgements.html", collection=collection, sets=service().judgements.all(collection), forms=FORMS
    )


@pages.post("/collections/<collection>/judgements")
def make(collection: str) -> ResponseReturnValue:
    """Make the set that the form names, and show it."""
    made = service().judgements.put(collection, _field("name").strip(), [])
    return redirect(url_for(".judging", collection=collection, name=made.name), 303)


@pages.post("/collections/<collection>/judgements/import")
def bring(collection: str) -> ResponseReturnValue:
    """Add what stands in the two files of the form to the set that it names, all or nothing; show the set."""
    read = FORMS.get(_field("form"))
    if read is None:
        raise InvalidInput(f"files of judgements come in one of these forms: {', '.join(FORMS)}")
    asked = read(uploaded_text("questions"), uploaded_text("grades"))
    made = service().judgements.put(collection, _field("name").strip(), asked)
    return redirect(url_for(".judging", collection=collection, name=made.name), 303)


@pages.get("/collections/<collection>/judgements/<name>")
def judging(collection: str, name: str) -> ResponseReturnValue:
    """Show the questions of a set and, once one is chosen, what is to be judged for it."""
    found = service().judgements.get(collection, name)
    chosen = request.args.get("question")
    asked, pooled = (None, []) if chosen is None else pool(service(), collection, name, chosen)
    ids = [question.id for question in found.questions]
    after = None if asked is None else next(iter(ids[ids.index(asked.id) + 1 :]), None)
    return render_template(
        "judging.html",
        collection=collection,
        found=found,
        asked=asked,
        pooled=pooled,
        after=after,
        grades=GRADES,
        files=FILES,
    )


@pages.post("/collections/<collection>/judgements/remove")
def remove(collection: str) -> ResponseReturnValue:
    """Delete the set that the form names, and show the others."""
    service().judgements.remove(collection, _field("name"))
    return redirect(url_for(".judgements", collection=collection), 303)


@pages.post("/collections/<collection>/judgements/<name>/questions")
def ask(collection: str, name: str) -> ResponseReturnValue:
    """Add the question of the form, and lead to what is to be judged for it."""
    made = service().judgements.add_question(collection, name, _field("text"))
    return redirect(url_for(".judging", collection=collection, name=name, question=made.id), 303)


@pages.post("/collections/<collection>/judgements/<name>/questions/remove")
def remove_question(collection: str, name: str) -> ResponseReturnValue:
    """Delete the question that the form names, with its grades."""
    service().judgements.remove_question(collection, name, _field("question"))
    return redirect(url_for(".judging", collection=collection, name=name), 303)


@pages.post("/collections/<collection>/judgements/<name>/grades")
def grade(collection: str, name: str) -> ResponseReturnValue:
    """Grade a document, or take its grade back, and return to where it stands."""
    question, document, given = _field("question"), _field("document"), _field("grade")
    if given not in ("", *map(str, GRADES)):
        raise InvalidInput(f"a grade is one of {', '.join(map(str, GRADES))}")
    grade = int(given) if given else None
    service().judgements.judge(collection, name, question, document, grade, MADE_BY)
    place = request.form.get("place", "")
    anchor = f"d{place}" if place.isdecimal() and place.isascii() else None
    there = url_for(".judging", collection=collection, name=name, question=question, _anchor=anchor)
    return redirect(there, 303)


def _field(name: str) -> str:
    value = request.form.get(name)
    if value is None:
        raise InvalidInput(f"this form lacks {name!r}; go back, reload the page and send it again")
    return value
