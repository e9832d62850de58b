"""What runs as long as the page is served. Knows none of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette

from . import gradio_internals

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def lifespan(inner: Lifespan, *running: Callable[[], Coroutine[None, None, None]]) -> Lifespan:
    """`inner` with each of `running` beside it, which are cancelled at its end."""

    @asynccontextmanager
    async def started(app: Starlette) -> AsyncGenerator[None]:
        gradio_internals.leave_origins_to_us(app)
        tasks = [asyncio.create_task(each()) for each in running]
        async with inner(app):
            yield
        for task in tasks:
            task.cancel()

    return started
