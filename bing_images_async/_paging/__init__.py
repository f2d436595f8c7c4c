"""One query, many pages: the walk, and the page that is fetched ahead of it."""

from .pager import LARGEST_PAGE, Dedupe, ImagePager, Pages, StopReason

__all__ = ["Dedupe", "ImagePager", "LARGEST_PAGE", "Pages", "StopReason"]
