"""The URLs in answers. All lie below the base URL of the request, and all of them resolve."""

from functools import lru_cache
from urllib.parse import quote, quote_plus

import attrs
from starlette.requests import Request

from ..catalogue.picture import Picture
from .tokens import lengthen, shorten, similarity_id

_EXTENSIONS = {"jpeg": "jpg"}


def base_url(request: Request) -> str:
    """Return scheme, host and mount point of a request: the base of all URLs in its answer."""
    scope = request.scope
    host = request.headers.get("host", "local.bing-images")
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}"


@attrs.frozen
class Links:
    """Builder of URLs. `base`: scheme, host and mount point, without final slash. `ui_language`: value of `setLang`."""

    base: str
    market: str
    ui_language: str = "en"

    @property
    def host(self) -> str:
        """The base without scheme, as in display URLs."""
        return self.base.partition("://")[2]

    def thumbnail(self, picture: Picture, kind: str = "OIP") -> str:
        """Return the URL of a thumbnail. `kind` is the prefix of its id: OIP in search and details, OET in trending."""
        return f"{self.base}/th?id={kind}.{shorten(picture.image_id)}&pid=Api"

    def favicon(self, picture: Picture) -> str:
        return f"{self.base}/th?id=ODF.{shorten(picture.image_id)}&pid=Api"

    def query_thumbnail(self, text: str) -> str:
        """Return the URL of the thumbnail of a query's first result."""
        return f"{self.base}/th?q={_quoted(text)}&pid=Api&mkt={self.market}&adlt=moderate&t=1"

    def content(self, picture: Picture, folder: str = "content") -> str:
        """Return the URL of the original file. `folder` "cdn" is a second URL of it."""
        extension = _EXTENSIONS.get(picture.encoding_format, picture.encoding_format)
        return f"{self.base}/{folder}/{shorten(picture.image_id)}/{quote(picture.slug)}.{extension}"

    def page(self, picture: Picture, **fragment: int) -> str:
        """Return the URL of the page of a picture; `fragment` names a place in it, such as an offer."""
        place = "".join(f"#{name}-{number}" for name, number in fragment.items())
        return f"{self.base}/page/{shorten(picture.image_id)}/{quote(picture.slug)}{place}"

    def collection(self, subject: str, first: Picture | None = None) -> str:
        """Return the URL of the gallery of a category or tag, with `first` at the beginning."""
        start = "" if first is None else f"?id={first.image_id}"
        return f"{self.base}/collection/{quote(subject, safe='')}{start}"

    def web_search(self, text: str, form: str = "OIIARP") -> str:
        """Return the URL of the result page of a search."""
        return f"{self.base}/web/images/search?q={_quoted(text)}&FORM={form}&{self._market_and_language}"

    def web_image(self, text: str, picture: Picture) -> str:
        """Return the URL of the result page of a search, with one picture selected."""
        return (
            f"{self.base}/web/images/search?view=detailv2&FORM=OIIRPO&q={_quoted(text)}&id={picture.image_id}"
            f"&simid={similarity_id(picture.image_id, text)}&{self._market_and_language}"
        )

    def api_search(self, text: str) -> str:
        """Return a `searchLink`. Real answers use the path `/api/v7` for it."""
        return f"{self.base}/api/v7/images/search?q={_quoted(text)}"

    def image_id_of(self, url: str) -> str | None:
        """Return the image id in a content or thumbnail URL of this service, None for other URLs."""
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
    def _market_and_language(self) -> str:
        """Market and language parameters. Neither needs quoting: both are validated."""
        language = "" if self.ui_language == "en" else f"&setlang={self.ui_language}"
        return f"mkt={self.market}{language}"


@lru_cache(1024)
def _quoted(text: str) -> str:
    """Quote a query. Cached, because every image of a page contains the same query."""
    return quote_plus(text)
