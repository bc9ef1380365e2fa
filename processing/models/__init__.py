from processing.models.jobs import Archive, Job, Receipt, Refusal, Status, Upload, Variant, Verdict
from processing.models.lease import Lease
from processing.models.people import Invitation
from processing.models.products import OutputLinks, ProductCsv, ProductRow, RowPhoto
from processing.models.recipes import AllowedModel, BackgroundImage, DefaultPreset, Preset
from processing.models.webhooks import Callback, SigningSecret

__all__ = [
    "AllowedModel", "Archive", "BackgroundImage", "Callback", "DefaultPreset", "Invitation", "Job", "Lease",
    "OutputLinks", "Preset", "ProductCsv", "ProductRow", "Receipt", "Refusal", "RowPhoto", "SigningSecret", "Status",
    "Upload", "Variant", "Verdict",
]  # fmt: skip
