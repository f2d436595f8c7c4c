"""Markets, and the choice of the market of an answer."""

MARKETS = (
    "en-US", "es-AR", "en-AU", "de-AT", "nl-BE", "fr-BE", "pt-BR", "en-CA", "fr-CA", "es-CL", "da-DK",
    "fi-FI", "fr-FR", "de-DE", "zh-HK", "en-IN", "en-ID", "it-IT", "ja-JP", "ko-KR", "en-MY", "es-MX",
    "nl-NL", "en-NZ", "no-NO", "zh-CN", "pl-PL", "en-PH", "ru-RU", "en-ZA", "es-ES", "sv-SE", "fr-CH",
    "de-CH", "zh-TW", "tr-TR", "en-GB", "es-US",
)  # fmt: skip
"""The markets of image search in the API's documentation, the default first."""

TRENDING_MARKETS = ("en-US", "en-GB", "en-AU", "en-CA", "en-IN", "zh-CN")
"""The markets with trending images; others are an error."""

COUNTRIES = frozenset({
    "AR", "AT", "AU", "BE", "BR", "CA", "CH", "CL", "CN", "DE", "DK", "ES", "FI", "FR", "GB", "HK", "ID",
    "IN", "IT", "JP", "KR", "MX", "MY", "NL", "NO", "NZ", "PH", "PL", "PT", "RU", "SA", "SE", "TR", "TW",
    "US", "ZA",
})  # fmt: skip
"""The values of `cc`."""

_BY_LOWER_CASE = {market.lower(): market for market in MARKETS}


def language_of(market: str) -> str:
    """Return the language of a market: `zh` for `zh-HK`."""
    return market.partition("-")[0].lower()


def accepted_languages(header: str) -> list[str]:
    """Return the language tags of an `Accept-Language` header, most preferred first (RFC 9110, 12.5.4)."""
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
    """Return the market itself, else the first of its language, else of its country, else en-US.

    The API maps unknown markets in a similar way and returns its choice in `BingAPIs-Market`.
    """
    listed = _BY_LOWER_CASE.get(tag.lower())
    if listed is not None:
        return listed
    language, country = language_of(tag), tag.partition("-")[2].rpartition("-")[2].upper()
    same_language = (market for market in MARKETS if language_of(market) == language)
    same_country = (market for market in MARKETS if country and market.endswith(f"-{country}"))
    return next(same_language, None) or next(same_country, None) or MARKETS[0]


def in_country(country: str, tags: list[str]) -> str:
    """Return the market of a country in the most preferred language that it has, else its first market."""
    there = [market for market in MARKETS if market.endswith(f"-{country}")]
    for tag in tags:
        for market in there:
            if language_of(market) == language_of(tag):
                return market
    return there[0] if there else best_fit(tags[0] if tags else f"en-{country}")
