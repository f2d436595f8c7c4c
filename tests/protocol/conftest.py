"""`--hypothesis-profile=full`: 10,000 examples of each property that asks for many."""

from hypothesis import settings

settings.register_profile("full", max_examples=10_000, deadline=None)
