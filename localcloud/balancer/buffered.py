"""What a stream's reader holds."""

from asyncio import StreamReader


def held(reader: StreamReader) -> int:
    """Return how many bytes are here that nobody has read yet."""
    return len(reader._buffer)  # type: ignore[attr-defined]  # asyncio says it in no other way
