"""Which column of a CSV is which, by its name."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import takewhile

from processing import spreadsheet
from processing.errors import PhotoError

TITLES = {"serial": "S. No.", "name": "Product Name", "urls": "Input Image Urls"}
# What others call them, the surest first; as `plain` has them, without an s at the end.
ALIASES = {
    "serial": """
        serialnumber serialno serial srno slno sku articlenumber articleno itemnumber itemno itemid productnumber
        productno productid productcode partnumber artikelnummer artikelnr artnr bestellnummer bestellnr produktnummer
        produktnr seriennummer laufendenummer lfdnr handle number nummer nr no id #
        """,
    "name": """
        producttitle title product name itemname itemtitle articlename produktname produkttitel artikelname
        artikelbezeichnung produktbezeichnung bezeichnung titel produkt artikel
        """,
    "urls": """
        inputimageurl inputurl imageurl imagelink imagesrc imagesource imageaddresse imageaddres productimageurl
        productimage image imgurl imgsrc img pictureurl picturelink picture photourl photolink photo bildurl bilderurl
        bildlink bildadresse bildadressen produktbilder produktbild artikelbilder artikelbild bilder bild fotourl foto
        url link
        """,
}
REPEATED = ("handle",)  # Shopify repeats a product's in a row of its own for each further photo
MOST_TOLD, LONGEST_TOLD = 12, 40
LONGEST = 200  # characters of a name that are looked at; no title is half as long


def plain(name: str) -> str:
    """A column's name without case, spacing, dots, underscores: `S. No.` → `sno`."""
    folded = unicodedata.normalize("NFKC", name[:LONGEST]).casefold()  # of more it would take minutes
    return re.sub(r"[\W_]+", "", folded) or folded.strip()


def find(header: Sequence[str]) -> dict[str, int]:
    """`serial`, `name`, `urls` → their places in the header, of those that are there. The house's own names win."""
    names = [plain(name) for name in header]
    others = [name.removesuffix("s") for name in names]
    found: dict[str, int] = {}
    for column, title in TITLES.items():
        if (own := plain(title)) in names:
            found[column] = names.index(own)
        elif alias := next((one for one in ALIASES[column].split() if one in others), None):
            found[column] = others.index(alias)
    return found


def own(header: Sequence[str]) -> dict[str, int]:
    """The columns that an export of ours added, by name: the output, and the details that follow it directly."""
    names = [plain(name) for name in header]
    output = plain(spreadsheet.OUTPUT)
    if output not in names:
        return {}
    first = len(names) - 1 - names[::-1].index(output)
    titles = (spreadsheet.OUTPUT, *spreadsheet.DETAILS)
    after = zip(titles, range(first, len(names)), strict=False)
    return dict(takewhile(lambda one: names[one[1]] == plain(one[0]), after))


def repeats(name: str) -> bool:
    """Whether serial numbers of a column of this name may stand in several rows."""
    return plain(name).removesuffix("s") in REPEATED


def check(found: Mapping[str, int], header: Sequence[str]) -> None:
    """Raises PhotoError `csv_bad_header` where one of the three is missing, or lies outside of the header."""
    missing = [title for column, title in TITLES.items() if not 0 <= found.get(column, -1) < len(header)]
    if missing:
        raise PhotoError("csv_bad_header", missing=", ".join(missing), found=_told(header))


def _told(header: Sequence[str]) -> str:
    named = [" ".join(name.split()) for name in header if name.strip()]
    told = [name if len(name) <= LONGEST_TOLD else f"{name[: LONGEST_TOLD - 1]}…" for name in named[:MOST_TOLD]]
    return ", ".join(told) + (f" and {len(named) - MOST_TOLD} more" if len(named) > MOST_TOLD else "")
