"""Our pages use no device of a visitor's, and no browser lets them."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

DEVICES = ("camera", "display-capture", "geolocation", "hid", "microphone", "midi", "payment", "serial", "usb")
POLICY = ", ".join(f"{name}=()" for name in DEVICES)


def none(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A middleware, as neither Django nor a library of ours sends this header."""

    def answered(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response["Permissions-Policy"] = POLICY
        return response

    return answered
