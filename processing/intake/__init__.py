"""The way in: what people hand over is judged, kept, and written down before the answer leaves.

`photos` is the door, `addresses` the one for photos that lie elsewhere, `products` the one for CSVs; `limits`, `names`
and `archive` judge; `receipts` answers the same request the same way twice; `bring` and `fetch` run later, on the `io`
worker.
"""
