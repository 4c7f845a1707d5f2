from asyncio.selector_events import *  # noqa: F403
