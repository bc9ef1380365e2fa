from processing.models.jobs import Archive, Job, Receipt, Refusal, Status, Upload, Variant, Verdict
from processing.models.lease import Lease
from processing.models.people import Invitation
from processing.models.products import OutputLinks, ProductCsv, ProductRow, RowPhoto
from processing.models.queues import Pause
from processing.models.recipes import AllowedModel, BackgroundImage, DefaultPreset, Preset
from processing.models.tokens import Scope, Token
from processing.models.webhooks import Attempt, Callback, Delivery, Endpoint, Event, EventType, SigningSecret

__all__ = [
    "AllowedModel", "Archive", "Attempt", "BackgroundImage", "Callback", "DefaultPreset", "Delivery", "Endpoint",
    "Event", "EventType", "Invitation", "Job", "Lease", "OutputLinks", "Pause", "Preset", "ProductCsv", "ProductRow",
    "Receipt", "Refusal", "RowPhoto", "Scope", "SigningSecret", "Status", "Token", "Upload", "Variant", "Verdict",
]  # fmt: skip
