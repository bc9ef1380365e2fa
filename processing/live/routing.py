from django.urls import path

from processing.live.consumers import JobConsumer

websocket_urlpatterns = [path("live/jobs/<int:pk>/", JobConsumer.as_asgi())]
