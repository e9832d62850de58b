"""Notices that the process is out of file descriptors. libuv, which accepts connections here, then
closes each new one without a word."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between two looks
SAY_SECONDS = 60.0  # between two lines in the log
TELL_SECONDS = 60.0  # for so long it stays a problem after it was seen: a probe comes seldom

SENTENCE = (
    "The process has no file descriptor left, so new connections are closed at once. Start it with "
    "a higher limit (`ulimit -n 65536`, in systemd `LimitNOFILE=65536`), and let the proxy limit "
    "the connections of one address."
)


class Descriptors:
    """Whether this process can still open a file or a connection."""

    def __init__(self) -> None:
        self._seen = self._said = float("-inf")

    def look(self) -> None:
        """Opens a file and closes it. Raises what keeps it from that, but for a lack of
        descriptors, which it remembers and logs."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as exc:
            if exc.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._seen = now = time.monotonic()
            if now >= self._said + SAY_SECONDS:
                self._said = now
                log.error(SENTENCE)

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def problems(self) -> list[str]:
        """The sentence, for a while after it was so."""
        return [SENTENCE] if time.monotonic() < self._seen + TELL_SECONDS else []
