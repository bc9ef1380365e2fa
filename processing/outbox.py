"""The outbox of webhooks: what has happened is written in the transaction that makes it true, and delivered later."""
