"""How sizes, spans of time and moments are told to people, by the doctor and by all other commands."""

from __future__ import annotations


def size_text(size_bytes: float) -> str:
    """Bytes with two digits at least.

    >>> [size_text(count) for count in (0, 9_999, 12_345, 25_000_000, 1_250_000_000, 3e12)]
    ['0 bytes', '9999 bytes', '12 kB', '25 MB', '1.2 GB', '3000.0 GB']
    """
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    for limit, unit, name in ((10_000, 1, "bytes"), (10_000_000, 1000, "kB")):
        if size_bytes < limit:
            return f"{size_bytes / unit:.0f} {name}"
    return f"{size_bytes / 1e6:.0f} MB"


def span_text(seconds: float) -> str:
    """Seconds in the largest unit of which there are two.

    >>> [span_text(seconds) for seconds in (0, 119, 120, 7_199, 7_200, 172_800)]
    ['0 s', '119 s', '2 min', '120 min', '2 h', '2 days']
    """
    for unit, length_s in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment_text(moment: str | None) -> str:
    """A moment as it comes from the loop (ISO 8601, UTC), to the second.

    >>> moment_text("2026-01-02T03:04:05.678901+00:00"), moment_text(None)
    ('2026-01-02 03:04:05', '-')
    """
    return moment[:19].replace("T", " ") if moment else "-"
