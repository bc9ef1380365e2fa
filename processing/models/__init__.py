from processing.models.jobs import Archive, Incoming, Job, Receipt, Refusal, Status, Upload, Variant, Verdict
from processing.models.lease import Lease
from processing.models.people import Allowance, Invitation, Tally
from processing.models.products import OutputLinks, ProductCsv, ProductRow, RowPhoto
from processing.models.queues import Breaker, BulkAct, Crew, Milestone, Pause, Remembered
from processing.models.recipes import AllowedModel, BackgroundImage, DefaultPreset, Preset
from processing.models.tokens import Scope, Token
from processing.models.webhooks import Attempt, Callback, Delivery, Endpoint, Event, EventType, SigningSecret

__all__ = [
    "Allowance", "AllowedModel", "Archive", "Attempt", "BackgroundImage", "Breaker", "BulkAct", "Callback", "Crew",
    "DefaultPreset", "Delivery", "Endpoint", "Event", "EventType", "Incoming", "Invitation", "Job", "Lease",
    "Milestone", "OutputLinks", "Pause", "Preset", "ProductCsv", "ProductRow", "Receipt", "Refusal", "Remembered",
    "RowPhoto", "Scope", "SigningSecret", "Status", "Tally", "Token", "Upload", "Variant", "Verdict",
]  # fmt: skip
