"""Takes logins, passwords and tokens out of texts that leave the process."""

from __future__ import annotations

import re

HIDDEN = "***"

_LOGIN_IN_ADDRESS = re.compile(
    r"""(?P<before>(?::|%3A)(?:/|%2F){2})
        (?: [^\s/?\#@"'<>]*                                # user, or user:password
          | [^\s/?\#@:"'<>]*:(?!\d{1,5}[/?\#])[^\s@"'<>]*  # a password with a slash in it, but no port and path
        )
        (?P<at>@|%40)""",
    re.VERBOSE | re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"""(?P<before>\bauthorization\b['"]?\s*[:=,]\s*(?:b?['"])?)(?:\w+\s+)?[^\s'",;)\]}]+""", re.IGNORECASE
)
_COOKIE = re.compile(r"""(?P<before>\b(?:set-)?cookie\b['"]?\s*[:=,]\s*(?:b?['"])?)[^'"\r\n]+""", re.IGNORECASE)
_BEARER = re.compile(r"(?P<before>\b(?:Bearer|Basic)\s+)(?=\S*\d)[\w.~+/=-]{8,}", re.IGNORECASE)
_KEY = r"(?:password|passwd|secret|(?<!require_node_)token|api_?key|loop_session)"
_ASSIGNED = re.compile(rf"""(?P<before>{_KEY}=["']?)[^\s&;,"'\\]+""", re.IGNORECASE)
_ENTRY = re.compile(rf"""(?P<before>{_KEY}\\?["']\s*:\s*\\?["'])[^"'\\]+""", re.IGNORECASE)

_PATTERNS = (
    (("authorization",), _AUTHORIZATION),
    (("cookie",), _COOKIE),
    (("bearer", "basic"), _BEARER),
    (("password=", "passwd=", "secret=", "token=", "key=", "loop_session="), _ASSIGNED),
    (("passw", "secret", "token", "key", "loop_session"), _ENTRY),
)
"""Each with words of which one is in every text that it finds: to look for these is quick."""


def redacted(text: str) -> str:
    """The text without logins in addresses, contents of the headers Authorization and Cookie, passwords and tokens.

    >>> redacted("no frame from rtsp://admin:secret@10.0.0.7/live")
    'no frame from rtsp://***@10.0.0.7/live'
    """
    if "@" in text or "%40" in text:
        text = _LOGIN_IN_ADDRESS.sub(rf"\g<before>{HIDDEN}\g<at>", text)
    lower = text.lower()
    for words, pattern in _PATTERNS:
        if any(word in lower for word in words):
            text = pattern.sub(rf"\g<before>{HIDDEN}", text)
    return text
