"""Names and keywords of a user's picture: from its path, its metadata (EXIF, IPTC, PNG text) and sidecar files."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

import attrs
from PIL import Image, ImageFile, IptcImagePlugin

from .emoji_names import LANGUAGES
from .regular_files import read_text
from .tokenizer import words

# EXIF tags: ImageDescription, then Windows' title, comment, keywords and subject (UTF-16).
_DESCRIPTION, _XP_TAGS = 0x010E, (0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F)
_ARTIST = 0x013B
# IPTC-IIM datasets: object name, keywords, caption.
_IPTC = ((2, 5), (2, 25), (2, 120))
_PNG_TEXTS = ("Title", "EmojiDescription", "Keywords", "Subject")
_MAX_TEXT = 4_000
_MAX_SIDECAR = 64 * 2**10
_MAX_KEYWORDS = 60


@attrs.frozen
class PictureCaption:
    """Names, keywords and licence of one picture."""

    names: Mapping[str, str]
    keywords: tuple[str, ...]
    category: str
    license: str
    attribution: str


def caption_of(root: Path, relative: str, image: Image.Image | None, sidecars: Sequence[Path]) -> PictureCaption:
    """Collect names, keywords and licence of a picture.

    A JSON sidecar may have `name` (text, or language code to text), `keywords` (list or text), `license`
    (a value of the API's `creativeCommons`) and `attribution`. A text sidecar has keywords.
    """
    parts = PurePosixPath(relative)
    folders = [_plain(name) for name in parts.parts[:-1]]
    names = {"en": _plain(parts.stem) or "Picture"}
    inside = _metadata(image) if image is not None else []
    beside: list[str] = []
    notes: dict[str, Any] = {}
    for file in sidecars:
        text = unicodedata.normalize("NFC", read_text(root, file, _MAX_SIDECAR))
        if file.suffix.casefold() == ".json":
            notes |= _json_object(text)
        else:
            beside.append(text[:_MAX_TEXT])
    names |= _names(notes.get("name"))
    keywords = [*_texts(notes.get("keywords")), *inside, *beside, *folders]
    return PictureCaption(
        names=names,
        keywords=tuple(dict.fromkeys(_split(keywords)))[:_MAX_KEYWORDS],
        category=(folders[-1].lower() if folders else "") or "pictures",
        license=_text(notes.get("license")),
        attribution=_text(notes.get("attribution")) or _artist(image),
    )


def _plain(name: str) -> str:
    """Split a file name into words: `IMG_paper-boatRed` becomes `IMG paper boat Red`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", " ".join(words(name)))


def _names(given: object) -> dict[str, str]:
    if isinstance(given, str) and given.strip():
        return {"en": given.strip()}
    if isinstance(given, dict):
        pairs = cast("dict[str, object]", given).items()
        return {
            code: text.strip() for code, text in pairs if code in LANGUAGES and isinstance(text, str) and text.strip()
        }
    return {}


def _texts(given: object) -> list[str]:
    if isinstance(given, list):
        return [text for text in cast("list[object]", given) if isinstance(text, str)]
    return [given] if isinstance(given, str) else []


def _text(given: object) -> str:
    return given.strip() if isinstance(given, str) else ""


def _json_object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


def _metadata(image: Image.Image) -> list[str]:
    """Return the texts in the metadata up to the first part that is damaged."""
    found: list[str] = []
    try:
        for text in _metadata_texts(image):
            found.append(unicodedata.normalize("NFC", text))  # noqa: PERF401  # what was read before an error remains
    except Exception:  # noqa: BLE001  # Pillow raises errors of nearly any class on damaged metadata
        return found
    return found


def _metadata_texts(image: Image.Image) -> Iterator[str]:
    exif = image.getexif()
    description = exif.get(_DESCRIPTION)
    if isinstance(description, str):
        yield description
    for tag in _XP_TAGS:
        value = exif.get(tag)
        if isinstance(value, bytes):
            yield value.decode("utf-16-le", "ignore").rstrip("\0")
    iptc = IptcImagePlugin.getiptcinfo(image) or {} if isinstance(image, ImageFile.ImageFile) else {}
    for key in _IPTC:
        values = iptc.get(key) or []
        for value in values if isinstance(values, list) else [values]:
            yield value.decode("utf-8", "replace")
    for name in _PNG_TEXTS:
        text = image.info.get(name)
        if isinstance(text, str):
            yield text


def _artist(image: Image.Image | None) -> str:
    return _text(image.getexif().get(_ARTIST)) if image is not None else ""


def _split(texts: Iterable[str]) -> Iterator[str]:
    """Yield keywords: texts are split at commas, semicolons and line ends."""
    for text in texts:
        for piece in re.split(r"[,;\n\r]+", text[:_MAX_TEXT]):
            word = " ".join(piece.replace("\0", " ").split())
            if word:
                yield word
