"""Plugin of pytest (`-p no_fast_decoding`) that makes the optional module of the fast path unimportable."""

import sys

sys.modules["bing_images_async._protocol.fast_decoding"] = None  # type: ignore[assignment]  # import fails on it
