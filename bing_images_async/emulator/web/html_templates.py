"""The HTML templates of the web pages, rendered by Jinja2 with automatic HTML escaping."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["render"]


def render(template: str, **values: Any) -> str:
    """Return the HTML of a file in `templates`. All values are escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__name__.rpartition(".")[0]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["web_url"] = _is_web_url
    return environment


def _is_web_url(value: str) -> bool:
    """Only http(s) URLs become links: escaping does not make a `javascript:` URL harmless."""
    return value.startswith(("http://", "https://"))
