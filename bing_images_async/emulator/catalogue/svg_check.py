"""Check of SVG files before they are rendered: size, depth and references, by an XML parser."""

import re
from xml.etree import ElementTree

import attrs

__all__ = ["SvgDocument", "check_svg"]

_SVG = "{http://www.w3.org/2000/svg}"
_MAX_BYTES = 8 * 2**20
_MAX_DEPTH = 128
"""resvg recurses once per level, and overflows a stack of 8 MiB at about 250 levels."""
_MAX_ELEMENTS = 100_000
_LONGER_SIDE = 1024
"""Pixels of the longer side of an SVG, which has no pixels of its own."""
_MAX_RATIO = 20
_LENGTH = re.compile(r"\s*([\d.]+(?:[eE][-+]?\d+)?)\s*(?:px|pt|pc|mm|cm|in|em|ex)?\s*")
# Raster images within the file. An SVG within the file would need its own check. resvg opens a file for all that is
# no complete data URL: for "data:image/png;a/../b.png", which has no comma, and for "#a/../b.png" of an image.
_EMBEDDED_IMAGE = re.compile(r"data:image/(?:png|jpe?g|gif|webp)(?:;[\w=. +-]+)*,", re.IGNORECASE)
_FRAGMENT = re.compile(r"#[^/\\]*")


@attrs.frozen
class SvgDocument:
    """A checked SVG."""

    markup: str
    """Written from the parsed document, so that the renderer reads exactly what was checked."""
    width: int
    height: int


def check_svg(data: bytes) -> SvgDocument:
    """Parse and check an SVG file.

    Raises:
        ValueError: It is no SVG, is too large or too deeply nested, has no size, or refers to other files.
    """
    if len(data) > _MAX_BYTES:
        raise ValueError(f"the SVG has more than {_MAX_BYTES // 2**20} MiB")
    parser = ElementTree.XMLParser(target=_CheckingBuilder())  # noqa: S314  # expat limits entity expansion
    try:
        parser.feed(data)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, UnicodeError, LookupError) as error:  # LookupError: an unknown encoding
        raise ValueError(f"the SVG is not well-formed: {error}") from None
    if root.tag not in {f"{_SVG}svg", "svg"}:  # resvg accepts it without a namespace, too
        raise ValueError("the root of the file is no <svg> element")
    width, height = _size(root)
    return SvgDocument(ElementTree.tostring(root, encoding="unicode"), width, height)


class _CheckingBuilder(ElementTree.TreeBuilder):
    """Builds the tree, and raises ValueError at the first element that is not allowed."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0
        self._characters = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> ElementTree.Element:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._depth += 1
        self._elements += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"the SVG is nested more than {_MAX_DEPTH} levels deep")
        if self._elements > _MAX_ELEMENTS:
            raise ValueError(f"the SVG has more than {_MAX_ELEMENTS:,} elements")
        for name, value in attrs.items():
            self._count(value)
            if name.rpartition("}")[2] == "href" and tag not in {f"{_SVG}a", "a"}:
                _check_reference(tag, value)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)

    def data(self, data: str, /) -> None:
        self._count(data)
        super().data(data)

    def _count(self, text: str) -> None:
        """Bound the text after the expansion of entities."""
        self._characters += len(text)
        if self._characters > _MAX_BYTES:
            raise ValueError(f"the text of the SVG has more than {_MAX_BYTES // 2**20} MiB")


def _check_reference(tag: str, value: str) -> None:
    name, target = tag.rpartition("}")[2], value.strip(" \t\r\n")
    is_within = _EMBEDDED_IMAGE.match(target) or (name != "image" and _FRAGMENT.fullmatch(target))
    if target and not is_within:
        raise ValueError(f"<{name}> of the SVG refers to another file")


def _size(root: ElementTree.Element) -> tuple[int, int]:
    box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
    try:
        sides = (float(box[2]), float(box[3])) if len(box) == 4 else (_length(root, "width"), _length(root, "height"))
    except ValueError:
        sides = (0.0, 0.0)
    width, height = sides
    if not 0 < min(sides) <= max(sides) < float("inf"):
        raise ValueError("the SVG has no size")
    if max(sides) > _MAX_RATIO * min(sides):
        raise ValueError(f"one side of the SVG is more than {_MAX_RATIO} times the other")
    scale = _LONGER_SIDE / max(sides)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _length(root: ElementTree.Element, name: str) -> float:
    found = _LENGTH.fullmatch(root.get(name, ""))
    return float(found[1]) if found else 0.0
