"""TLS handshakes: versions, names, certificates of both sides, ALPN, SNI, sessions."""

from __future__ import annotations

import contextlib
import re
import ssl

import pytest
from net.support import Recorder, stream_pair
from net.tls_support import (
    Peer,
    both_sides,
    both_versions,
    client_context,
    contexts,
    failure,
    opened,
    opening,
    peer_of,
    secured,
    server_context,
)

# Newer ssl modules do not make an object that would check no name.
NAME_IS_NEEDED = hasattr(ssl, '_check_sslobject_params')


class TestVersions:
    @both_sides
    @both_versions
    async def test_version(self, loop, side, version):
        server, client = contexts(version)
        ours, theirs = (server, client) if side == 'server' else (client, server)
        protocol = Recorder()
        async with secured(protocol, side, context=ours, theirs=theirs) as (transport, _):
            name = transport.get_extra_info('ssl_object').version()
            assert name == version.name.replace('_', '.')
            assert protocol.calls == ['made']

    @both_sides
    async def test_no_version_in_common(self, loop, side):
        old, new = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        ours, theirs = (
            (server_context(version=new), client_context(version=old))
            if side == 'server'
            else (client_context(version=new), server_context(version=old))
        )
        protocol = Recorder()
        async with opened(protocol, side, context=ours) as (task, sock):
            peer = peer_of(side, sock, theirs)
            assert isinstance(await failure(peer.handshake()), ssl.SSLError)
            error = await failure(task)
            assert type(error) is ssl.SSLError
            assert error.reason in ('UNSUPPORTED_PROTOCOL', 'TLSV1_ALERT_PROTOCOL_VERSION')
        assert protocol.calls == []

    async def test_no_cipher_in_common(self, loop):
        version = ssl.TLSVersion.TLSv1_2
        ours, theirs = client_context(version=version), server_context(version=version)
        ours.set_ciphers('ECDHE-ECDSA-AES128-GCM-SHA256')
        theirs.set_ciphers('ECDHE-ECDSA-AES256-GCM-SHA384')
        async with opened(Recorder(), context=ours) as (task, sock):
            theirs = await failure(peer_of('client', sock, theirs).handshake())
            assert theirs.reason == 'NO_SHARED_CIPHER'
            error = await failure(task)
            assert 'ALERT_HANDSHAKE_FAILURE' in error.reason


class TestServersCertificate:
    @both_versions
    @pytest.mark.parametrize(
        ('name', 'reason'),
        [
            (
                'elsewhere',
                "Hostname mismatch, certificate is not valid for 'localhost'.",
            ),
            ('expired', 'certificate has expired'),
            ('impostor', 'unable to get local issuer certificate'),
        ],
    )
    async def test_wrong(self, loop, version, name, reason):
        protocol = Recorder()
        theirs = server_context(name, version)
        async with opened(protocol, context=client_context(version=version)) as (task, sock):
            peer = peer_of('client', sock, theirs)
            await failure(receive_of(peer))
            error = await failure(task)
            assert type(error) is ssl.SSLCertVerificationError
            assert error.reason == 'CERTIFICATE_VERIFY_FAILED'
            assert error.verify_message == reason
        assert protocol.calls == []
        # It is an OSError: told to who waits, and to nobody else.
        assert loop.reports == []

    async def test_the_peer_sees_the_end_and_no_reason(self, loop):
        async with opened(Recorder()) as (task, sock):
            peer = peer_of('client', sock, server_context('impostor'))
            assert type(await failure(receive_of(peer))) is ssl.SSLEOFError
            await failure(task)

    async def test_name_of_the_call(self, loop):
        theirs = server_context('elsewhere')
        name = 'elsewhere.example'
        async with secured(Recorder(), theirs=theirs, server_hostname=name) as (transport, _):
            assert transport.get_extra_info('ssl_object').server_hostname == name

    async def test_address_as_a_name(self, loop):
        async with secured(Recorder(), server_hostname='127.0.0.1') as (transport, _):
            assert transport.get_extra_info('ssl_object').server_hostname == '127.0.0.1'

    @pytest.mark.skipif(NAME_IS_NEEDED, reason='ssl refuses')
    async def test_an_empty_name_is_not_checked(self, loop):
        theirs = server_context('elsewhere')
        async with secured(Recorder(), theirs=theirs, server_hostname='') as (transport, _):
            assert transport.get_extra_info('ssl_object').server_hostname is None

    @pytest.mark.skipif(not NAME_IS_NEEDED, reason='ssl does not refuse')
    async def test_an_empty_name_is_refused(self, loop):
        protocol = Recorder()
        left, right = stream_pair()
        with left, right:
            error = await failure(opening(protocol, 'client', left, server_hostname=''))
            assert type(error) is ValueError
            assert str(error) == 'check_hostname requires server_hostname'
        assert protocol.calls == []

    async def test_an_empty_name_where_names_are_not_checked(self, loop):
        context = client_context()
        context.check_hostname = False
        theirs = server_context('elsewhere')
        async with secured(Recorder(), context=context, theirs=theirs, server_hostname='') as (
            transport,
            _,
        ):
            assert transport.get_extra_info('ssl_object').server_hostname is None

    async def test_not_verified(self, loop):
        context = client_context(authority='stranger')
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        async with secured(Recorder(), context=context) as (transport, _):
            assert transport.get_extra_info('peercert') == {}

    async def test_default_context(self, loop):
        """ssl=True verifies by the system's authorities, who do not know ours."""
        async with opened(Recorder(), context=True) as (task, sock):
            await failure(receive_of(peer_of('client', sock)))
            error = await failure(task)
            assert type(error) is ssl.SSLCertVerificationError
            assert re.match('(un|self)', error.verify_message)


async def receive_of(peer):
    """What a peer sees that is refused: in TLS 1.3 only after its own handshake."""
    await peer.handshake()
    await peer.call(peer.object.read, 1)


class TestClientsCertificate:
    @both_versions
    async def test_server_asks(self, loop, version):
        ours = server_context(version=version, clients='authority')
        theirs = client_context('client', version)
        async with secured(Recorder(), 'server', context=ours, theirs=theirs) as (transport, _):
            subject = transport.get_extra_info('peercert')['subject']
            assert subject == ((('commonName', 'client'),),)

    @both_versions
    async def test_client_answers(self, loop, version):
        ours = client_context('client', version)
        theirs = server_context(version=version, clients='authority')
        async with secured(Recorder(), context=ours, theirs=theirs) as (_, peer):
            subject = peer.object.getpeercert()['subject']
            assert subject == ((('commonName', 'client'),),)

    @both_versions
    @pytest.mark.parametrize(
        ('name', 'kind', 'reason'),
        [
            (None, ssl.SSLError, 'PEER_DID_NOT_RETURN_A_CERTIFICATE'),
            ('impostor', ssl.SSLCertVerificationError, 'CERTIFICATE_VERIFY_FAILED'),
            ('server', ssl.SSLCertVerificationError, 'CERTIFICATE_VERIFY_FAILED'),
        ],
        ids=['none', 'of another authority', 'of another purpose'],
    )
    async def test_server_refuses(self, loop, version, name, kind, reason):
        protocol = Recorder()
        ours = server_context(version=version, clients='authority')
        async with opened(protocol, 'server', context=ours) as (task, sock):
            peer = peer_of('server', sock, client_context(name, version))
            assert isinstance(await failure(receive_of(peer)), ssl.SSLError)
            error = await failure(task)
            assert type(error) is kind
            assert error.reason == reason
        assert protocol.calls == []

    async def test_client_is_refused_after_its_handshake(self, loop):
        """TLS 1.3: the client is through before the server has seen its certificate."""
        version = ssl.TLSVersion.TLSv1_3
        protocol = Recorder()
        theirs = server_context(version=version, clients='authority')
        async with opened(protocol, context=client_context(version=version)) as (task, sock):
            peer = peer_of('client', sock, theirs)
            await failure(peer.handshake())
            await task
            error = await protocol.lost()
            assert type(error) is ssl.SSLError
            assert 'CERTIFICATE_REQUIRED' in error.reason
            assert protocol.calls == ['made', 'lost']
            error.__traceback__ = None
        assert loop.reports == []

    async def test_optional(self, loop):
        ours = server_context(clients='authority')
        ours.verify_mode = ssl.CERT_OPTIONAL
        async with secured(Recorder(), 'server', context=ours) as (transport, _):
            assert transport.get_extra_info('peercert') is None


class TestALPN:
    @both_sides
    @pytest.mark.parametrize(
        ('wanted', 'offered', 'chosen'),
        [
            (['h2', 'http/1.1'], ['http/1.1', 'h2'], 'http/1.1'),
            (['h2'], ['h2', 'http/1.1'], 'h2'),
            (['h2'], [], None),
            ([], ['h2'], None),
        ],
    )
    async def test_chosen(self, loop, side, wanted, offered, chosen):
        """The server's order counts."""
        server, client = contexts()
        if wanted:
            client.set_alpn_protocols(wanted)
        if offered:
            server.set_alpn_protocols(offered)
        ours, theirs = (server, client) if side == 'server' else (client, server)
        async with secured(Recorder(), side, context=ours, theirs=theirs) as (transport, peer):
            found = transport.get_extra_info('ssl_object').selected_alpn_protocol()
            assert found == peer.object.selected_alpn_protocol() == chosen


class TestSNI:
    @both_versions
    async def test_callback_sees_the_name(self, loop, version):
        seen = []
        ours = server_context(version=version)

        def callback(sslobject, name, context):
            seen.append((type(sslobject), name, context is ours))

        ours.sni_callback = callback
        theirs = client_context(version=version)
        async with secured(Recorder(), 'server', context=ours, theirs=theirs):
            assert seen == [(ssl.SSLObject, 'localhost', True)]
        ours.sni_callback = None

    async def test_callback_changes_the_context(self, loop):
        ours, other = server_context(), server_context('elsewhere')
        seen = []

        def callback(sslobject, name, context):
            seen.append(sslobject)
            sslobject.context = other

        ours.sni_callback = callback
        async with opened(Recorder(), 'server', context=ours) as (task, sock):
            peer = peer_of('server', sock, server_hostname='elsewhere.example')
            await peer.handshake()
            transport, _ = await task
            assert transport.get_extra_info('ssl_object') is seen.pop()
            assert transport.get_extra_info('sslcontext') is ours
            assert transport.get_extra_info('ssl_object').context is other
        ours.sni_callback = None

    async def test_callback_refuses(self, loop):
        ours = server_context()
        ours.sni_callback = lambda *args: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        async with opened(Recorder(), 'server', context=ours) as (task, sock):
            assert type(await failure(peer_of('server', sock).handshake())) is ssl.SSLEOFError
            error = await failure(task)
            assert type(error) is ssl.SSLError
            assert error.reason == 'CALLBACK_FAILED'
        ours.sni_callback = None

    async def test_no_name_with_an_address(self, loop):
        seen = []
        ours = server_context()
        ours.sni_callback = lambda sslobject, name, context: seen.append(name)
        async with opened(Recorder(), 'server', context=ours) as (task, sock):
            await peer_of('server', sock, server_hostname='127.0.0.1').handshake()
            await task
        assert seen == [None]
        ours.sni_callback = None


class TestSessions:
    @both_versions
    async def test_server_takes_a_session_up(self, loop, version):
        ours, theirs = contexts(version)
        async with secured(Recorder(), 'server', context=ours, theirs=theirs) as (transport, peer):
            assert transport.get_extra_info('ssl_object').session_reused is False
            # TLS 1.3 sends its tickets after the handshake.
            transport.write(b'x')
            assert await peer.read(1) == b'x'
            session = peer.object.session
            assert session.has_ticket
            transport.close()
            assert await peer.read() == b''
            await peer.unwrap()
        async with opened(Recorder(), 'server', context=ours) as (task, sock):
            peer = Peer(sock, theirs, False, 'localhost', session=session)
            await peer.handshake()
            transport, _ = await task
            assert peer.object.session_reused
            assert transport.get_extra_info('ssl_object').session_reused is True

    @both_versions
    async def test_client_keeps_a_session(self, loop, version):
        """The ssl module lets a client of ours offer none, but what it got can be used."""
        theirs, ours = contexts(version)
        protocol = Recorder()
        async with secured(protocol, context=ours, theirs=theirs) as (transport, peer):
            await peer.write(b'x')
            await protocol.received(1)
            session = transport.get_extra_info('ssl_object').session
            assert session.has_ticket
        reused, _ = handshake_of(ours, theirs, session)
        assert reused.session_reused


def handshake_of(ours, theirs, session):
    """A client with that session, and a server, after a handshake in memory."""
    ends = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ours.wrap_bio(*ends, server_hostname='localhost', session=session)
    server = theirs.wrap_bio(*reversed(ends), server_side=True)
    for one in (client, server) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            one.do_handshake()
    return client, server
