"""Names of emoji in 14 languages, English keywords and categories.

Names are from the package `emoji`, keywords from `em-keyboard`. Drawings that neither has (OpenMoji's own symbols,
chess pieces, flags of regions) get their Unicode name, else their code point.
"""

import bisect
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from importlib import metadata

import attrs
import emoji

LANGUAGES = ("en", "de", "es", "fr", "it", "pt", "ja", "ko", "zh", "ru", "tr", "ar", "fa", "id")
"""English first; the others in the order of the package `emoji`."""

# Excludes emoticons (":d") and the numbered names of other emoji sets ("cat2").
_KEYWORD = re.compile(r"\w(?!.*[a-z]\d$)")
_JOINERS = dict.fromkeys([0xFE0F, 0xFE0E, 0x200D])
_SKIN_TONES = dict.fromkeys(range(0x1F3FB, 0x1F400))

# `em-keyboard` has its entries in the order of the Unicode emoji list: each category begins at the emoji given here.
# After `_ORDERED_UNTIL` newer emoji follow in any order; `_NEWER` has their categories.
_STARTS = (
    ("😀", "smileys"), ("😺", "animal faces"), ("💋", "hearts"), ("💢", "emotions"),
    ("👋", "hands"), ("👶", "people"), ("💆", "activities"), ("💏", "families"), ("🗣", "people"),
    ("🐵", "animals"), ("💐", "plants"), ("🍇", "food"), ("🍼", "drinks"), ("🥢", "kitchen"),
    ("🌍", "places"), ("🚂", "transport"), ("🧳", "travel"), ("⌛", "time"), ("🌑", "weather"),
    ("🎃", "celebrations"), ("🏆", "sports"), ("🎯", "games"), ("🎭", "arts"), ("👓", "clothing"),
    ("🔇", "music"), ("📱", "electronics"), ("🎥", "film and photo"), ("🔎", "light"),
    ("📔", "office"), ("🔒", "tools"), ("💉", "health"), ("🚪", "household"), ("🏧", "signs"),
    ("♈", "zodiac"), ("🔀", "symbols"), ("🔴", "shapes"), ("🏁", "flags"),
)  # fmt: skip
_NEWER = {
    "smileys": "🥲🥸🫠🫢🫣🫡🫥🫤🥹🫨🫩🫪",
    "hearts": "🩷🩵🩶",
    "emotions": "🫯🫟",
    "hands": "🤌🫱🫲🫳🫴🫰🫵🫶🫷🫸",
    "people": "🥷🫅🫃🫄🧌🫂🫀🫁🫦🫈🫆",
    "animals": "🦬🦣🦫🦤🪶🦭🪲🪳🪰🪱🪸🫎🫏🪽🪿🪼🫍🪹🪺",
    "plants": "🪴🪷🪻🪵🪾",
    "food": "🫐🫒🫑🫓🫔🫕🫘🫚🫛🫜",
    "drinks": "🫖🧋🫗",
    "kitchen": "🫙",
    "places": "🪨🛖🛝🛘",
    "transport": "🛻🛼🛞🛟",
    "celebrations": "🪅🪩",
    "games": "🪄🪆",
    "arts": "🪡🪢",
    "clothing": "🩴🪖🪭🪮",
    "music": "🪗🪘🪇🪈🪉🪊",
    "electronics": "🪫",
    "office": "🪙🪪",
    "tools": "🪃🪚🪛🪝🪜🪏🪎",
    "health": "🩼🩻",
    "household": "🛗🪞🪟🪠🪤🪣🪥🪦🪧🫧",
    "signs": "⚧🪬🪯🛜🟰",
}
_ORDERED_UNTIL = "🏴󠁧󠁢󠁷󠁬󠁳󠁿"


@attrs.frozen
class EmojiDescription:
    """Names, keywords and category of an emoji."""

    names: Mapping[str, str]
    keywords: tuple[str, ...]
    category: str
    aliases: tuple[str, ...]
    """Other English names, as in chat programs."""
    is_variant: bool
    """A skin-tone variant of another picture."""


class EmojiNames:
    """Names of any sequence of code points. Loading the data takes about 0.25 s."""

    def __init__(self) -> None:
        # Loads the other languages into the package's table.
        emoji.config.load_language()
        self._data = {_bare(text): entry for text, entry in emoji.EMOJI_DATA.items()}
        path = metadata.distribution("em-keyboard").locate_file("em/emojis.json")
        with open(str(path), encoding="utf-8") as file:  # noqa: PTH123  (locate_file does not always return a Path)
            keywords: dict[str, list[str]] = json.load(file)
        self._keywords = {
            _bare(text): tuple(word.replace("_", " ") for word in words if _KEYWORD.match(word))
            for text, words in keywords.items()
        }
        self._categories = _categories([_bare(text) for text in keywords])

    def describe(self, text: str) -> EmojiDescription:
        """Return names, keywords and category of an emoji, given as its characters."""
        bare = _bare(text)
        base = bare.translate(_SKIN_TONES)
        names = self._names(bare) or {"en": self._fallback_name(text)}
        return EmojiDescription(
            names=names,
            keywords=self._keywords.get(base, ()),
            category=self._categories.get(base) or self._categories.get(base[:1]) or "symbols",
            aliases=tuple(alias.strip(":").replace("_", " ") for alias in self._data.get(bare, {}).get("alias", ())),
            is_variant=base != bare and bool(base),
        )

    def _names(self, bare: str) -> dict[str, str]:
        entry = self._data.get(bare, {})
        return {language: _display(entry[language], language) for language in LANGUAGES if language in entry}

    def _fallback_name(self, text: str) -> str:
        region = "".join(chr(ord(char) - 0xE0000) for char in text if 0xE0020 <= ord(char) < 0xE007F)
        if region:
            return f"Flag of {region[:2].upper()}-{region[2:].upper()}"
        parts = [self._part_name(char) for char in _bare(text)]
        return _display(", ".join(parts), "en") if parts else "Symbol"

    def _part_name(self, char: str) -> str:
        if known := self._names(char).get("en"):
            return known
        return unicodedata.name(char, "").lower() or f"symbol U+{ord(char):04X}"


def _bare(text: str) -> str:
    """Return the characters without selectors and joiners, which lists use inconsistently."""
    return text.translate(_JOINERS)


def _display(name: str, language: str) -> str:
    words = re.sub(r"\s+", " ", name.strip(":").replace("_", " ")).strip()
    first = "İ" if language == "tr" and words[:1] == "i" else words[:1].upper()
    return first + words[1:]


def _categories(ordered: Sequence[str]) -> dict[str, str]:
    """Return the category of each emoji: by position in the ordered part, by table for newer ones."""
    position = {text: at for at, text in enumerate(ordered)}
    starts = sorted((position[text], category) for text, category in _STARTS if text in position)
    places = [at for at, _ in starts]
    end = position.get(_bare(_ORDERED_UNTIL), len(ordered) - 1)
    found = {char: category for category, chars in _NEWER.items() for char in chars}
    for at, text in enumerate(ordered[: end + 1]):
        found[text] = starts[max(0, bisect.bisect_right(places, at) - 1)][1]
    return found
