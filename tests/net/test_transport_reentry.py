"""What a transport calls may change it at once: the protocol, the socket, the transport itself."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest
from net.support import Recorder, connected, iterations

pytestmark = pytest.mark.pollers


class Eager:
    """Its comparison puts another protocol into the transport."""

    def __init__(self, transport):
        self.transport = transport

    def __eq__(self, other):
        self.transport.set_protocol(asyncio.Protocol())
        gc.collect()
        return False

    __hash__ = None


class ListProtocol(asyncio.Protocol, list):
    """Its data_received() is a method in C, which borrows the list that it works on."""

    data_received = list.remove

    def connection_made(self, transport):
        self.extend(Eager(transport) for _ in range(10))


async def test_protocol_replaced_within_its_method(loop):
    async with connected(ListProtocol()) as (transport, peer):
        peer.send(b'data')
        await iterations()
        while not loop.reports:
            await asyncio.sleep(0)
        [report] = loop.reports
        loop.reports.clear()
        assert type(report['exception']) is ValueError
        assert type(transport.get_protocol()) in (asyncio.Protocol, type(None))


@pytest.mark.skipif(sys.version_info < (3, 12), reason='__buffer__')
@pytest.mark.ours
@pytest.mark.parametrize('how', ['write', 'writelines'])
async def test_lost_within_the_export_of_a_buffer(loop, how):
    class Closing(bytearray):
        def __buffer__(self, flags):
            transport._call_connection_lost(None)
            return super().__buffer__(flags)

    protocol = Recorder()
    async with connected(protocol) as (transport, _):
        data = Closing(b'data')
        getattr(transport, how)(data if how == 'write' else [data])
        assert protocol.calls == ['made', 'lost']
        assert transport.get_write_buffer_size() == 0
