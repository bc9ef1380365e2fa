"""The way in: what people hand over is judged, kept, and written down before the answer leaves.

`photos` is the door; `limits`, `names` and `archive` judge; `receipts` answers the same request the same way twice;
`bring` is the part that runs later, on the `io` worker.
"""
