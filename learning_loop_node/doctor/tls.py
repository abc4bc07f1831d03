"""Whether the loop's certificate is accepted and, if it is not, what is wrong with it."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from ..runtime.threads import io_bound
from .finding import Verdict, error, ok, warning

HANDSHAKE_S = 5.0
EXPIRES_SOON_DAYS = 14


class Refusal(IntEnum):
    """Why OpenSSL does not accept a certificate (`X509_V_ERR_…`)."""

    NOT_YET_VALID = 9
    EXPIRED = 10
    SELF_SIGNED = 18
    SELF_SIGNED_IN_CHAIN = 19
    UNKNOWN_ISSUER = 20
    UNVERIFIABLE_FIRST = 21
    WRONG_NAME = 62
    WRONG_ADDRESS = 64


OWN_AUTHORITY = "let LOOP_SSL_CERT_PATH name the file (PEM) with the certificate of the authority that has signed it"


async def check_authority_file(path: str) -> Verdict:
    """Whether `LOOP_SSL_CERT_PATH` can be used."""
    if not path:
        return ok("not set: the authorities of this machine are trusted")
    try:
        await io_bound(ssl.create_default_context, cafile=path)
    except ssl.SSLError:
        return error("is no certificate in PEM format", "it begins with -----BEGIN CERTIFICATE-----; convert it")
    except OSError as failure:
        return error(f"cannot be read ({failure.strerror})", "correct LOOP_SSL_CERT_PATH, or the rights of the file")
    return ok("can be read")


async def check_certificate(host: str, port: int, authority_file: str, now: datetime | None = None) -> Verdict:
    """Whether a connection over TLS is accepted as a node would."""
    context = await io_bound(ssl.create_default_context, cafile=authority_file or None)
    try:
        certificate = await _handshake(host, port, context)
    except ssl.SSLCertVerificationError as failure:
        return await _explained(failure, host, port, authority_file)
    except ssl.SSLError as failure:
        return error(
            f"does not speak TLS ({failure.reason})",
            "if it is a plain HTTP server, begin LOOP_HOST with http://; else correct the port",
        )
    except (OSError, TimeoutError) as failure:
        return error(
            f"the handshake broke off ({failure or type(failure).__name__})",
            "if it is a plain HTTP server, begin LOOP_HOST with http://",
        )
    return _judged(certificate, now or datetime.now(UTC))


async def speaks_tls(host: str, port: int) -> bool:
    """Whether there is a TLS server, whatever its certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        await _handshake(host, port, context)
    except (OSError, TimeoutError):
        return False
    return True


async def _handshake(host: str, port: int, context: ssl.SSLContext) -> dict[str, Any]:
    async with asyncio.timeout(HANDSHAKE_S):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
        certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return certificate


def _judged(certificate: dict[str, Any], now: datetime) -> Verdict:
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    days = (ends - now).days
    found = f"accepted; valid until {ends:%Y-%m-%d} ({days} days), for {', '.join(_names_of(certificate))}"
    return warning(found, "renew it in time") if days < EXPIRES_SOON_DAYS else ok(found)


async def _explained(failure: ssl.SSLCertVerificationError, host: str, port: int, authority_file: str) -> Verdict:
    match failure.verify_code:
        case Refusal.EXPIRED:
            return error(
                "the certificate has expired",
                "renew it at the loop; if it was renewed, look at the date of this machine",
            )
        case Refusal.NOT_YET_VALID:
            return error(
                f"the certificate is not valid yet (it is {datetime.now(UTC):%Y-%m-%d %H:%M} UTC here)",
                "look at the date of this machine; it must be synchronised (timedatectl)",
            )
        case Refusal.WRONG_NAME | Refusal.WRONG_ADDRESS:
            names = await _names_at(host, port, authority_file)
            return error(
                f"the certificate is for {', '.join(names) or 'other names'}, not for {host}",
                "use one of its names in LOOP_HOST, or have one issued for this name",
            )
        case Refusal.SELF_SIGNED:
            remedy = "let LOOP_SSL_CERT_PATH name a file with this very certificate, or have one issued by an authority"
            return error("the certificate is signed by itself", remedy)
        case Refusal.SELF_SIGNED_IN_CHAIN | Refusal.UNKNOWN_ISSUER | Refusal.UNVERIFIABLE_FIRST:
            if authority_file:
                return error(
                    "the certificate is signed by another authority than that of LOOP_SSL_CERT_PATH",
                    f"{OWN_AUTHORITY}; the loop has to send those in between, too",
                )
            return error("the certificate is signed by an authority that is not known here", OWN_AUTHORITY)
        case _:
            return error(f"the certificate is not accepted: {failure.verify_message}", OWN_AUTHORITY)


async def _names_at(host: str, port: int, authority_file: str) -> list[str]:
    """For which names the certificate was issued; its signature is still checked."""
    context = await io_bound(ssl.create_default_context, cafile=authority_file or None)
    context.check_hostname = False
    try:
        return _names_of(await _handshake(host, port, context))
    except (OSError, TimeoutError):
        return []


def _names_of(certificate: dict[str, Any]) -> list[str]:
    return [name for _, name in certificate.get("subjectAltName", ())]
