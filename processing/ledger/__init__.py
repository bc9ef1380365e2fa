"""The only writer of `Upload.status`. Each change is one conditional UPDATE; where it changes no row, somebody else
moved the upload, and the caller stops quietly. (The states are drawn in docs/architecture.md.)

`entry` is the way in, `attempt` one attempt by one worker, `parked` what waits for a dependency, `asked` what people
ask for, `leave` the way out; `rows` is what they share.
"""

from processing.ledger.asked import cancel, judge, redo, remove, retry
from processing.ledger.attempt import claim, fail, finish, forget_nudges, give_back, nudged, renew, step, sweep
from processing.ledger.entry import (
    adopt,
    bring,
    claim_fetch,
    claim_found,
    claim_source,
    create,
    emptied_archives,
    postpone,
    to_come,
    to_fetch,
    to_find,
)
from processing.ledger.leave import remove_originals, remove_results
from processing.ledger.parked import OF_STORAGE, give_up, next_parked, park_waiting, parked_for, release, to_park
from processing.ledger.record import moved
from processing.ledger.rows import Claim, back_off, waiting, watched

__all__ = [
    "OF_STORAGE", "Claim", "adopt", "back_off", "bring", "cancel", "claim", "claim_fetch", "claim_found",
    "claim_source", "create", "emptied_archives", "fail", "finish", "forget_nudges", "give_back", "give_up", "judge",
    "moved", "next_parked", "nudged", "park_waiting", "parked_for", "postpone", "redo", "release", "remove",
    "remove_originals", "remove_results", "renew", "retry", "step", "sweep", "to_come", "to_fetch", "to_find",
    "to_park", "waiting", "watched",
]  # fmt: skip
