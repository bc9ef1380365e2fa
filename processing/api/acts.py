"""What is done with photos on somebody's word; where it changes none of them, that is 409."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import QuerySet

from processing import ledger
from processing.errors import PhotoError
from processing.models import Upload


@dataclass(frozen=True)
class Act:
    """`do` gives the number of photos that it changed; `nothing` says why it changed none; `verb` is what an operator
    needs the permission for."""

    do: Callable[["QuerySet[Upload]"], int]
    nothing: str
    verb: str = "change"

    def on(self, uploads: "QuerySet[Upload]") -> int:
        """Raises PhotoError `nothing_to_do`."""
        count = self.do(uploads)
        if not count:
            raise PhotoError("nothing_to_do", reason=self.nothing)
        return count


RETRY = Act(ledger.retry, "Only photos that failed or were cancelled can be retried", "retry")
CANCEL = Act(ledger.cancel, "Only photos that have not ended can be cancelled", "cancel")
