"""Packets of strangers: what they may hold in memory, and how what is wrong with them is passed on."""

from __future__ import annotations

import pytest
from socketio.packet import BINARY_EVENT, EVENT

from learning_loop_node.api.event_packets import MALFORMED, MAX_EVENT_BYTES, EventPacket
from learning_loop_node.api.sio import FastJson
from learning_loop_node.errors import InvalidRequestError, NodeError, TooLargeError

EventPacket.json = FastJson


def test_an_event_is_read_as_it_is():
    packet = EventPacket(encoded_packet='27["about",{"a":1}]')
    assert (packet.packet_type, packet.id, packet.data) == (EVENT, 7, ["about", {"a": 1}])


def test_attachments_take_their_places():
    packet = EventPacket(encoded_packet='52-7["detect",{"a":{"_placeholder":true,"num":1}}]')
    assert packet.packet_type == BINARY_EVENT
    assert [packet.add_attachment(b"first"), packet.add_attachment(b"second")] == [False, True]
    assert packet.data == ["detect", {"a": b"second"}]


@pytest.mark.parametrize(
    ("encoded", "kind"),
    [
        pytest.param("2", InvalidRequestError, id="nothing"),
        pytest.param('27["connect"]', InvalidRequestError, id="reserved"),
        pytest.param("27" + '["a",' + "[" * 10**5, InvalidRequestError, id="nested"),
        pytest.param("9", InvalidRequestError, id="unknown kind"),
        pytest.param(b"bytes", InvalidRequestError, id="bytes"),
        pytest.param('50-7["connect"]', InvalidRequestError, id="no attachments"),
    ],
)
def test_what_is_no_event_becomes_a_named_one(encoded, kind: type[NodeError]):
    packet = EventPacket(encoded_packet=encoded)
    assert packet.packet_type == EVENT
    assert packet.data[0] == MALFORMED
    assert isinstance(packet.data[1], kind)


def test_attachments_of_too_many_bytes_are_forgotten_at_once():
    piece = bytes(64 * 2**20)
    count = MAX_EVENT_BYTES // len(piece) + 2
    packet = EventPacket(encoded_packet=f'5{count}-7["detect",{{}}]')
    assert [packet.add_attachment(piece) for _ in range(count)] == [False] * (count - 1) + [True]
    assert packet.attachments == []
    assert packet.data[0] == MALFORMED
    assert isinstance(packet.data[1], TooLargeError)
