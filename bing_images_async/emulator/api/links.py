"""Every URL in an answer. All lie under the address that the request came to, and all of them resolve."""

from functools import lru_cache
from urllib.parse import quote, quote_plus

import attrs

from ..catalogue.picture import Picture
from .tokens import lengthen, shorten, similarity_id

_EXTENSIONS = {"jpeg": "jpg"}


@attrs.frozen
class Links:
    """`base`: scheme, host and mount point, no final slash. `ui_language`: what `setLang` asked for."""

    base: str
    market: str
    ui_language: str = "en"

    @property
    def host(self) -> str:
        """The base without its scheme, as in display URLs."""
        return self.base.partition("://")[2]

    def thumbnail(self, picture: Picture, kind: str = "OIP") -> str:
        """`kind` is the prefix of the id: OIP in search and details, OET in trending."""
        return f"{self.base}/th?id={kind}.{shorten(picture.image_id)}&pid=Api"

    def favicon(self, picture: Picture) -> str:
        return f"{self.base}/th?id=ODF.{shorten(picture.image_id)}&pid=Api"

    def query_thumbnail(self, text: str) -> str:
        """A picture that a query would find, for queries shown as tiles."""
        return f"{self.base}/th?q={_quoted(text)}&pid=Api&mkt={self.market}&adlt=moderate&t=1"

    def content(self, picture: Picture, folder: str = "content") -> str:
        """The original. `folder` "cdn" is a second address of it."""
        extension = _EXTENSIONS.get(picture.encoding_format, picture.encoding_format)
        return f"{self.base}/{folder}/{shorten(picture.image_id)}/{quote(picture.slug)}.{extension}"

    def page(self, picture: Picture, **fragment: int) -> str:
        """The page that holds the picture; `fragment` names a place in it, such as an offer."""
        place = "".join(f"#{name}-{number}" for name, number in fragment.items())
        return f"{self.base}/page/{shorten(picture.image_id)}/{quote(picture.slug)}{place}"

    def collection(self, subject: str, first: Picture | None = None) -> str:
        """A gallery page of a category or tag, beginning with `first`."""
        start = "" if first is None else f"?id={first.image_id}"
        return f"{self.base}/collection/{quote(subject, safe='')}{start}"

    def web_search(self, text: str, form: str = "OIIARP") -> str:
        """The page a browser would show for a search."""
        return f"{self.base}/web/images/search?q={_quoted(text)}&FORM={form}&{self._reader}"

    def web_image(self, text: str, picture: Picture) -> str:
        """The page a browser would show for one picture of a search."""
        return (
            f"{self.base}/web/images/search?view=detailv2&FORM=OIIRPO&q={_quoted(text)}&id={picture.image_id}"
            f"&simid={similarity_id(picture.image_id, text)}&{self._reader}"
        )

    def api_search(self, text: str) -> str:
        """`searchLink`: a path of its own (`/api/v7`), not the public one, as in real answers."""
        return f"{self.base}/api/v7/images/search?q={_quoted(text)}"

    def image_id_of(self, url: str) -> str | None:
        """The picture that a content or thumbnail URL of this very service shows, None for any other URL."""
        if not url.startswith(f"{self.base}/"):
            return None
        path, _, query = url[len(self.base) + 1 :].partition("?")
        folder, _, rest = path.partition("/")
        if folder in {"content", "cdn"}:
            return lengthen(rest.partition("/")[0])
        if folder == "th" and query.startswith(("id=OIP.", "id=OET.")):
            return lengthen(query[len("id=OIP.") :].partition("&")[0])
        return None

    @property
    def _reader(self) -> str:
        """For whom a page is meant. Neither part has anything to encode: markets are listed, languages checked."""
        language = "" if self.ui_language == "en" else f"&setlang={self.ui_language}"
        return f"mkt={self.market}{language}"


@lru_cache(1024)
def _quoted(text: str) -> str:
    """Quoting costs more than all else in an image, and every image of a page has the same query in it."""
    return quote_plus(text)
