"""Spelling correction: the known word closest to an unknown one."""

from collections.abc import Mapping


def correction(word: str, vocabulary: Mapping[str, int]) -> str | None:
    """Return the closest word of `vocabulary` (word to frequency), or None if none is close enough.

    One edit (a letter missing, added, wrong, or two swapped) is allowed in words of 4 or 5 letters, two in longer
    ones. Ties are broken by frequency, then alphabetically.
    """
    allowed = 0 if len(word) < 4 else 1 if len(word) < 6 else 2
    best: tuple[int, int, str] | None = None
    for known, frequency in vocabulary.items():
        # First and last letter are rarely both wrong; this skips most comparisons.
        if abs(len(known) - len(word)) > allowed or (known[0] != word[0] and known[-1] != word[-1]):
            continue
        edits = distance(word, known, allowed)
        if 0 < edits <= allowed and (best is None or (edits, -frequency, known) < best):
            best = (edits, -frequency, known)
    return best and best[2]


def distance(left: str, right: str, limit: int) -> int:
    """Return the optimal string alignment distance, at most `limit + 1`.

    It counts a swap of neighbours as one edit.
    """
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        above, before = before, row
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
