from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from processing.live.consumers import JobConsumer
from processing.live.programs import ImagesSocket, JobSocket
from processing.live.queue import QueueConsumer

websocket_urlpatterns = [
    path("live/jobs/<int:pk>/", JobConsumer.as_asgi()),
    path("ws/job/<int:pk>", JobSocket.as_asgi()),
    path("ws/queue/", QueueConsumer.as_asgi()),
    path("ws/images", ImagesSocket.as_asgi()),
    re_path("", WebsocketDenier.as_asgi()),  # any other is refused
]
