"""The web process: HTTP through Django, WebSockets through Channels, and a limit on how much a request may carry."""

import gc
from threading import Event, Thread

import django

from photoproc.start import read_settings

read_settings()
django.setup(set_prefix=False)

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.sessions import CookieMiddleware  # noqa: E402

from photoproc.body import BodyLimit  # noqa: E402
from photoproc.form import Handler  # noqa: E402
from photoproc.sockets import Later  # noqa: E402
from processing import scratch  # noqa: E402
from processing.live.origin import KnownOrigin  # noqa: E402
from processing.live.routing import websocket_urlpatterns  # noqa: E402

scratch.use()  # what is sent lies there first, and what a stop cuts off is left there
Thread(target=scratch.keep_clear, args=[Event()], name="scratch", daemon=True).start()

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(Handler()),
        "websocket": Later(KnownOrigin(CookieMiddleware(URLRouter(websocket_urlpatterns)))),
    }
)

gc.freeze()  # what is loaded stays: not looked through again and again while 30,000 rows are made
