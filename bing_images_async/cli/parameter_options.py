"""Options of the commands, read off the fields of the parameter classes so that the two cannot differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import attrs
import click

from ..errors import BingImagesError
from ..models import NormalizedRectangle
from ..params import CommonParams, DetailsParams, Location, Module, SearchParams

__all__ = ["Command", "HELP", "NO_OPTIONS", "Option", "given", "in_options", "option_name", "params_options"]

F = TypeVar("F", bound=Callable[..., Any])

NO_OPTIONS = frozenset({"accept"})
"""Fields without an option: the formats of the command line read the API's ordinary JSON."""

HELP = {
    "market": "Whose results, as language and country.  [en-US, de-DE, ja-JP, …]",
    "country_code": "Two-letter country; needs --accept-language.",
    "set_lang": "Language of labels.",
    "safe_search": "How much adult content is filtered out.",
    "accept_language": "The user's languages, best first.  [de, en;q=0.8]",
    "user_agent": "The end user's browser.",
    "client_id": "Client id of an earlier answer, for the same user.",
    "client_ip": "The end user's IP address.",
    "location": "Where the user is: degrees, degrees, accuracy in metres.",
    "no_cache": "Ask the service to pass over its cache.",
    "bing_apis_sdk": "Say that an SDK is calling.",
    "count": "Images per page, 1 to 150.",
    "offset": "Images to skip.",
    "image_id": "Image id of an earlier answer; comes first in a search.",
    "aspect": "Shape.",
    "color": "Dominant colour, or whether there is any.",
    "freshness": "Found within this time.",
    "image_content": "A face, or head and shoulders.",
    "image_type": "Kind of image.",
    "license": "What you may do with it.",
    "size": "Small: below 200×200 pixels; large: a side of 500 or more.",
    "width": "Exactly this wide, in pixels.",
    "min_width": "At least this wide.",
    "max_width": "At most this wide.",
    "height": "Exactly this high, in pixels.",
    "min_height": "At least this high.",
    "max_height": "At most this high.",
    "min_file_size": "At least this large, in bytes.",
    "max_file_size": "At most this large, in bytes.",
    "insights_token": "The image by the token (imageInsightsToken) of a search.",
    "image_url": "The image by its address; the service fetches it.",
    "image": "The image in a file of 1 MB at most, - for stdin.",
    "query": "The query that found the image.",
    "modules": f"What to find out, with commas: {', '.join(Module)}.  [default: All]",
    "crop": "Look at this region: left, top, right, bottom, from 0 to 1.",
    "crop_type": "Shape of that region.",
}

_PAGES = ("count", "offset")
_SHARED = frozenset(field.name for field in attrs.fields(CommonParams))


class Option(click.Option):
    """An option that stands under a heading in the help."""

    def __init__(self, *names: Any, section: str = "Other", **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.section = section


class Command(click.Command):
    """A command whose help shows its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, one section per heading, in the order in which they were declared."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(parameter.section if isinstance(parameter, Option) else "Other", []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _numbers(make: Callable[..., Any], words: str) -> dict[str, Any]:
    """Settings of an option that takes as many numbers as there are `words`, with commas between them."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        if value is None:
            return None
        try:
            numbers = [float(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != words.count(",") + 1:
            raise click.BadParameter(f"{value!r} is not {words}, in numbers.", ctx, param)
        return make(*numbers)

    return {"callback": read, "metavar": words}


def _rectangle(left: float, top: float, right: float, bottom: float) -> NormalizedRectangle:
    return NormalizedRectangle(left=left, top=top, right=right, bottom=bottom)


_OWN_TYPES: Mapping[str, dict[str, Any]] = {
    "location": _numbers(Location, "LAT,LONG,METRES"),
    "crop": _numbers(_rectangle, "L,T,R,B"),
    "image": {"type": click.Path(path_type=Path, dir_okay=False), "metavar": "FILE"},
    "modules": {"metavar": "NAME,…", "default": None},
}
"""Fields whose type does not say how to write them on a command line."""


def option_name(field: str) -> str:
    """`min_width` → `--min-width`."""
    return f"--{field.replace('_', '-')}"


def params_options(kind: type[CommonParams]) -> Callable[[F], F]:
    """A decorator that adds an option for every field of a parameter class: its own first, shared ones last."""
    chosen = [field for field in attrs.fields(kind) if _has_option(kind, field.name)]
    fields = sorted(chosen, key=lambda field: field.name in _SHARED)
    hints = get_type_hints(kind)

    def decorate(command: F) -> F:
        for field in reversed(fields):
            command = _option(field, hints[field.name])(command)
        return command

    return decorate


def _has_option(kind: type[CommonParams], name: str) -> bool:
    is_argument = kind is SearchParams and name == "query"
    return name not in NO_OPTIONS and not is_argument


def _option(field: attrs.Attribute[Any], hint: Any) -> Callable[[F], F]:
    settings = _OWN_TYPES.get(field.name) or _settings(hint)
    section = "Who is asking" if field.name in _SHARED else "Pages" if field.name in _PAGES else "What to find"
    return click.option(option_name(field.name), cls=Option, section=section, help=HELP[field.name], **settings)


def _settings(hint: Any) -> dict[str, Any]:
    kinds = [kind for kind in get_args(hint) if isinstance(kind, type)]
    words = next((kind for kind in kinds if issubclass(kind, StrEnum)), None)
    if words is not None:
        return {"type": click.Choice([word.value for word in words], case_sensitive=False)}
    if bool in kinds:
        return {"is_flag": True}
    return {"type": int, "metavar": "N"} if int in kinds else {"metavar": "TEXT"}


def given(kind: type[CommonParams], options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that are fields of `kind` and were given."""
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


def in_options(error: BingImagesError) -> str:
    """The message of an error, with parameters named as the user would write them."""
    message = _NAME.sub(lambda match: _AS_TYPED[match[0]], str(error))
    return message.replace("ImageSearchSession.local()", "the local catalogue (unset BING_IMAGES_URL)")
