"""Where each part is at its end, the nearest first, as the figures have it."""

from dataclasses import dataclass

from bench.read import FULL_TURN, Costs
from bench.table import many, prose, table, up

ORDER = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True)
class End:
    """A part, the photos per second at which it is full, how that is known, what to know of it; and what would have to
    change where many of it are not the answer."""

    part: str
    rate: float
    how: str
    said: str
    beyond: str = ""


def ends(costs: Costs) -> list[End]:
    """Of one machine and one process of each kind."""
    redis, network = costs.all_rooms("redis_ms"), costs.mixed("network") / costs.mixed("seconds")
    found = [
        End("cores for pixels", costs.per_core * costs.cores, f"measured: a house on {costs.cores} cores",
            f"Each core adds {costs.per_core:.2f} photos/s, on as many machines as you like. A GPU, or OpenVINO on a"
            f" processor with AMX, takes the network's part away, {100 * network:.0f} % of a photo here; the rest"
            " stays."),
        End("one web process", costs.house["door"]["together"], "measured: photos in drops",
            "Each photo is judged by its header, written and synced. Several web processes stand behind one proxy; with"
            " a bucket, browsers and programs send straight into it, and the bytes pass no web process at all.",
            "uploads straight into the bucket only, and downloads only from it (`direct=true`)."),
        End("PostgreSQL", costs.lives, f"measured: the ledger alone on {costs.cores} cores",
            "Its transactions are short and many, so the disk's `fsync` and the processor count; a machine with more"
            " cores for it takes as much more. Photos of one person end one after the other, as each adds to that"
            " person's row of the day; so one person alone has a lower end than a thousand have.",
            "several databases, split by person, or partitions by job, so that old months are dropped and not deleted:"
            " no query joins over two people but those of the operators' pages. And fewer writes for a photo: each step"
            " is a row's update and a message today. A pooler before it, as each attempt opens a connection."),
        End("Redis, one core", 1000 / redis, f"1 s / {redis:.1f} ms",
            "It uses one core, mostly for RQ. Its memory does not grow with the queue.",
            "several Redis, one for each part of the people, or fewer messages for a photo."),
        End("the dispatcher", costs.sent, f"{FULL_TURN} nudges in a turn of {1000 * costs.full_turn:.0f} ms",
            "There is one at a time, by design. What waits is counted at each turn, so a queue that grows makes turns"
            " longer. Once a turn takes as long as three photos do, workers stand still between turns. Nothing fails"
            " then, and nobody is forgotten.",
            "several dispatchers, each for a part of the people (by their number, one lease for each part), and several"
            " queues in Redis. `turns.py` stays as it is: people in turn holds within each part."),
    ]  # fmt: skip
    return sorted(found, key=lambda end: end.rate)


def limits(costs: Costs) -> str:
    found = ends(costs)
    rows = (
        [end.part, many(end.rate), many(end.rate * 86_400), up(end.rate / costs.per_core), end.how] for end in found
    )
    head = ["part", "photos/s", "photos a day", "cores for pixels that bring it there", "how it is known"]
    said = (prose(f"**The {number} end: {end.part}.** {end.said}") for number, end in zip(ORDER, found, strict=True))
    return "\n".join([table(head, rows), *said])
