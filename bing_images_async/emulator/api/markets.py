"""Markets, and how the service settles on one."""

MARKETS = (
    "en-US", "es-AR", "en-AU", "de-AT", "nl-BE", "fr-BE", "pt-BR", "en-CA", "fr-CA", "es-CL", "da-DK",
    "fi-FI", "fr-FR", "de-DE", "zh-HK", "en-IN", "en-ID", "it-IT", "ja-JP", "ko-KR", "en-MY", "es-MX",
    "nl-NL", "en-NZ", "no-NO", "zh-CN", "pl-PL", "en-PH", "ru-RU", "en-ZA", "es-ES", "sv-SE", "fr-CH",
    "de-CH", "zh-TW", "tr-TR", "en-GB", "es-US",
)  # fmt: skip
"""What the API's documentation lists for image search, its default first."""

TRENDING_MARKETS = ("en-US", "en-GB", "en-AU", "en-CA", "en-IN", "zh-CN")
"""Where trending images are to be had; everywhere else they are an error."""

COUNTRIES = frozenset({
    "AR", "AT", "AU", "BE", "BR", "CA", "CH", "CL", "CN", "DE", "DK", "ES", "FI", "FR", "GB", "HK", "ID",
    "IN", "IT", "JP", "KR", "MX", "MY", "NL", "NO", "NZ", "PH", "PL", "PT", "RU", "SA", "SE", "TR", "TW",
    "US", "ZA",
})  # fmt: skip
"""What `cc` may be."""

_BY_LOWER_CASE = {market.lower(): market for market in MARKETS}


def language_of(market: str) -> str:
    """The language that names are shown in: `zh` for `zh-HK`."""
    return market.partition("-")[0].lower()


def accepted_languages(header: str) -> list[str]:
    """The language tags of an `Accept-Language` header, most wanted first (RFC 9110, 12.5.4)."""
    ranked: list[tuple[float, str]] = []
    for item in header.split(","):
        tag, _, weight = item.partition(";")
        try:
            quality = float(weight.partition("=")[2]) if weight else 1.0
        except ValueError:
            quality = 0.0
        if tag.strip() and quality > 0:
            ranked.append((quality, tag.strip()))
    return [tag for _, tag in sorted(ranked, key=lambda entry: -entry[0])]


def best_fit(tag: str) -> str:
    """The market itself, else the first of its language, else of its country, else en-US.

    The API maps what it does not know in the same spirit and says what it chose in `BingAPIs-Market`.
    """
    listed = _BY_LOWER_CASE.get(tag.lower())
    if listed is not None:
        return listed
    language, country = language_of(tag), tag.partition("-")[2].rpartition("-")[2].upper()
    same_language = (market for market in MARKETS if language_of(market) == language)
    same_country = (market for market in MARKETS if country and market.endswith(f"-{country}"))
    return next(same_language, None) or next(same_country, None) or MARKETS[0]


def in_country(country: str, tags: list[str]) -> str:
    """The market of a country in the first wanted language that is spoken there, else its main one."""
    there = [market for market in MARKETS if market.endswith(f"-{country}")]
    for tag in tags:
        for market in there:
            if language_of(market) == language_of(tag):
                return market
    return there[0] if there else best_fit(tags[0])
