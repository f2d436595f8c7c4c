"""A contact sheet: one HTML file with the pictures in it, that loads nothing and runs nothing.

All texts are escaped, links lead to http(s) only, and a Content-Security-Policy in the page forbids
whatever might have slipped through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from attrs import frozen

from .image_card import Card
from .sanitize import visible

__all__ = ["Sheet", "render_page", "render_section", "render_sheet"]


@frozen(kw_only=True)
class Sheet:
    """What is on it."""

    title: str
    subtitle: str
    sections: Sequence[tuple[str, Sequence[Card]]]
    """Heading ("" for none) and pictures."""
    credits: str
    """Attribution of all the pictures, "" for none."""


def render_sheet(sheet: Sheet, pictures: Mapping[str, str]) -> str:
    """The HTML document. `pictures` maps thumbnail addresses to `data:` URLs; for others a placeholder is shown."""
    filled = [(heading, cards) for heading, cards in sheet.sections if cards]
    unlicensed = "" if sheet.credits else "licence not stated"
    sections = [render_section(heading, cards, pictures, unlicensed) for heading, cards in filled]
    main = "".join(sections) or "<p>Nothing found.</p>\n"
    note = sheet.credits or "The pages they are from say who made the images and what may be done with them."
    return render_page(sheet.title, sheet.subtitle, main, note)


def render_page(title: str, subtitle: str, main: str, note: str, *, style: str = "") -> str:
    """A document that loads nothing and runs nothing, around `main`, which is HTML; the texts are escaped here."""
    return _PAGE.format(
        title=escape(visible(title)),
        subtitle=escape(visible(subtitle)),
        style=_STYLE + style,
        main=main,
        note=escape(visible(note)),
    )


def render_section(heading: str, cards: Sequence[Card], pictures: Mapping[str, str], unlicensed: str) -> str:
    """Pictures in a grid, under a heading if there is one; `unlicensed` stands where a licence is not known."""
    title = f"<h2>{escape(visible(heading))}</h2>\n" if heading else ""
    figures = "\n".join(_figure(card, pictures.get(card.thumbnail, ""), unlicensed) for card in cards)
    return f'<section>\n{title}<div class="grid">\n{figures}\n</div>\n</section>\n'


def _figure(card: Card, picture: str, unlicensed: str) -> str:
    name = escape(card.name or "Untitled")
    shown = f'<img src="{picture}" alt="{name}">' if picture else '<span class="missing">no preview</span>'
    accent = f' style="--accent:#{card.accent}"' if card.accent else ""
    weight = card.weight.replace(" ", "\N{NO-BREAK SPACE}")
    facts = escape(" · ".join(filter(None, (card.size, card.format.upper(), weight))))
    rights = f'<span class="license">{escape(card.license)}</span>' if card.license else unlicensed
    lines = (
        (' class="name" dir="auto"', _link(card.page, name)),
        ("", facts),
        (' class="source"', _link(card.page, escape(card.source)) if card.source else ""),
        (' class="rights"', rights),
    )
    caption = "".join(f"<p{attributes}>{content}</p>" for attributes, content in lines if content)
    frame = _link(card.link, shown, f' class="frame"{accent}')
    return f"<figure>{frame}<figcaption>{caption}</figcaption></figure>"


def _link(url: str, content: str, attributes: str = "") -> str:
    """A link; a plain element where there is no address (cards hold http(s) addresses only)."""
    if url:
        return f'<a href="{escape(url)}" rel="noopener noreferrer"{attributes}>{content}</a>'
    return f"<span{attributes}>{content}</span>"


_STYLE = """
:root { color-scheme: light dark; --page: #f4f4f2; --card: #fff; --text: #1d1d1f; --soft: #66666b; --line: #dededa;
  --link: #0b57d0; --tint: #fff; --chip: #e8efe6; --chip-text: #24512a }
@media (prefers-color-scheme: dark) { :root { --page: #161618; --card: #212124; --text: #ececee; --soft: #a2a2a8;
  --line: #34343a; --link: #9cc2ff; --tint: #e4e4e2; --chip: #24362a; --chip-text: #a9dcb3 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.45 system-ui, "Segoe UI", sans-serif }
header, main, footer { max-width: 100rem; margin: 0 auto; padding: 0 clamp(1rem, 3vw, 3rem) }
header { padding-top: 2.2rem }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em; overflow-wrap: anywhere }
h2 { margin: 2.2rem 0 0; font-size: 1.15rem; overflow-wrap: anywhere }
header p, footer { color: var(--soft) }
header p { margin: .3rem 0 0 }
footer { padding-top: 2rem; padding-bottom: 2.5rem; font-size: .85rem }
a { color: inherit; text-decoration: none }
a:hover, a:focus-visible { color: var(--link); text-decoration: underline }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(12.2rem, 1fr)); gap: 1.1rem; margin-top: 1.2rem }
figure { display: flex; flex-direction: column; margin: 0; overflow: hidden; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; break-inside: avoid }
.frame { position: relative; display: grid; place-items: center; aspect-ratio: 1; background: var(--tint);
  background: color-mix(in srgb, var(--accent, #999) 9%, var(--tint)) }
.frame img { position: absolute; inset: 7%; width: 86%; height: 86%; object-fit: contain }
.missing { color: #66666b; font-size: .8rem }
figcaption { display: flex; flex-direction: column; flex: 1; padding: .7rem .85rem .85rem;
  border-top: 1px solid var(--line); font-size: .78rem; color: var(--soft) }
figcaption p { margin: 0; overflow-wrap: anywhere }
.name { margin-bottom: .25rem; color: var(--text); font-size: .95rem; font-weight: 600; line-height: 1.3;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden }
.source { white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.rights { margin-top: auto; padding-top: .55rem }
.license { display: inline-block; padding: .05rem .5rem; border-radius: 99px; background: var(--chip);
  color: var(--chip-text); font-weight: 600 }
@media print { body { background: #fff } .grid { grid-template-columns: repeat(4, 1fr) } }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="bing-images-async">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1 dir="auto">{title}</h1>
<p>{subtitle}</p>
</header>
<main>
{main}</main>
<footer><p>{note}</p></footer>
</body>
</html>
"""
