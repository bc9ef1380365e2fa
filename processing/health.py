"""Is the house ready to work? Asked by /ready and by the API."""
