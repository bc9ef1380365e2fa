"""The web process: HTTP through Django, WebSockets through Channels, and a limit on how much a request may carry."""

import gc
import os
import tempfile

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photoproc.settings")
django_application = get_asgi_application()

from django.conf import settings  # noqa: E402

tempfile.tempdir = str(settings.TMP_DIR)  # Django spools bodies there: not into a /tmp that may be memory

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from photoproc.body import BodyLimit  # noqa: E402
from processing.live.origin import KnownOrigin  # noqa: E402
from processing.live.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(django_application),
        "websocket": KnownOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)

gc.freeze()  # what is loaded stays: not looked through again and again while 30,000 rows are made
