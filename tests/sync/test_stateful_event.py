"""Event: random schedules behave as on stock."""

from __future__ import annotations

from sync.schedules import Scenario, check_same, plain


class Events(Scenario):
    def make(self):
        self.event = self.asyncio.Event()
        self.wait = self.event.wait
        self.set = self.event.set
        self.clear = self.event.clear

    def look(self):
        event = self.event
        return plain(repr(event)), event.is_set(), len(event._waiters)


def test_schedules():
    check_same(Events, [('wait',)], [('set',), ('clear',)])
