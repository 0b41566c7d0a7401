"""What is stored: the collections, the documents of one, and one document to read."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from search.errors import InvalidInput
from web.pages.reading import blocks, page_count, preface
from web.service import service

pages = Blueprint("documents_page", __name__)
DOCUMENTS_PER_PAGE = 50


@pages.get("/collections")
def collections() -> ResponseReturnValue:
    """Show every collection and how much it holds."""
    return render_template("collections.html", collections=service().collections())


@pages.get("/collections/<collection>")
def collection(collection: str) -> ResponseReturnValue:
    """Lead to the documents of one, for whoever types its address."""
    return redirect(url_for("documents_page.documents", collection=collection))


@pages.get("/collections/<collection>/documents")
def documents(collection: str) -> ResponseReturnValue:
    """Show a page of documents."""
    cursor = request.args.get("after")
    page = service().documents(collection, limit=DOCUMENTS_PER_PAGE, cursor=cursor)
    return render_template("documents.html", collection=collection, page=page, first=cursor is None)


@pages.get("/collections/<collection>/documents/<key:key>")
def document(collection: str, key: str) -> ResponseReturnValue:
    """Show a document to read; ``#p-<ordinal>`` lights up a passage."""
    detail = service().document(collection, key)
    last, page = page_count(detail), request.args.get("page", "1")
    if page not in map(str, range(1, last + 1)):
        raise NotFound(f"this document has no page {page[:100]!r}; its last page is {last}")
    number = int(page)
    return render_template(
        "document.html",
        collection=collection,
        document=detail.document,
        preface=preface(detail) if number == 1 else "",
        blocks=blocks(detail, number),
        page=number,
        last=last,
    )


@pages.post("/collections/<collection>/documents/delete")
def delete(collection: str) -> ResponseReturnValue:
    """Delete the document whose key the form names, and show the list again."""
    key = request.form.get("key")
    if key is None:
        raise InvalidInput("this form names no document; go back, reload the page and send it again")
    service().delete_documents(collection, [key])
    return redirect(url_for("documents_page.documents", collection=collection), 303)
