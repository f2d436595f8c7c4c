"""What the official SDK must be able to do with our service; runs in an environment of its own (see run.py)."""

import sys

from azure.cognitiveservices.search.imagesearch import ImageSearchClient
from azure.cognitiveservices.search.imagesearch.models import ErrorResponseException
from msrest.authentication import CognitiveServicesCredentials


def refusal_of(client):
    try:
        client.images.search(query="")
    except ErrorResponseException as error:
        return error.error.errors[0]
    return None


def main(endpoint: str) -> None:
    client = ImageSearchClient(endpoint=endpoint, credentials=CognitiveServicesCredentials("sdk-test-key"))
    client.config.connection.verify = True

    found = client.images.search(query="bird", count=10, aspect="Square", size="Large", market="en-US")
    assert found.value, "search with filters found nothing"
    assert all(image.width == image.height and image.width >= 500 for image in found.value)
    assert found.total_estimated_matches >= len(found.value)
    print("search:", len(found.value), "of", found.total_estimated_matches, [image.name for image in found.value[:3]])

    first = found.value[0]
    details = client.images.details(query="bird", insights_token=first.image_insights_token, modules=["All"])
    assert details.image_insights_token
    assert details.visually_similar_images.value
    assert details.image_tags.value
    print("details:", details.best_representative_query.text, [tag.name for tag in details.image_tags.value[:5]])

    german = client.images.search(query="bird", country_code="DE", set_lang="EN")  # without Accept-Language
    assert german.value
    print("country_code and set_lang:", [image.name for image in german.value[:3]])

    trending = client.images.trending(market="en-US")
    assert trending.categories
    assert all(tile.query.text for category in trending.categories for tile in category.tiles)
    print("trending:", [category.title for category in trending.categories[:3]])

    fault = refusal_of(client)
    assert fault is not None, "an empty query must be an ErrorResponseException"
    assert fault.parameter == "q", fault.parameter
    print("empty query:", fault.sub_code)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main(sys.argv[1])
