"""The Flask application: every route but the hot one, as blueprints."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException

from app.accounts.passwords import Passwords
from app.accounts.throttle import Throttle
from app.lifecycle import Lifecycle
from app.problems import CONTENT_TYPE, Problem, from_status, retry_later
from app.settings import Settings
from app.store import StoreUnavailable
from app.web.accounts import accounts
from app.web.console import console
from app.web.health import health
from app.web.openapi import openapi
from app.web.tokens import tokens
from app.web.welcome import welcome
from app.wsgi import REQUEST, REQUEST_ID

log = logging.getLogger("app.web")

# Werkzeug's own texts speak of URLs typed by hand.
_DETAILS = {404: "There is no such route.", 405: "This route has other methods."}


class _JSON(DefaultJSONProvider):
    """One line with spaces, members in the order written: like the documentation shows it."""

    sort_keys = False
    ensure_ascii = False

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """See the base class, which would leave out the spaces."""
        return Response(self.dumps(self._prepare_response_obj(args, kwargs)), mimetype=self.mimetype)


class _Application(Flask):
    json_provider_class = _JSON


def create_app(settings: Settings, lifecycle: Lifecycle) -> Flask:
    """The Flask application of one process; its views find what they share in `config` (`app.web.guard`)."""
    app = _Application("app", static_folder=None, template_folder=None)
    app.url_map.merge_slashes = False  # a route has one name: limits and logs know it by that
    app.config["SETTINGS"] = settings
    app.config["LIFECYCLE"] = lifecycle
    app.config["PASSWORDS"] = Passwords(settings.password_hashes)
    app.config["THROTTLE"] = Throttle(settings.log_in_tries, settings.sign_up_tries)
    app.register_blueprint(welcome)
    app.register_blueprint(health)
    app.register_blueprint(accounts)
    app.register_blueprint(tokens)
    app.register_blueprint(openapi)
    if settings.console:
        app.register_blueprint(console)
    app.before_request(_note_route)
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(StoreUnavailable, _store_unavailable)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _fault)
    return app


def _note_route() -> None:
    seen = request.environ.get(REQUEST)
    if seen is not None and request.url_rule is not None:  # for the log and the metrics
        seen.route = request.url_rule.rule


def _problem(problem: Problem) -> Response:
    seen = request.environ.get(REQUEST)
    if seen is not None:  # it is counted with the others
        seen.problem = problem.kind.name
    response = Response(
        problem.body(request.environ.get(REQUEST_ID, "")), status=problem.status, content_type=CONTENT_TYPE
    )
    response.headers.extend(problem.headers)
    return response


def _store_unavailable(error: StoreUnavailable) -> Response:
    log.error("store unavailable in %s: %s", request.path, error)
    return _problem(retry_later("store-unavailable", "The store cannot be reached at the moment.", 5))


def _http_exception(error: HTTPException) -> Response:
    if error.code is None:
        return _fault(error)
    kept = tuple((name, value) for name, value in error.get_headers() if name.lower() != "content-type")
    detail = _DETAILS.get(error.code) or error.description or ""
    return _problem(from_status(error.code, detail, kept))


def _fault(_error: Exception) -> Response:
    log.exception("fault in %s %s", request.method, request.path)
    return _problem(Problem("internal-error", "The request could not be answered."))
