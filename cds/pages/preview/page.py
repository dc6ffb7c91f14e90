"""``create_preview``: a small web application for one person on one machine, under an address that nobody guesses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from cds.cards.phrasebook import Catalogues, Phrasebook
from cds.charts import stylesheet
from cds.errors import CdsError
from cds.pages import guard
from cds.pages.preview.dial import Dial, dials
from cds.preview import text

Save = Callable[[Mapping[str, float]], Path]
"""Writes a proposed file with these thresholds (by key) at these values; raises CdsError for what can't be."""


def create_preview(told: Mapping[str, Any], catalogues: Catalogues, save: Save, *, token: str, language: str) -> Flask:
    """``told``: the figures of a preview. ``token``: part of every address. ``language``: until another is chosen."""
    app = Flask("cds.preview", template_folder=str(_HERE / "templates"), static_folder=None)
    page = _Page(told, catalogues, save, language)
    app.before_request(_of_this_machine)
    app.before_request(guard.own_forms_only)
    app.after_request(guard.protected)
    app.add_url_rule(f"/{token}/", "page", page.show)
    app.add_url_rule(f"/{token}/save", "save", page.save, methods=["POST"])
    app.add_url_rule(f"/{token}/charts.css", "charts", lambda: Response(stylesheet(), content_type="text/css"))
    app.add_url_rule(f"/{token}/<any('preview.css','preview.js','mark.svg'):name>", "asset", _asset)
    return app


_HERE = Path(__file__).parent
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def _asset(name: str) -> Response:
    path = _HERE / "assets" / name
    return Response(path.read_text(encoding="utf-8"), content_type=_KINDS[path.suffix])


def _of_this_machine() -> None:
    """Another site's page must not reach this one under a name that it made point here."""
    if request.host.partition(":")[0] not in ("127.0.0.1", "localhost"):
        abort(403)


class _Page:
    def __init__(self, told: Mapping[str, Any], catalogues: Catalogues, save: Save, language: str) -> None:
        self._told, self._catalogues, self._save, self._language = told, catalogues, save, language
        self._saved: list[str] = []

    def show(self) -> str:
        return self._page()

    def save(self) -> BaseResponse | str:
        """Write what is chosen; the page then names the file."""
        words = self._words()
        chosen = dials(self._told, words, request.form)
        moved = {dial.key: dial.value for dial in chosen if dial.moved}
        if not moved:
            return self._page(why=words("preview.page.unmoved"), places=request.form)
        try:
            path = self._save(moved)
        except (CdsError, OSError) as error:
            return self._page(why=str(error), places=request.form)
        self._saved.append(str(path))
        places: dict[str, Any] = {f"v{n}": dial.chosen for n, dial in enumerate(chosen)}
        address = url_for("page", saved=len(self._saved) - 1, lang=words.language, _anchor="save", **places)
        return redirect(address, 303)

    def _page(self, why: str = "", places: Mapping[str, str] | None = None) -> str:
        words = self._words()
        saved = request.args.get("saved", type=int)
        chosen = dials(self._told, words, request.args if places is None else places)
        return render_template(
            "preview/page.html",
            words=words,
            languages={c: self._catalogues.book(c)("preview.page.language_name") for c in self._catalogues.languages},
            told=self._told,
            window=text.window_words(self._told["window"], words),
            workload=text.workload_rows(self._told, words),
            patients=text.patient_rows(self._told, words),
            found=[
                (text.found_title(f, words), tuple(text.cohort_lines(f, words)), text.found_rows(f, words))
                for f in self._told["found"]
            ],
            none_kept=text.none_kept(self._told, words),
            notes=tuple(text.note_lines(self._told, words)),
            dials=chosen,
            places={f"v{n}": dial.chosen for n, dial in enumerate(chosen)},
            shown=text.shown,
            whose=text.whose,
            saved=self._saved[saved] if saved is not None and 0 <= saved < len(self._saved) else "",
            why=why,
        )

    def _words(self) -> Phrasebook:
        wish = request.args.get("lang") or request.form.get("lang")
        return self._catalogues.book(wish, self._language)


__all__ = ["Dial", "Save", "create_preview"]
