"""The boxes, or the points, that one camera has seen, and which of those in a new image it has not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ...geometry.boxes import Floats
from .similarity import Similarity

_CHUNK = 120_000
"""Entries of one mask: small enough for the processor's cache, and for memory that need not be mapped anew."""

_BLOCK = 256
"""Detections that are decided together; bounds the pairs among them."""


class Sightings:
    """One row per thing seen, in the order in which they came.

    A first look in float32 finds the pairs that can be similar at all; rounding keeps the order of numbers, so none is
    missed. Only these are compared exactly.
    """

    def __init__(self, similarity: Similarity) -> None:
        self._similarity = similarity
        self._codes: dict[str, int] = {}
        self._count = 0
        self._rows: Floats = np.empty((0, similarity.columns))
        self._xy: NDArray[np.float32] = np.empty((2, 0), dtype=np.float32)
        self._category: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._last_seen: Floats = np.empty(0)

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """Memory that the rows take."""
        return sum(array.nbytes for array in (self._rows, self._xy, self._category, self._last_seen))

    @property
    def last_seen(self) -> Floats:
        """When each was seen last, as told to `mark_new`; `(len,)`."""
        return self._last_seen[: self._count]

    def mark_new(self, rows: Floats, categories: Sequence[str], now: float) -> NDArray[np.bool_]:
        """Which rows are similar to nothing seen before, earlier rows included; `(N,)`.

        These are remembered; everything that one of the rows is similar to counts as seen `now`.
        """
        is_new = np.ones(len(rows), dtype=np.bool_)
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            is_new[block] = self._mark_block(rows[block], categories[block], now)
        return is_new

    def find(self, row: Floats, category: str) -> list[int]:
        """Places of all that this one row, `(1, columns)`, is similar to; nothing is remembered."""
        codes = np.array([self._codes.get(category, -1)], dtype=np.int32)
        with np.errstate(over="ignore", invalid="ignore"):
            _, seen = self._similar_pairs(row, codes, known=self._count)
        return [int(place) for place in seen]

    def add(self, rows: Floats, categories: Sequence[str], now: float) -> None:
        """Remember these rows as seen `now`, whatever they are similar to."""
        start, end = self._count, self._count + len(rows)
        if end > len(self._rows):
            self._reserve(max(end, 2 * len(self._rows)))
        self._rows[start:end] = rows
        with np.errstate(over="ignore"):
            self._xy[:, start:end] = rows[:, :2].T
        codes = self._codes
        self._category[start:end] = [codes.setdefault(category, len(codes)) for category in categories]
        self._last_seen[start:end] = now
        self._count = end

    def forget_before(self, moment: float) -> None:
        """Drop what was seen last before this moment."""
        if self._count and self.last_seen.min() < moment:
            self._keep(self.last_seen >= moment)

    def trim(self, longest: int) -> None:
        """Drop what has not been seen for longest until at most this many are left."""
        excess = self._count - longest
        if excess > 0:
            fresh = np.ones(self._count, dtype=np.bool_)
            fresh[np.argsort(self.last_seen, kind="stable")[:excess]] = False
            self._keep(fresh)

    def _mark_block(self, rows: Floats, categories: Sequence[str], now: float) -> NDArray[np.bool_]:
        known = self._count
        self.add(rows, categories, now)
        with np.errstate(over="ignore", invalid="ignore"):
            new, seen = self._similar_pairs(rows, self._category[known : self._count], known)
        is_new = np.ones(len(rows), dtype=np.bool_)
        is_before = seen < known
        self._last_seen[seen[is_before]] = now
        is_new[new[is_before]] = False
        # In the order of the image, so that each row is compared with the final word on those before it.
        in_image = ~is_before & is_new[new]
        for later, earlier in zip(new[in_image].tolist(), (seen[in_image] - known).tolist(), strict=True):
            if is_new[earlier]:
                is_new[later] = False
        if not is_new.all():
            self._keep_appended(known, is_new)
        return is_new

    def _similar_pairs(
        self, rows: Floats, codes: NDArray[np.int32], known: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Indices of new and of seen rows that are similar, ordered by the new; no row with itself or a later one."""
        pairs = np.concatenate(list(self._possible_pairs(rows, codes)) or [np.empty(0, dtype=np.intp)])
        new, seen = np.divmod(pairs, self._count)
        is_earlier = seen - known < new
        new, seen = new[is_earlier], seen[is_earlier]
        holds = self._similarity.holds(rows[new], self._rows[seen])
        return new[holds], seen[holds]

    def _possible_pairs(self, rows: Floats, codes: NDArray[np.int32]) -> Iterator[NDArray[np.intp]]:
        """`new · len + seen` for the pairs that can be similar."""
        x, y = self._xy[:, : self._count]
        category = self._category[: self._count]
        lowest, highest = self._similarity.windows(rows)
        lowest_x, lowest_y = lowest.astype(np.float32).T[..., None]
        highest_x, highest_y = highest.astype(np.float32).T[..., None]
        codes = codes[:, None]
        step = max(_CHUNK // self._count, 1) if self._count else 1
        for start in range(0, len(rows), step):
            chunk = slice(start, start + step)
            possible = x >= lowest_x[chunk]
            possible &= x <= highest_x[chunk]
            possible &= y >= lowest_y[chunk]
            possible &= y <= highest_y[chunk]
            possible &= category == codes[chunk]
            yield np.flatnonzero(possible) + start * self._count

    def _reserve(self, capacity: int) -> None:
        """Room for this many rows; those there are stay."""
        count = self._count
        rows, self._rows = self._rows, np.empty((capacity, self._similarity.columns))
        xy, self._xy = self._xy, np.empty((2, capacity), dtype=np.float32)
        category, self._category = self._category, np.empty(capacity, dtype=np.int32)
        last_seen, self._last_seen = self._last_seen, np.empty(capacity)
        self._rows[:count], self._xy[:, :count] = rows[:count], xy[:, :count]
        self._category[:count], self._last_seen[:count] = category[:count], last_seen[:count]

    def _keep_appended(self, known: int, is_new: NDArray[np.bool_]) -> None:
        """Of the rows just appended keep these; their place is reused."""
        kept = np.flatnonzero(is_new) + known
        end = known + len(kept)
        self._rows[known:end] = self._rows[kept]
        self._xy[:, known:end] = self._xy[:, kept]
        self._category[known:end] = self._category[kept]
        self._count = end

    def _keep(self, mask: NDArray[np.bool_]) -> None:
        """Keep these rows and give back the memory of the others."""
        count = self._count
        self._rows, self._xy = self._rows[:count][mask], self._xy[:, :count][:, mask]
        self._category, self._last_seen = self._category[:count][mask], self._last_seen[:count][mask]
        self._count = len(self._rows)
        self._drop_unused_categories()

    def _drop_unused_categories(self) -> None:
        used, places = np.unique(self._category, return_inverse=True)
        names = list(self._codes)
        self._codes = {names[code]: place for place, code in enumerate(used.tolist())}
        self._category = places.astype(np.int32)
