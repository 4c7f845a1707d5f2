"""tornado: its IOLoop on asyncio's: server, client, WebSockets, streams, callbacks, queues."""

from __future__ import annotations

from compat.support import check_same, needs

pytestmark = needs('tornado')


def test_server_client_and_loop():
    check_same(
        """
        import concurrent.futures
        import logging
        import socket

        from tornado import gen, httpclient, httpserver, ioloop, iostream, locks, netutil, queues
        from tornado import tcpclient, tcpserver, web, websocket

        logging.getLogger('tornado').setLevel(logging.CRITICAL)
        seen = []

        class Hello(web.RequestHandler):
            def get(self, name):
                self.write({'hello': name})

        class Body(web.RequestHandler):
            async def post(self):
                await asyncio.sleep(0)
                self.set_header('X-Length', str(len(self.request.body)))
                self.write(str(len(self.request.body)))

        @web.stream_request_body
        class Upload(web.RequestHandler):
            def prepare(self):
                self.size = 0

            async def data_received(self, chunk):
                await gen.sleep(0)
                self.size += len(chunk)

            def put(self):
                self.write(str(self.size))

        class Stream(web.RequestHandler):
            async def get(self):
                for number in range(5):
                    self.write(f'{number}' * 1000)
                    await self.flush()

        class Old(web.RequestHandler):
            @gen.coroutine
            def get(self):
                yield gen.moment
                answers = yield [gen.maybe_future(n) for n in range(3)]
                yield gen.with_timeout(ioloop.IOLoop.current().time() + 60, gen.sleep(0))
                self.write(repr(answers))

        class Fail(web.RequestHandler):
            async def get(self):
                raise ValueError('fails')

        class Slow(web.RequestHandler):
            async def get(self):
                begun.set()
                await asyncio.sleep(60)

            def on_connection_close(self):
                gone.set()

        class Socket(websocket.WebSocketHandler):
            def open(self):
                self.write_message('open')

            async def on_message(self, message):
                await asyncio.sleep(0)
                self.write_message(message[::-1], binary=isinstance(message, bytes))

            def on_close(self):
                seen.append(('closed', self.close_code, self.close_reason))
                closed.set()

        class Lines(tcpserver.TCPServer):
            async def handle_stream(self, stream, address):
                try:
                    while True:
                        line = await stream.read_until(b'\\n', max_bytes=100)
                        await stream.write(line.upper())
                except iostream.StreamClosedError as exc:
                    seen.append(type(exc.real_error).__name__)
                    lost.set()

        async def too_slow(client, base):
            limit = 0.05
            while True:
                try:
                    await client.fetch(base + '/slow', request_timeout=limit)
                except httpclient.HTTPError as exc:
                    if begun.is_set() and 'connecting' not in str(exc):
                        return str(exc)
                limit *= 2

        async def http(base):
            client = httpclient.AsyncHTTPClient(max_clients=20)
            answers = await asyncio.gather(*(client.fetch(f'{base}/hello/{n}') for n in range(20)))
            seen.append([answer.body for answer in answers])
            answer = await client.fetch(base + '/body', method='POST', body=b'x' * 300_000)
            seen.append((answer.code, answer.headers['X-Length'], answer.body))

            async def produce(write):
                for _ in range(3):
                    await write(b'part' * 1000)

            answer = await client.fetch(base + '/upload', method='PUT', body_producer=produce)
            seen.append(answer.body)
            chunks = []
            await client.fetch(base + '/stream', streaming_callback=chunks.append)
            seen.append(len(b''.join(chunks)))
            seen.append((await client.fetch(base + '/old')).body)
            for path in ('/fail', '/none'):
                try:
                    await client.fetch(base + path)
                except httpclient.HTTPClientError as exc:
                    seen.append(str(exc))
            seen.append(await too_slow(client, base))
            await gone.wait()
            client.close()

        async def web_socket(base):
            connection = await websocket.websocket_connect(base.replace('http', 'ws') + '/socket')
            seen.append(await connection.read_message())
            await connection.write_message('words')
            seen.append(await connection.read_message())
            await connection.write_message(b'bytes', binary=True)
            seen.append(await connection.read_message())
            connection.close(1000, 'done')
            seen.append(await connection.read_message())
            await closed.wait()

        async def lines():
            server = Lines()
            server.listen(0, '127.0.0.1')
            [port] = {s.getsockname()[1] for s in server._sockets.values()}
            stream = await tcpclient.TCPClient().connect('127.0.0.1', port)
            await stream.write(b'one\\ntwo\\n')
            seen.append([await stream.read_until(b'\\n') for _ in range(2)])
            stream.close()
            await lost.wait()
            server.stop()

        async def queue_and_locks():
            queue, semaphore = queues.Queue(maxsize=2), locks.Semaphore(2)
            condition = locks.Condition()

            async def work():
                async for item in queue:
                    async with semaphore:
                        seen.append(item)
                        await gen.sleep(0)
                    queue.task_done()

            worker = asyncio.ensure_future(work())
            for number in range(5):
                await queue.put(number)
            await queue.join()
            worker.cancel()
            waiting = asyncio.ensure_future(condition.wait())
            await gen.sleep(0)
            condition.notify()
            seen.append(await waiting)

        async def loop_itself():
            loop = ioloop.IOLoop.current()
            calls = asyncio.Event()
            count = iter(range(3))

            def tick():
                if next(count, None) is None:
                    ticker.stop()
                    calls.set()

            ticker = ioloop.PeriodicCallback(tick, 1)
            ticker.start()
            await calls.wait()
            timeout = loop.call_later(60, print)
            loop.remove_timeout(timeout)
            seen.append(await loop.run_in_executor(None, lambda: 'thread'))
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                seen.append(await loop.run_in_executor(pool, lambda: 'pool'))
            here, there = socket.socketpair()
            readable = asyncio.Event()
            loop.add_handler(here, lambda sock, events: readable.set(), loop.READ)
            there.send(b'x')
            await readable.wait()
            loop.remove_handler(here)
            here.close()
            there.close()
            done = asyncio.Event()
            loop.add_callback_from_signal(done.set)
            await done.wait()
            try:
                await gen.with_timeout(loop.time(), asyncio.Future())
            except gen.TimeoutError as exc:
                seen.append(str(exc))
            first = gen.WaitIterator(a=gen.sleep(0), b=gen.sleep(0))
            seen.append(sorted([first.current_index async for _ in first]))

        async def main():
            global begun, gone, closed, lost
            begun, gone, closed, lost = (asyncio.Event() for _ in range(4))
            app = web.Application([
                ('/hello/(.*)', Hello), ('/body', Body), ('/upload', Upload),
                ('/stream', Stream), ('/old', Old), ('/fail', Fail), ('/slow', Slow),
                ('/socket', Socket),
            ])
            server = httpserver.HTTPServer(app)
            sockets = netutil.bind_sockets(0, '127.0.0.1')
            server.add_sockets(sockets)
            base = f'http://127.0.0.1:{sockets[0].getsockname()[1]}'
            await http(base)
            await web_socket(base)
            await lines()
            await queue_and_locks()
            await loop_itself()
            server.stop()
            await server.close_all_connections()
            return seen

        run(main)

        # The loop that tornado makes itself: the policy's.
        async def in_own_loop():
            await gen.sleep(0)
            return type(asyncio.get_running_loop()).__mro__[-2].__name__

        loop = ioloop.IOLoop()
        print(loop.run_sync(in_own_loop))
        try:
            loop.run_sync(lambda: gen.sleep(60), timeout=0.01)
        except TimeoutError as exc:
            print(exc)
        loop.close(all_fds=True)
        """,
        'tornado, tornado.web, tornado.websocket, tornado.httpclient',
    )
