"""The web process: HTTP through Django, WebSockets through Channels, and a limit on how much a request may carry."""

import gc

from django.core.asgi import get_asgi_application

from photoproc.start import read_settings

read_settings()
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from photoproc.body import BodyLimit  # noqa: E402
from photoproc.sockets import Later  # noqa: E402
from processing import scratch  # noqa: E402
from processing.live.origin import KnownOrigin  # noqa: E402
from processing.live.routing import websocket_urlpatterns  # noqa: E402

scratch.use()  # Django spools bodies

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(django_application),
        "websocket": Later(KnownOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))),
    }
)

gc.freeze()  # what is loaded stays: not looked through again and again while 30,000 rows are made
