"""Socket.IO packets as strangers send them: within limits, and what is wrong with them is answered by name."""

from __future__ import annotations

from typing import Any

from socketio.packet import ACK, BINARY_ACK, BINARY_EVENT, CONNECT, DISCONNECT, EVENT, Packet

from ..errors import InvalidRequestError, NodeError, NotFoundError, TooLargeError

MAX_ATTACHMENTS = 1000
MAX_EVENT_BYTES = 512 * 2**20
"""Of all attachments of one event, which wait in memory until the last one is there."""

MALFORMED = "malformed event"
"""The event as which a packet arrives that is none; its argument is the error."""

_KINDS = (CONNECT, DISCONNECT, EVENT, ACK, BINARY_EVENT, BINARY_ACK)
RESERVED = ("connect", "disconnect", "*")
"""What the server calls itself; nobody else may."""


class EventPacket(Packet):  # type: ignore[misc]
    """A packet whose event, if it cannot be understood, becomes `MALFORMED` with the error that says why."""

    max_attachments = MAX_ATTACHMENTS
    packet_type: int
    data: Any
    attachments: list[bytes]
    attachment_count: int
    _flaw: NodeError | None = None
    _received_count = 0
    _received_bytes = 0

    def decode(self, encoded_packet: str | bytes) -> int:
        """Read a packet; returns how many attachments follow it."""
        count = 0
        try:
            if isinstance(encoded_packet, bytes):
                raise ValueError("bytes that belong to no event")
            count = super().decode(encoded_packet)
            if self.packet_type not in _KINDS:
                raise ValueError(f"packets of kind {self.packet_type} are not for a server")
        except (ValueError, RecursionError) as error:
            self._flaw = InvalidRequestError(f"the event cannot be read: {error}")
            count = _attachments_of(encoded_packet) if self.packet_type == BINARY_EVENT else 0
            self.packet_type = BINARY_EVENT if count else EVENT
        if count > self.max_attachments:
            self._flaw = TooLargeError(f"the event has {count} attachments, the limit is {self.max_attachments}")
        if self.packet_type in (EVENT, BINARY_EVENT):
            self._flaw = self._flaw or _flaw_of(self.data)
            if count == 0:
                self.packet_type = EVENT
                self._give_flaw()
        return count

    def add_attachment(self, attachment: bytes) -> bool:
        """Take the next attachment; whether it is the last one."""
        self._received_count += 1
        self._received_bytes += len(attachment)
        if self._received_bytes > MAX_EVENT_BYTES and self._flaw is None:
            self._flaw = TooLargeError(f"the event has more than {MAX_EVENT_BYTES} bytes; send it in several")
        if self._flaw is None:
            self.attachments.append(attachment)
        else:
            self.attachments.clear()
        if self._received_count < self.attachment_count:
            return False
        try:
            if self._flaw is None:
                self.data = self.reconstruct_binary(self.data, self.attachments)
        except (LookupError, TypeError, RecursionError) as error:
            self._flaw = InvalidRequestError(f"the event refers to an attachment that it does not have: {error}")
        self._give_flaw()
        return True

    def _give_flaw(self) -> None:
        if self._flaw is not None:
            self.data = [MALFORMED, self._flaw]


class PlainPacket(EventPacket):
    """The same, for a server whose events have no attachments."""

    max_attachments = 0


def _attachments_of(encoded_packet: str | bytes) -> int:
    digits = str(encoded_packet[1:12]).partition("-")[0]
    return int(digits) if digits.isdecimal() and len(digits) <= 10 else 0


def _flaw_of(data: Any) -> NodeError | None:
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        return InvalidRequestError("an event is a list that begins with its name")
    if data[0] in RESERVED:
        return InvalidRequestError(f"{data[0]!r} is not an event that can be sent")
    return None


def malformed(*arguments: Any) -> NodeError:
    """What is wrong with a packet that is no event, from the arguments of the event as which it arrived."""
    error = next((argument for argument in arguments if isinstance(argument, NodeError)), None)
    return error or InvalidRequestError(f"{MALFORMED!r} is not an event that can be sent")


def unknown(event: str) -> NodeError:
    """For an event that nobody handles, so that its sender does not wait in vain."""
    return NotFoundError(f"there is no event {event!r}")
