"""What follows from the figures: at what rate each part is at its end, and how large a house must be."""

from math import ceil

from bench.read import Costs
from bench.table import many, size, table

DAYS = (10_000, 1_000_000, 100_000_000)  # photos
PEAK = 3  # times the average, in the busiest hour
FULL = 0.8  # of what there is, in that hour
MONTH = 30
BESIDE = 2.0  # GB for web, io, dispatcher, Redis


def limits(costs: Costs) -> str:
    """Each part's end, the nearest first."""
    door = costs.found["houses"]["2"]["door"]
    rows = [
        (costs.per_core, "one core of pixel workers", "measured: photos/s of a house / cores"),
        (door["together"], "one web process, photos in drops", "measured"),
        (1 / costs.nudge, "the dispatcher", f"1 s / {1000 * costs.nudge:.1f} ms for each nudge of a turn"),
        (costs.lives, f"PostgreSQL on {costs.cores} cores", "measured: the ledger alone"),
        (1000 / costs.all_rooms("redis_ms"), "Redis, one core", f"1 s / {costs.all_rooms('redis_ms'):.1f} ms"),
    ]
    return table(
        ["part", "photos/s", "photos a day", "how it is known"],
        ([part, f"{rate:,.1f}", many(rate * 86_400), how] for rate, part, how in sorted(rows)),
    )


def sizes(costs: Costs) -> str:
    columns = [_house(costs, photos) for photos in DAYS]
    return table(
        ["photos a day", *(f"{photos:,}" for photos in DAYS)],
        ([name, *(one[name] for one in columns)] for name in columns[0]),
    )


def _house(costs: Costs, photos: int) -> dict[str, str]:
    average = photos / 86_400
    peak = PEAK * average
    cores = max(1, ceil(peak / costs.per_core / FULL))
    moved = costs.mixed("sent_bytes") + costs.mixed("made_bytes")
    return {
        f"photos/s: average, busiest hour ({PEAK} x)": f"{average:,.2f}, {peak:,.2f}",
        "cores for pixels = workers": f"{cores:,}",
        f"memory: workers x {costs.worker_gb:.2f} GB + {BESIDE:.0f} GB": f"{cores * costs.worker_gb + BESIDE:,.0f} GB",
        "web processes": f"{max(1, ceil(peak / costs.found['houses']['2']['door']['together'] / FULL)):,}",
        "transactions/s": many(peak * costs.all_rooms("transactions")),
        f"database, machines of {costs.cores} cores": f"{peak / costs.lives:,.2f}",
        "rows kept a month": size(photos * MONTH * costs.row_bytes),
        "written ahead (WAL), busiest hour": f"{size(peak * costs.wal)}/s",
        "Redis commands/s": many(peak * costs.all_rooms("commands")),
        "Redis, cores": f"{peak * costs.all_rooms('redis_ms') / 1000:,.2f}",
        "dispatchers": f"{max(1, ceil(peak * costs.nudge / FULL)):,}",
        "files kept a month": size(photos * MONTH * moved),
        "requests to a bucket a month": many(photos * MONTH * costs.requests),
        "network in, busiest hour": f"{8 * peak * costs.mixed('sent_bytes') / 1e6:,.0f} Mbit/s",
        "network workers to storage": f"{8 * peak * moved / 1e6:,.0f} Mbit/s",
    }
