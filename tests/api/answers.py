"""What came with an answer."""

from typing import Any

from asgiref.sync import async_to_sync


def content(answer: Any) -> bytes:
    """The whole of it, whether or not it streams."""

    async def read() -> bytes:
        return b"".join([piece async for piece in answer])

    return async_to_sync(read)() if answer.streaming else answer.content
