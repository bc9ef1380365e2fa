"""The only writer of `Upload.status`. Each change is one conditional UPDATE; where it changes no row, somebody else
moved the upload, and the caller stops quietly. (The states are drawn in docs/architecture.md.)

`entry` is the way in, `attempt` one attempt by one worker, `parked` what waits for a dependency, `asked` what people
ask for; `rows` is what they share.
"""

from processing.ledger.asked import cancel, judge, redo, retry
from processing.ledger.attempt import claim, fail, finish, forget_nudges, give_back, nudged, renew, step, sweep
from processing.ledger.entry import bring, claim_fetch, claim_source, create, emptied_archives, postpone, to_fetch
from processing.ledger.parked import park, park_waiting, release
from processing.ledger.rows import Claim, back_off

__all__ = [
    "Claim", "back_off", "bring", "cancel", "claim", "claim_fetch", "claim_source", "create", "emptied_archives",
    "fail", "finish", "forget_nudges", "give_back", "judge", "nudged", "park", "park_waiting", "postpone", "redo",
    "release", "renew", "retry", "step", "sweep", "to_fetch",
]  # fmt: skip
