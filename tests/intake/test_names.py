import unicodedata

import pytest

from processing.intake.names import Names, clean, plain

SENT_AND_CLEAN = [
    ("cat.jpg", "cat.jpg"),
    ("Cat Photo (1).JPG", "Cat Photo (1).JPG"),
    ("../../etc/passwd.png", "passwd.png"),
    ("/etc/cron.d/job.png", "job.png"),
    ("C:\\Users\\alice\\cat.png", "cat.png"),
    ("..\\..\\cat.png", "cat.png"),
    ("..", "photo"),
    (".", "photo"),
    ("", "photo"),
    ("   ", "photo"),
    ("\u200e\u202e", "photo"),
    (".jpg", "photo.jpg"),
    (".hidden.png", "hidden.png"),
    ("invoice\u202egpj.exe", "invoicegpj.exe"),
    ("a\x00b\nc\x7f.png", "abc.png"),
    ("half\ud800.png", "half.png"),
    ("cafe\u0301.png", "caf\u00e9.png"),
    ("con.png", "_con.png"),
    ("LPT1.tar.gz", "_LPT1.tar.gz"),
    ("nul", "_nul"),
    ("COM\u00b9.jpg", "_COM\u00b9.jpg"),
    ("console.png", "console.png"),
    ('a<b>:"c|d?*.png', "a_b___c_d__.png"),
    ("ends with dot .", "ends with dot"),
    ("Mr. Smith", "Mr. Smith"),
    ("photo\u2028two.jpg", "phototwo.jpg"),
    ("写真.jpg", "写真.jpg"),
    ("👨\u200d👩\u200d👧.png", "👨\u200d👩\u200d👧.png"),
    ("🙂.jpg/", "photo"),
]


@pytest.mark.parametrize(("sent", "expected"), SENT_AND_CLEAN)
def test_a_name_is_made_safe(sent: str, expected: str) -> None:
    assert clean(sent) == expected


@pytest.mark.parametrize("stem", ["a" * 500, "é" * 500, "写" * 500, "👩" * 500, "e\u0301" * 500])
@pytest.mark.parametrize("extension", [".png", ".JPEG"])
def test_a_long_name_is_cut_and_keeps_its_extension(stem: str, extension: str) -> None:
    name = clean(stem + extension)
    assert name.endswith(extension)
    assert 50 < len(name) <= 150
    assert len(name.encode()) <= 240
    assert unicodedata.is_normalized("NFC", name)


def test_a_clean_name_stays_as_it_is() -> None:
    for sent, _ in SENT_AND_CLEAN:
        assert clean(clean(sent)) == clean(sent)


def test_the_shown_name_keeps_its_folders_and_loses_what_cannot_be_seen() -> None:
    assert plain("../spring\\\u202ecat\x00.png") == "../spring\\cat.png"
    assert len(plain("a" * 5000)) == 1024


def test_equal_names_are_numbered_whatever_their_case() -> None:
    names = Names(["dog.png"])
    given = [names.give(name) for name in ("cat.png", "CAT.png", "b/cat.png", "Dog.png", "cat (2).png", "cat.png")]
    assert given == ["cat.png", "CAT (2).png", "cat (3).png", "Dog (2).png", "cat (2) (2).png", "cat (4).png"]


def test_long_equal_names_stay_short_and_differ() -> None:
    names = Names()
    given = [names.give("写" * 400 + ".png") for _ in range(12)]
    assert len(set(given)) == 12
    assert all(len(name.encode()) <= 240 and name.endswith(".png") for name in given)


def test_ten_thousand_equal_names_are_numbered_quickly() -> None:
    names = Names()
    assert len({names.give("cat.png") for _ in range(10_000)}) == 10_000
