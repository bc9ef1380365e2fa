from processing.models.jobs import Archive, Job, Receipt, Refusal, Status, Upload, Variant, Verdict
from processing.models.lease import Lease
from processing.models.people import Invitation
from processing.models.recipes import AllowedModel, BackgroundImage, DefaultPreset, Preset

__all__ = [
    "AllowedModel", "Archive", "BackgroundImage", "DefaultPreset", "Invitation", "Job", "Lease", "Preset", "Receipt",
    "Refusal", "Status", "Upload", "Variant", "Verdict",
]  # fmt: skip
