import time
from django.db import connection
from processing.models import *
from processing.hooks import endpoints
from tests.hooks import told
def test_perf(alice):
    rows=[told.endpoint(alice) for _ in range(20)]
    for e in rows[1:]:
        told.delivery(e,500,200,ended="delivered")
    ev=Event.objects.bulk_create([Event(owner=alice,type="job.completed",body="{}") for _ in range(100000)])
    ds=Delivery.objects.bulk_create([Delivery(event=x,endpoint=rows[0],attempts=1,answer="200 OK",delivered_at=x.created_at) for x in ev])
    Attempt.objects.bulk_create([Attempt(delivery=d,number=1,url="x",status=200) for d in ds])
    with connection.cursor() as c: c.execute("ANALYZE") if False else None
    q=endpoints.standing(Endpoint.objects.all())
    t=time.time(); list(q); print("standing", time.time()-t)
    t=time.time(); list(q.filter(pk=rows[0].pk)); print("busy one", time.time()-t)
    t=time.time(); list(q.filter(pk=rows[5].pk)); print("quiet one", time.time()-t)
    r=Delivery.objects.filter(endpoint=rows[0])
    t=time.time(); [endpoints.deliveries(r,s).count() for s in endpoints.Outcome]; print("counts", time.time()-t)
    t=time.time(); list(endpoints.deliveries(r,"failed")[:50]); print("failed page", time.time()-t)
    t=time.time(); list(endpoints.deliveries(r)[:50]); print("page", time.time()-t)
