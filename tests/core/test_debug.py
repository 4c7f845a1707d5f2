"""Debug mode: slow callbacks, wrong threads, never-awaited coroutines, where things were made."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import sys
import threading
import unittest.mock

import pytest
import support

HERE = __file__


@pytest.fixture
def debug_loop(loop):
    loop.set_debug(True)
    return loop


async def answer(value=None):
    return value


class TestSlowCallbacks:
    def test_callback_by_name_and_place(self, debug_loop, caplog):
        def slow():
            pass

        debug_loop.slow_callback_duration = 0.0
        debug_loop.call_soon(slow)
        made = sys._getframe().f_lineno - 1
        with caplog.at_level(logging.WARNING, 'asyncio'):
            support.run_once(debug_loop)
        messages = [record.message for record in caplog.records]
        line = slow.__code__.co_firstlineno
        name = 'TestSlowCallbacks.test_callback_by_name_and_place.<locals>.slow()'
        pattern = (
            rf'Executing <Handle {re.escape(name)} at {re.escape(HERE)}:{line}'
            rf' created at {re.escape(HERE)}:{made}> took \d+\.\d{{3}} seconds'
        )
        assert any(re.fullmatch(pattern, message) for message in messages), messages
        assert {record.levelno for record in caplog.records} == {logging.WARNING}
        assert {record.name for record in caplog.records} == {'asyncio'}

    def test_timer(self, debug_loop, caplog):
        debug_loop.slow_callback_duration = 0.0
        debug_loop.call_later(0, int)
        with caplog.at_level(logging.WARNING, 'asyncio'):
            support.run_once(debug_loop)
        assert any(
            record.message.startswith('Executing <TimerHandle when=') for record in caplog.records
        )

    def test_task_by_its_coroutine(self, debug_loop, caplog):
        debug_loop.slow_callback_duration = 0.0

        async def slow_coroutine():
            await asyncio.sleep(0)

        task = debug_loop.create_task(slow_coroutine(), name='T')
        with caplog.at_level(logging.WARNING, 'asyncio'):
            debug_loop.run_until_complete(task)
        line = slow_coroutine.__code__.co_firstlineno
        name = 'TestSlowCallbacks.test_task_by_its_coroutine.<locals>.slow_coroutine()'
        messages = [record.message for record in caplog.records]
        assert any(
            re.match(
                rf"Executing <Task (pending|finished) name='T' coro=<{re.escape(name)} "
                rf'(running at|done, defined at) {re.escape(HERE)}:({line}|{line + 1})>',
                message,
            )
            for message in messages
        ), messages
        assert all(re.search(r' took \d+\.\d{3} seconds$', message) for message in messages)

    def test_the_logger_that_a_test_has_put_there(self, debug_loop, monkeypatch):
        logger = unittest.mock.Mock()
        monkeypatch.setattr(asyncio.base_events, 'logger', logger)
        monkeypatch.setattr(asyncio.base_events, '_format_handle', lambda handle: 'named')
        debug_loop.slow_callback_duration = 0.0
        debug_loop.call_soon(int)
        support.run_once(debug_loop)
        assert 'named' in [call.args[1] for call in logger.warning.call_args_list]

    def test_silent_below_the_limit(self, debug_loop, caplog):
        debug_loop.slow_callback_duration = 60
        debug_loop.call_soon(int)
        with caplog.at_level(logging.WARNING, 'asyncio'):
            support.run_once(debug_loop)
        assert caplog.records == []

    def test_silent_without_debug(self, loop, caplog):
        loop.slow_callback_duration = 0.0
        loop.call_soon(int)
        with caplog.at_level(logging.WARNING, 'asyncio'):
            support.run_once(loop)
        assert caplog.records == []

    def test_cancelled_in_its_callback_is_still_named(self, debug_loop, caplog):
        debug_loop.slow_callback_duration = 0.0

        def slow():
            handle.cancel()

        handle = debug_loop.call_soon(slow)
        with caplog.at_level(logging.WARNING, 'asyncio'):
            support.run_once(debug_loop)
        messages = [record.message for record in caplog.records]
        assert any(
            message.startswith('Executing <Handle cancelled TestSlowCallbacks')
            for message in messages
        ), messages


class TestWrongThread:
    @pytest.mark.parametrize(
        'use',
        [
            lambda loop: loop.call_soon(int),
            lambda loop: loop.call_later(1, int),
            lambda loop: loop.call_at(1, int),
            lambda loop: loop.create_future().set_result(None),
        ],
        ids=['call_soon', 'call_later', 'call_at', 'future'],
    )
    def test_is_told(self, debug_loop, use, request):
        errors = []

        def other():
            try:
                if 'future' in request.node.name:
                    fut.set_result(None)
                else:
                    use(debug_loop)
            except RuntimeError as exc:
                errors.append(str(exc))
            finally:
                debug_loop.call_soon_threadsafe(debug_loop.stop)

        fut = debug_loop.create_future()
        fut.add_done_callback(int)
        thread = threading.Thread(target=other)
        debug_loop.call_soon(thread.start)
        debug_loop.run_forever()
        thread.join()
        assert errors == [
            'Non-thread-safe operation invoked on an event loop other than the current one'
        ]

    def test_not_running_is_no_wrong_thread(self, debug_loop):
        seen = []
        thread = threading.Thread(target=lambda: debug_loop.call_soon(seen.append, 1))
        thread.start()
        thread.join()
        support.run_until(debug_loop, lambda: seen)

    def test_threadsafe_is_allowed(self, debug_loop):
        thread = threading.Thread(target=debug_loop.call_soon_threadsafe, args=(debug_loop.stop,))
        debug_loop.call_soon(thread.start)
        debug_loop.run_forever()
        thread.join()

    def test_not_checked_without_debug(self, loop):
        seen = []

        def other():
            loop.call_soon(seen.append, 1)
            loop.call_soon_threadsafe(loop.stop)

        thread = threading.Thread(target=other)
        loop.call_soon(thread.start)
        loop.run_forever()
        thread.join()
        support.run_until(loop, lambda: seen)


class TestCallbacksAreChecked:
    @pytest.mark.parametrize(
        'method', ['call_soon', 'call_soon_threadsafe', 'call_later', 'call_at']
    )
    def test_coroutine_function(self, debug_loop, method):
        before = (0,) if method in ('call_later', 'call_at') else ()
        name = 'call_at' if method == 'call_later' else method
        with pytest.raises(TypeError, match=rf'^coroutines cannot be used with {name}\(\)$'):
            getattr(debug_loop, method)(*before, answer)

    def test_coroutine(self, debug_loop):
        coro = answer()
        with pytest.raises(TypeError, match=r'^coroutines cannot be used with call_soon\(\)$'):
            debug_loop.call_soon(coro)
        coro.close()

    @pytest.mark.parametrize('bad', [None, 1, 'x'])
    def test_not_callable(self, debug_loop, bad):
        for name in ('call_soon', 'call_soon_threadsafe'):
            with pytest.raises(
                TypeError,
                match=rf'^a callable object was expected by {name}\(\), got {bad!r}$',
            ):
                getattr(debug_loop, name)(bad)
        with pytest.raises(
            TypeError, match=rf'^a callable object was expected by call_at\(\), got {bad!r}$'
        ):
            debug_loop.call_at(1, bad)

    def test_not_checked_without_debug(self, loop):
        loop.call_later(60, None).cancel()
        loop.call_soon(1).cancel()
        support.run_once(loop)

    def test_run_in_executor(self, debug_loop):
        with pytest.raises(
            TypeError, match=r'^coroutines cannot be used with run_in_executor\(\)$'
        ):
            debug_loop.run_in_executor(None, answer)


class TestSwitching:
    def test_while_running(self, loop):
        seen = []

        async def main():
            loop.set_debug(True)
            await asyncio.sleep(0)
            seen.append(loop.create_future()._source_traceback is not None)
            seen.append(loop.call_soon(int)._source_traceback is not None)
            seen.append(sys.get_coroutine_origin_tracking_depth() > 0)
            loop.set_debug(False)
            await asyncio.sleep(0)
            seen.append(loop.create_future()._source_traceback is None)
            seen.append(loop.call_soon(int)._source_traceback is None)
            seen.append(sys.get_coroutine_origin_tracking_depth())

        loop.run_until_complete(main())
        assert seen == [True, True, True, True, True, 0]

    def test_origin_tracking_is_put_back(self, debug_loop):
        before = sys.get_coroutine_origin_tracking_depth()
        seen = []
        debug_loop.call_soon(lambda: seen.append(sys.get_coroutine_origin_tracking_depth()))
        support.run_once(debug_loop)
        assert seen[0] > 0
        assert sys.get_coroutine_origin_tracking_depth() == before

    def test_environment(self, impl):
        for value, expected in (('1', 'True'), ('', 'False')):
            with support.environment(PYTHONASYNCIODEBUG=value):
                out, _ = support.run_script(
                    impl, 'loop = new_event_loop(); print(loop.get_debug()); loop.close()'
                )
            assert out == f'{expected}\n'

    def test_dev_mode(self, impl):
        out, _ = support.run_script(
            impl,
            'loop = new_event_loop(); print(loop.get_debug()); loop.close()',
            options=('-X', 'dev'),
        )
        assert out == 'True\n'


class TestNeverAwaited:
    def test_tells_where_it_was_made(self, debug_loop):
        async def main():
            answer()

        with pytest.warns(RuntimeWarning, match=r'never awaited') as caught:
            debug_loop.run_until_complete(main())
            gc.collect()
        text = str(caught[0].message)
        assert text.startswith("coroutine 'answer' was never awaited\nCoroutine created at (most")
        assert f'File "{HERE}", line {main.__code__.co_firstlineno + 1}, in main' in text


class TestWorks:
    """Everything in debug mode, once."""

    def test_a_bit_of_everything(self, debug_loop):
        async def child(number):
            await asyncio.sleep(0)
            return number

        async def main():
            fut = debug_loop.create_future()
            debug_loop.call_later(0.001, fut.set_result, 'timer')
            threadsafe = debug_loop.create_future()
            debug_loop.call_soon_threadsafe(threadsafe.set_result, 'threadsafe')
            gathered = await asyncio.gather(*(child(n) for n in range(5)))
            return gathered, await fut, await threadsafe, await asyncio.to_thread(int)

        assert debug_loop.run_until_complete(main()) == (list(range(5)), 'timer', 'threadsafe', 0)

    def test_exception_out_of_a_task(self, debug_loop):
        async def main():
            raise KeyError('k')

        with pytest.raises(KeyError) as caught:
            debug_loop.run_until_complete(main())
        caught.value.__traceback__ = None
