"""What type checkers see of errors. Importing it runs nothing."""

from __future__ import annotations

from typing import assert_type

from bing_images_async import Attempt, ImageSearchSession
from bing_images_async.errors import (
    ApiError,
    BingImagesError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidRequestError,
    MalformedResponseError,
    RateLimitedError,
    ResponseTooLargeError,
    ServiceUnavailableError,
    SessionStateError,
    UnexpectedRedirectError,
)


async def handled(session: ImageSearchSession) -> None:
    """Each class with the facts it carries."""
    try:
        await session.search("boat")
    except RateLimitedError as error:
        assert_type(error.retry_after, float | None)
    except ApiError as error:
        assert_type(error.status, int)
        assert_type(error.code, str | None)
        assert_type(error.parameter, str | None)
        assert_type(error.trace_id, str | None)
    except InvalidRequestError as error:
        assert_type(error.parameter, str | None)
    except ConnectionFailedError as error:
        assert_type(error.retryable, bool)
    except DeadlineExceededError as error:
        assert_type(error.waited_for, str | None)
    except ServiceUnavailableError as error:
        assert_type(error.retry_after, float | None)
    except MalformedResponseError as error:
        assert_type(error.path, str)
        assert_type(error.excerpt, str)
    except ResponseTooLargeError as error:
        assert_type(error.limit, int | None)
    except UnexpectedRedirectError as error:
        assert_type(error.location, str | None)
    except BingImagesError as error:
        assert_type(error.attempts, tuple[Attempt, ...])


def bases(deadline: DeadlineExceededError, request: InvalidRequestError, state: SessionStateError) -> None:
    """They are what the standard library's own handlers expect, too."""
    timeout: TimeoutError = deadline
    value: ValueError = request
    runtime: RuntimeError = state
    del timeout, value, runtime
