"""Of a photo's metadata the author's name and right may stay; nothing else ever leaves the house."""

import io
import struct

import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from processing.pipeline.decode import decode
from processing.pipeline.metadata import LONGEST, cleaned
from processing.pipeline.run import run
from processing.recipe import Recipe

from .conftest import LIMITS, corners, file, opened
from .profiles import P3, rgb

Base = ExifTags.Base
SECRET = "Camera maker"
PLACE = 0x8825  # the EXIF tag of the GPS directory
FORMATS = ["png", "webp", "jpg", "avif"]
AUTHOR = {"artist": "Zoë Müller", "copyright": "© 2024 Müller & Co"}
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description><dc:creator><rdf:Seq><rdf:li>Zoë Müller</rdf:li>'
    '</rdf:Seq></dc:creator><dc:rights>\n<rdf:Alt><rdf:li xml:lang="x-default">© 2024 Müller &amp; Co</rdf:li>'
    f"</rdf:Alt></dc:rights><dc:description>{SECRET}</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
).encode()


def exif(artist: str = AUTHOR["artist"], copyright: str = AUTHOR["copyright"]) -> Image.Exif:
    found = Image.Exif()
    found[Base.Artist], found[Base.Copyright] = artist.encode(), copyright.encode()
    found[Base.Make] = found[Base.ImageDescription] = SECRET
    found.get_ifd(PLACE)[2] = (48.0, 12.0, 30.0)
    found.get_ifd(ExifTags.IFD.Exif)[Base.MakerNote] = SECRET.encode()
    return found


def iptc(*records: tuple[int, str]) -> bytes:
    """A JPEG segment as Photoshop writes it."""
    said = b"".join(
        b"\x1c\x02" + struct.pack(">BH", kind, len(text.encode())) + text.encode() for kind, text in records
    )
    block = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(said)) + said + bytes(len(said) % 2)
    return b"\xff\xed" + struct.pack(">H", len(block) + 2) + block


def full(format: str) -> bytes:
    """A photo that says everything about itself, in every way its format knows."""
    said: dict[str, object] = {"exif": exif(), "xmp": XMP, "dpi": (72, 72), "icc_profile": rgb(SECRET, P3)}
    if format == "JPEG":
        said["comment"] = SECRET.encode()
    if format == "PNG":
        said["pnginfo"] = text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        text.add_text("Comment", SECRET)
    data = file(corners(), format, **said)
    return data[:2] + iptc((80, "Zoë Müller"), (120, SECRET)) + data[2:] if format == "JPEG" else data


def credit(data: bytes) -> dict[str, str]:
    return decode(data, LIMITS).credit


def said_by(image: Image.Image) -> dict[int, object]:
    """The EXIF of a result, without its resolution; the strings are bytes of UTF-8 that Pillow reads as Latin-1."""
    found = dict(image.getexif())
    for tag in (Base.XResolution, Base.YResolution, Base.ResolutionUnit):
        found.pop(tag, None)
    return {tag: str(value).encode("latin-1").decode() for tag, value in found.items()}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("kept", ["strip", "keep-copyright"])
def test_no_file_tells_where_or_with_what_it_was_taken(format: str, source: str, kept: str) -> None:
    files = run(full(source), Recipe(remove_bg=False, format=format, metadata=kept), limits=LIMITS).files
    assert len(files) == 4
    for made in files:
        image = opened(made.data)
        assert SECRET.encode() not in made.data
        assert not {"icc_profile", "xmp", "comment", "photoshop"} & set(image.info)
        assert not image.getexif().get_ifd(PLACE)
        credited = kept == "keep-copyright" and not made.name.startswith("source")
        assert said_by(image) == (
            {Base.Artist: AUTHOR["artist"], Base.Copyright: AUTHOR["copyright"]} if credited else {}
        )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kept", ["strip", "keep-copyright"])
def test_every_file_says_the_resolution_asked_for(format: str, kept: str) -> None:
    result = opened(
        run(full("JPEG"), Recipe(remove_bg=False, format=format, metadata=kept, dpi=254), limits=LIMITS).files[0].data
    )
    if format in ("png", "jpg"):
        assert result.info["dpi"] == pytest.approx((254, 254))
    if format in ("webp", "avif") or kept == "keep-copyright":
        tags = result.getexif()
        assert (tags[Base.XResolution], tags[Base.YResolution], tags[Base.ResolutionUnit]) == (254, 254, 2)


def test_the_author_is_found_in_iptc_and_xmp_too() -> None:
    plain = file(corners(), "JPEG")
    assert credit(plain) == {}
    assert credit(file(corners(), "JPEG", xmp=XMP)) == AUTHOR
    by_line = iptc((80, "Zoë"), (80, "Jo"), (116, "© 2024"))
    assert credit(plain[:2] + by_line + plain[2:]) == {"artist": "Zoë; Jo", "copyright": "© 2024"}
    both = file(corners(), "JPEG", xmp=XMP, exif=exif("Jo", ""))
    assert credit(both) == {"artist": "Jo", "copyright": AUTHOR["copyright"]}


def test_hostile_strings_become_one_short_line() -> None:
    found = credit(file(corners(), "JPEG", exif=exif("Jo\0\x1b[31m\r\n\u202eevil", "x" * 60_000)))
    assert found == {"artist": "Jo [31m evil", "copyright": "x" * LONGEST}
    assert [cleaned(value) for value in (None, b"\xff\xfe", ("a", "b"), 7, " \n")] == ["", "ÿþ", "('a', 'b')", "7", ""]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "segment",
    [
        b"\xff\xe1\x00\x20Exif\0\0MM\0*\xff\xff\xff\xffnonsense, and more",
        b"\xff\xe1\x00\x0aExif\0\0MM",
        b"\xff\xed\x00\x20Photoshop 3.0\x008BIM\x04\x04\0\0\xff\xff\xff\xff",
        b"\xff\xed\x00\x1ePhotoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x02\x1c\x02",
        b"\xff\xe1\x00\x40http://ns.adobe.com/xap/1.0/\0<dc:creator><rdf:Seq><rdf:li><rdf:".ljust(66, b"<"),
    ],
    ids=["exif", "short exif", "photoshop", "iptc", "xmp"],
)
def test_broken_metadata_costs_nothing_but_itself(segment: bytes) -> None:
    plain = file(corners(), "JPEG", quality=95)
    source = decode(plain[:2] + segment + plain[2:], LIMITS)
    assert (source.image.size, source.credit) == ((120, 80), {})
    assert list(io.BytesIO(source.image.tobytes()).read(3)) == list(opened(plain).tobytes()[:3])
