"""Options for the parameters of a call, generated from the parameter classes so that the two cannot differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import attrs
import click
from cloup import option, option_group

from ..errors import BingImagesError
from ..models import NormalizedRectangle
from ..params import CommonParams, DetailsParams, Location, Module, SearchParams

__all__ = ["HELP", "NO_OPTIONS", "as_options", "option_name", "params_options", "selected"]

F = TypeVar("F", bound=Callable[..., Any])

NO_OPTIONS = frozenset({"accept"})
"""Fields without an option: the output formats need the API's ordinary JSON."""

HELP = {
    "market": "Market: language and country of the results.  [en-US, de-DE, ja-JP, …]",
    "country_code": "Two-letter country; needs --accept-language.",
    "set_lang": "Language of labels.",
    "safe_search": "Filter for adult content.",
    "accept_language": "Preferred languages of the user.  [de, en;q=0.8]",
    "user_agent": "User agent of the end user's browser.",
    "client_id": "Client id of an earlier answer, for the same user.",
    "client_ip": "The end user's IP address.",
    "location": "Location of the user: degrees, degrees, accuracy in metres.",
    "no_cache": "Ask the service for an answer that is not from its cache.",
    "bing_apis_sdk": "Send the header X-BingApis-SDK.",
    "count": "Images per page, 1 to 150.",
    "offset": "Images to skip.",
    "image_id": "Image id of an earlier answer, which comes first in a search.",
    "aspect": "Aspect ratio.",
    "color": "Dominant colour, or colour only, or monochrome.",
    "freshness": "Age of the image in the index.",
    "image_content": "Face only, or head and shoulders.",
    "image_type": "Kind of image.",
    "license": "Licence.",
    "size": "Small: below 200×200 pixels; large: a side of 500 or more.",
    "width": "Exact width, in pixels.",
    "min_width": "Minimum width.",
    "max_width": "Maximum width.",
    "height": "Exact height, in pixels.",
    "min_height": "Minimum height.",
    "max_height": "Maximum height.",
    "min_file_size": "Minimum file size, in bytes.",
    "max_file_size": "Maximum file size, in bytes.",
    "insights_token": "Token (imageInsightsToken) of an image from a search.",
    "image_url": "URL of the image; the service must know it or fetch it.",
    "image": "File with the image, at most 1 MB; - for stdin.",
    "query": "The query that found the image.",
    "modules": f"Modules, separated by commas: {', '.join(Module)}.  [default: All]",
    "crop": "Region of the image: left, top, right, bottom, from 0 to 1.",
    "crop_type": "Shape of the region.",
}

_PAGES = frozenset({"count", "offset"})
_SHARED = frozenset(field.name for field in attrs.fields(CommonParams))


def _numbers(make: Callable[..., Any], form: str) -> dict[str, Any]:
    """Return the settings of an option that takes numbers separated by commas, in the given `form`."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        if value is None:
            return None
        try:
            numbers = [float(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != form.count(",") + 1:
            raise click.BadParameter(f"{value!r} does not have the form {form}, in numbers.", ctx, param)
        return make(*numbers)

    return {"callback": read, "metavar": form}


def _rectangle(left: float, top: float, right: float, bottom: float) -> NormalizedRectangle:
    return NormalizedRectangle(left=left, top=top, right=right, bottom=bottom)


_OWN_TYPES: Mapping[str, dict[str, Any]] = {
    "location": _numbers(Location, "LAT,LONG,METRES"),
    "crop": _numbers(_rectangle, "L,T,R,B"),
    "image": {"type": click.Path(path_type=Path, dir_okay=False), "metavar": "FILE"},
    "modules": {"metavar": "NAME,…", "default": None},
}
"""Settings of options whose field type does not determine the form on a command line."""


def option_name(field: str) -> str:
    """Return `--min-width` for `min_width`."""
    return f"--{field.replace('_', '-')}"


def params_options(kind: type[CommonParams], *pages: Any) -> Callable[[F], F]:
    """Return a decorator that adds an option for every field of a parameter class, and the options `pages`."""
    hints = get_type_hints(kind)
    groups: dict[str, list[Any]] = {"What to find": [], "Pages": [*pages], "Who is asking": []}
    for field in attrs.fields(kind):
        name = field.name
        if name in NO_OPTIONS or (kind is SearchParams and name == "query"):
            continue
        title = "Who is asking" if name in _SHARED else "Pages" if name in _PAGES else "What to find"
        settings = _OWN_TYPES.get(name) or _settings(hints[name])
        groups[title].append(option(option_name(name), help=HELP[name], **settings))

    def decorate(command: F) -> F:
        for title, options in reversed(groups.items()):
            command = option_group(title, *options)(command) if options else command
        return command

    return decorate


def _settings(hint: Any) -> dict[str, Any]:
    """Return the settings of an option for a field of this type."""
    kinds = [kind for kind in get_args(hint) if isinstance(kind, type)]
    words = next((kind for kind in kinds if issubclass(kind, StrEnum)), None)
    if words is not None:
        return {"type": click.Choice([word.value for word in words], case_sensitive=False)}
    if bool in kinds:
        return {"is_flag": True}
    return {"type": int, "metavar": "N"} if int in kinds else {"metavar": "TEXT"}


def selected(kind: type[CommonParams], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are fields of `kind` and were used."""
    names = {field.name for field in attrs.fields(kind)}
    return {
        name: value for name, value in options.items() if name in names and value is not None and value is not False
    }


_FIELDS = {field.name for kind in (SearchParams, DetailsParams) for field in attrs.fields(kind)} - {"query"}
_AS_TYPED = {name: option_name(name) for name in _FIELDS} | {
    "api_key": "BING_IMAGES_KEY",
    "base_url": "BING_IMAGES_URL",
}
# A bare word such as `image` is a name only where a value follows.
_NAME = re.compile(rf"(?<![\w-])(?:{'|'.join(_AS_TYPED)})(?==)|\b(?:{'|'.join(n for n in _AS_TYPED if '_' in n)})\b")


_ADVICE = {
    "ImageSearchSession.local()": "the local catalogue (unset BING_IMAGES_URL)",
    "proxy= or HTTPS_PROXY": "HTTPS_PROXY",
    " For SOCKS, lend a client: client=httpx.AsyncClient(proxy=…).": "",
    'pass verify="ca.pem", or trust_env=True to use SSL_CERT_FILE': "set SSL_CERT_FILE to a file with its certificate",
}
"""Advice of the library for Python, and the same for the command line."""


def as_options(error: BingImagesError) -> str:
    """Return the message of an error, with the names of options in place of parameters."""
    message = _NAME.sub(lambda match: _AS_TYPED[match[0]], str(error))
    for advice, command in _ADVICE.items():
        message = message.replace(advice, command)
    return message
