"""What became of a person's photos, day by day; written in the transaction that made it true."""


def add(owner_id: int, **amounts: int) -> None:
    """Add to today's row: jobs, completed, failed, attempts, bytes_before, bytes_after. Must run in a transaction."""
