"""The official SDK. It blocks, so it runs in threads; it keeps one connection for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from azure.cognitiveservices.search.imagesearch import ImageSearchClient
from msrest.authentication import ApiKeyCredentials

from . import HEADERS, IMAGES, Setting, check, query

__all__ = ["official"]


@contextmanager
def official(setting: Setting) -> Iterator[Callable[[int], None]]:
    with ImageSearchClient(setting.url, ApiKeyCredentials(in_headers=HEADERS)) as client:
        if setting.ca is not None:
            client.config.connection.verify = setting.ca

        def fetch(number: int) -> None:
            answer = client.images.search(query(number), count=IMAGES)
            check(len(answer.value))

        yield fetch
