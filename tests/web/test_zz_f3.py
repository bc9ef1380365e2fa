import time, sys
sys.path.insert(0,"/work/main")
from tests.web import test_queries as q
def test_t(olga, as_user):
    c = as_user(olga)
    t=time.perf_counter(); a=q.filled(olga, 1000); print("fill", time.perf_counter()-t)
    for x in a:
        c.get(x)
        t=time.perf_counter(); c.get(x); print(round(time.perf_counter()-t,3), x[:70])
