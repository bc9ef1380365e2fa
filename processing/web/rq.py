"""What RQ says of itself, under the names of django-rq, whose own collector runs RQ's clean-up with every look."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from rq import Queue, Worker
from rq.registry import (
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)

from processing import queue

REGISTRIES = {
    "started": StartedJobRegistry,
    "finished": FinishedJobRegistry,
    "failed": FailedJobRegistry,
    "deferred": DeferredJobRegistry,
    "scheduled": ScheduledJobRegistry,
}


def metrics() -> Iterator[Metric]:
    """Raises redis.RedisError."""
    workers = GaugeMetricFamily("rq_workers", "RQ workers", labels=["name", "state", "queues"])
    per_worker = ["name", "queues"]
    successful = CounterMetricFamily("rq_job_successful", "RQ successful job count", labels=per_worker)
    failed = CounterMetricFamily("rq_job_failed", "RQ failed job count", labels=per_worker)
    working = CounterMetricFamily("rq_working_seconds", "RQ total working time", labels=per_worker)
    for worker in Worker.all(connection=queue.quick()):
        who = [worker.name, ",".join(worker.queue_names())]
        workers.add_metric([who[0], str(worker.get_state()), who[1]], 1)
        successful.add_metric(who, worker.successful_job_count)
        failed.add_metric(who, worker.failed_job_count)
        working.add_metric(who, worker.total_working_time)
    yield from (workers, successful, failed, working, _jobs())


def _jobs() -> GaugeMetricFamily:
    jobs = GaugeMetricFamily("rq_jobs", "RQ jobs by status", labels=["queue", "status"])
    for name in (queue.PHOTOS, queue.SOON, queue.IO):
        jobs.add_metric([name, "queued"], Queue(name, connection=queue.quick()).count)
        for status, registry in REGISTRIES.items():
            here = registry(name, connection=queue.quick())
            jobs.add_metric([name, status], here.get_job_count(cleanup=False))
    return jobs
