"""How often one may ask."""

from django.http import HttpRequest
from ninja.throttling import BaseThrottle


class Rate(BaseThrottle):
    def allow_request(self, request: HttpRequest) -> bool:
        return True
