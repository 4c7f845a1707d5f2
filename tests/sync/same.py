"""Scenarios told step by step, to compare what ours tell with what stock asyncio tells."""

from __future__ import annotations

import asyncio
import gc
import re


def tell(error):
    """An exception with all that hangs on it, as plain data."""
    if error is None:
        return None
    told = [type(error).__name__, str(error), error.__suppress_context__]
    told.append(tell(error.__cause__))
    told.append(tell(error.__context__))
    if isinstance(error, BaseExceptionGroup):
        told.append([tell(inner) for inner in error.exceptions])
    return told


def plain(text):
    """A text without addresses and tasks' states, and with asyncio's name for ours."""
    text = re.sub(r'<Task .*?>(?= (has|is) )', '<Task>', text)
    return re.sub(r' at 0x[0-9a-f]+', '', text).replace('pyasync', 'asyncio')


class Teller:
    """What a scenario is given: the namespace under test, and the list that it writes to."""

    def __init__(self, aio, loop):
        self.aio = aio
        self.loop = loop
        self.told = []
        loop.set_exception_handler(self.handle)

    def handle(self, loop, context):
        self('handler', plain(context['message']), tell(context.get('exception')))

    def __call__(self, *what):
        self.told.append(what)

    async def turns(self, count=3):
        for _ in range(count):
            await asyncio.sleep(0)

    async def attempt(self, coroutine):
        """Await it and tell how it ended."""
        try:
            self('returned', await coroutine)
        except BaseException as error:
            self('raised', tell(error))

    def task(self, scope=None):
        """Tell what the running task has of cancellations."""
        task = asyncio.current_task()
        self('cancelling', task.cancelling(), task._must_cancel)


class Scenarios(dict):
    """Scenarios by what they are about."""

    def case(self, name, needs=True):
        """A decorator that keeps the function, where the running version has what it needs."""

        def keep(function):
            if needs:
                self[name] = function
            return function

        return keep


def story(aio, loop, scenario):
    """All that a scenario tells, on that loop."""
    teller = Teller(aio, loop)

    async def main():
        task = asyncio.ensure_future(scenario(teller))
        try:
            await task
        except BaseException as error:
            teller('ended by', tell(error))
        return task

    try:
        task = loop.run_until_complete(main())
    except BaseException as error:
        teller('stopped by', tell(error))
    else:
        teller('counts', task.cancelling())
        del task
    for left in asyncio.all_tasks(loop):
        left.cancel()
    for _ in range(5):
        loop.call_soon(loop.stop)
        loop.run_forever()
    gc.collect()
    return teller.told


def stock_story(scenario):
    """What stock asyncio tells."""
    loop = asyncio.SelectorEventLoop()
    try:
        return story(asyncio, loop, scenario)
    finally:
        loop.close()


def check(aio, loop, scenario):
    told = story(aio, loop, scenario)
    assert told
    assert told == stock_story(scenario)
