"""The queue of the house, for the page of operators: the fragments that changed, at most once a second."""

from django.contrib.auth.models import User
from django.http import Http404

from processing import access, announce, overview
from processing.live.watcher import Watcher


class QueueConsumer(Watcher):
    pause = 1.0
    span: str
    sent: dict[str, str]

    def open(self, asked: dict[str, str]) -> str:
        self.span, self.sent = overview.span_of(asked.get("span", "")), {}
        self.operator()
        return announce.QUEUE_GROUP

    def operator(self) -> User:
        """Who watches. Raises Http404 for anybody but an operator on a page: programs have the API."""
        if not access.is_operator(self.who) or not isinstance(self.who, User):
            raise Http404("There is no such page here.")
        return self.who

    async def changed(self, event: dict[str, object]) -> None:
        overview.shared.forget()
        await super().changed(event)

    def look(self) -> list[str]:
        found = overview.fragments(self.span, self.operator())
        changed = [text for name, text in found.items() if text != self.sent.get(name)]
        self.sent = found
        return ["".join(changed)] if changed else []
