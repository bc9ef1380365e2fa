"""How large a house must be, and what would have to change beyond that."""

from bench.ends import ends
from bench.read import Costs
from bench.table import many, prose, size, table, up, whole

DAYS = (10_000, 1_000_000, 100_000_000)  # photos
PEAK = 3  # times the average, in the busiest hour
FULL = 0.8  # of what there is, in that hour
MONTH = 30
BESIDE = 2.0  # GB for web, io, dispatcher, Redis


def sizes(costs: Costs) -> str:
    columns = [_house(costs, photos) for photos in DAYS]
    rows = ([name, *(one[name] for one in columns)] for name in columns[0])
    return table(["photos a day", *(f"{photos:,}" for photos in DAYS)], rows) + _said(*columns)


def _house(costs: Costs, photos: int) -> dict[str, str]:
    average = photos / 86_400
    peak = PEAK * average
    cores = whole(peak / costs.per_core / FULL)
    moved = costs.mixed("sent_bytes") + costs.mixed("made_bytes")
    return {
        "photos/s: average": many(average),
        f"photos/s: busiest hour ({PEAK} x)": many(peak),
        "cores for pixels = workers": f"{cores:,}",
        f"memory, GB: workers x {costs.worker_gb:.2f} + {BESIDE:.0f}": up(cores * costs.worker_gb + BESIDE),
        "web processes": up(peak / costs.house["door"]["together"] / FULL),
        "transactions/s": many(peak * costs.all_rooms("transactions")),
        f"database, machines of {costs.cores} cores": up(peak / costs.lives / FULL),
        "rows kept a month": size(photos * MONTH * costs.row_bytes),
        "written ahead (WAL), busiest hour": f"{size(peak * costs.wal)}/s",
        "Redis commands/s": many(peak * costs.all_rooms("commands")),
        "Redis, each on one core": up(peak * costs.all_rooms("redis_ms") / 1000 / FULL),
        "dispatchers at work": up(peak / costs.sent / FULL),
        "files kept a month": size(photos * MONTH * moved),
        "requests to a bucket a month": many(photos * MONTH * costs.requests),
        "network in, busiest hour, Mbit/s": up(8 * peak * costs.mixed("sent_bytes") / 1e6),
        "network workers to storage, Mbit/s": up(8 * peak * moved / 1e6),
    }


def _said(few: dict[str, str], more: dict[str, str], most: dict[str, str]) -> str:
    cores, web = "cores for pixels = workers", "web processes"
    said = (
        f"**10 thousand a day**: one machine, as `script/server` starts it, on SQLite and its disk; cores for pixels:"
        f" {few[cores]}.",
        f"**A million a day**: PostgreSQL apart, a bucket, a front (web processes: {more[web]}; a dispatcher; `io`)"
        f" with a second one beside it, and machines of workers; cores for pixels: {more[cores]}. Nothing has to be"
        " changed but the three addresses. Two dispatchers run, one works. Set `PHOTO_KEEP_ORIGINALS_DAYS` and"
        " `PHOTO_KEEP_RESULTS_DAYS`: storage is what costs most after a while.",
        f"**100 million a day**: beyond what this code was built for; cores for pixels: {most[cores]}.",
    )
    return "\n" + "".join(prose(one, "- ") for one in said)


def changes(costs: Costs) -> str:
    """What one of each cannot carry at the most photos, the fullest first."""
    peak = PEAK * DAYS[-1] / 86_400
    over = (end for end in ends(costs) if end.beyond and peak > FULL * end.rate)
    return "".join(
        prose(f"*{end.part}*, {up(peak / end.rate / FULL)} times its end: {end.beyond}", f"{number}. ")
        for number, end in enumerate(over, 1)
    )
