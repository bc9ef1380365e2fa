"""Files in a bucket."""

from processing.storage.store import Store


def of(url: str) -> Store:
    """The bucket at this address."""
    raise NotImplementedError
