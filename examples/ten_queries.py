"""Ten queries at once, and what each of them found.

BING_IMAGES_URL=local: python examples/ten_queries.py

`BING_IMAGES_KEY` and `BING_IMAGES_URL` name the service; `local:` is the artwork of OpenMoji, on this machine.
"""

import anyio

from bing_images_async import ImageSearchSession

QUERIES = ["apple", "bird", "boat", "cat", "guitar", "house", "moon", "rain", "snail", "tree"]


async def main() -> None:
    """One line for each query, in their order."""
    async with ImageSearchSession.from_env() as session:
        for outcome in await session.search_all(QUERIES, count=3):
            if outcome.error is None:
                print(f"{outcome.query:8}", ", ".join(image.name or "(no name)" for image in outcome.images))
            else:
                print(f"{outcome.query:8}", outcome.error)


if __name__ == "__main__":
    anyio.run(main)
