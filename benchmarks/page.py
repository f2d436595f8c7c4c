"""A page of search results as the service sends it: all documented fields, and seven that are not (templates/).

It is made from a seed, so that every run and every candidate reads the same bytes: 55 KB for 35 images.
"""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

_TEMPLATES = {file.stem: file.read_text() for file in Path(__file__).with_name("templates").iterdir()}
_RANDOM = {"#": "0123456789ABCDEF", "~": "0123456789", "@": _TEMPLATES["words"].split()}
"""What stands for these marks of a template: a hexadecimal digit, a digit, a word."""

HEADERS: dict[str, str] = json.loads(_TEMPLATES["headers"])
"""Those that a session reads, and others that are usual."""


def page(images: int = 35, seed: int = 7) -> bytes:
    """Return the JSON of an answer with so many images."""
    random = Random(seed)

    def made(template: str, number: int) -> list[Any]:
        def filled(mark: re.Match[str]) -> str:
            return random.choice(_RANDOM[mark[0]])

        return [json.loads(re.sub("[#~@]", filled, _TEMPLATES[template])) for _ in range(number)]

    answer = {
        **json.loads(_TEMPLATES["answer"]),
        "nextOffset": images + 3,
        "value": made("image", images),
        "queryExpansions": made("query", 4),
        "pivotSuggestions": [{"pivot": word, "suggestions": made("query", 1)} for word in ("paper", "boat")],
        "relatedSearches": made("query", 4),
    }
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
