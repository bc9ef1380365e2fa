from processing.models.jobs import Archive, Job, Receipt, Refusal, Status, Upload, Variant
from processing.models.lease import Lease
from processing.models.people import Invitation

__all__ = ["Archive", "Invitation", "Job", "Lease", "Receipt", "Refusal", "Status", "Upload", "Variant"]
