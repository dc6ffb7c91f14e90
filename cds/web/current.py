"""What Flask's ``request`` and ``g`` stand for in this thread."""

from __future__ import annotations

from typing import TypeVar, cast

from werkzeug.local import LocalProxy

_T = TypeVar("_T")


def current(name: _T) -> _T:
    """The object behind one of Flask's names, for a function that uses it more than twice."""
    return cast("LocalProxy[_T]", name)._get_current_object()
