"""Product CSVs before Start: sending one, mending its rows in the page, reading it otherwise, its options, Start."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processing import presets
from processing.intake import products
from processing.models import Callback, Job, ProductRow
from processing.recipe import Recipe
from tests import make
from tests.conftest import picture
from tests.web.test_forms import sent

SignIn = Callable[[User], Client]

HEADER = "S. No.,Product Name,Input Image Urls"
WRONG = ["1,Kettle,htp://cdn.example.com/kettle.jpg", "2,Board,", "3,Chair,http://10.0.0.12/chair.jpg",
         "1,Lamp,https://cdn.example.com/lamp.jpg", "5,Mug,https://cdn.example.com/mug.jpg"]  # fmt: skip
CALLBACK = "https://shop.example.com/done"


@pytest.fixture
def client(alice: User, as_user: SignIn) -> Client:
    return as_user(alice)


def table(*lines: str, name: str = "spring.csv", encoding: str = "utf-8") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, "\r\n".join([HEADER, *lines]).encode(encoding))


@pytest.fixture
def job(alice: User) -> Job:
    """A draft with a wrong address, none, a forbidden one, a serial number that was there before, and a row that can
    run; in lines 2 to 6."""
    return products.accept(alice, table(*WRONG), products.DEFAULT)


def row(job: Job, line: int) -> ProductRow:
    return job.rows.get(line=line)


def page(client: Client, job: Job, **asked: Any) -> str:
    answer = client.get(reverse("product", args=[job.pk]), asked)
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, name: str, pk: int, fields: dict[str, Any] | None = None) -> str:
    """As the page's script does it."""
    answer = client.post(reverse(name, args=[pk]), fields or {})
    assert answer.status_code == 200
    return answer.content.decode()


# ---- sending --------------------------------------------------------------------------------------------------------


def test_a_csv_is_sent_and_its_page_opens(client: Client) -> None:
    answer = client.post(reverse("products"), {"file": table(*WRONG), "callback_url": CALLBACK, "key": "once"})
    job = Job.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, reverse("product", args=[job.pk]))
    assert (job.is_draft, job.rows.count(), Callback.objects.get().url) == (True, 5, CALLBACK)
    again = client.post(reverse("products"), {"file": table(*WRONG), "callback_url": CALLBACK, "key": "once"})
    assert (again["Location"], Job.objects.count()) == (answer["Location"], 1)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({}, 422, "No file was chosen."),
        ({"file": SimpleUploadedFile("a.csv", b"Handle,Colour\r\n1,teal\r\n")}, 422, "Its columns: Handle, Colour."),
        ({"file": SimpleUploadedFile("a.csv", picture())}, 422, "it is a photo, not a CSV"),
        ({"file": SimpleUploadedFile("a.csv", b"")}, 422, "it is empty"),
        ({"file": table(*["1,a,https://example.com/a.jpg"] * 4)}, 413, "The CSV has more than 3 rows."),
    ],
    ids=["no file", "other columns", "a photo", "empty", "too long"],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_at_its_field(
    client: Client, settings: Any, fields: dict[str, Any], status: int, said: str
) -> None:
    settings.MAX_CSV_ROWS = 3
    answer = client.post(reverse("products"), {**fields, "callback_url": CALLBACK})
    text = answer.content.decode()
    assert answer.status_code == status
    assert said in text[text.index('id="csv-problem"') :]
    assert f'value="{CALLBACK}"' in text
    assert not Job.objects.exists()


@pytest.mark.parametrize("address", ["ftp://shop.example.com/", "http://10.0.0.1/done"])
def test_an_address_that_may_not_be_called_is_said_at_its_field(client: Client, address: str) -> None:
    answer = client.post(reverse("products"), {"file": table(*WRONG), "callback_url": address})
    assert answer.status_code == 422
    assert 'aria-describedby="callback-problem"' in answer.content.decode()
    assert "leave the row out" not in answer.content.decode()
    assert not Job.objects.exists()


def test_the_list_says_of_each_how_far_it_is(client: Client, alice: User, bob: User, job: Job) -> None:
    assert "No product CSV yet" not in client.get(reverse("products")).content.decode()
    make.products(alice, 2, name="<b>running</b>.csv")
    make.products(bob, 2, name="of Bob.csv")
    text = client.get(reverse("products")).content.decode()
    assert "5 rows, 4 with a problem" in text
    assert f'aria-label="Check {job.name} and start it"' in text
    assert "2 rows, 0 of 2 photos completed" in text
    assert "&lt;b&gt;running&lt;/b&gt;.csv" in text
    assert "of Bob" not in text
    Job.objects.all().delete()
    assert "No product CSV yet" in client.get(reverse("products")).content.decode()


def test_the_list_takes_as_many_queries_for_many_as_for_few(client: Client, alice: User) -> None:
    for count in (1, 24):
        for _ in range(count):
            make.products(alice, 2)
        with CaptureQueriesContext(connection) as captured:
            text = client.get(reverse("products")).content.decode()
        if count == 1:
            few = len(captured)
    assert len(captured) <= few + 1  # the one that asks whether there is another page
    assert text.count('id="product-') == 20
    assert "21 to 25 of 25" in client.get(reverse("products"), {"page": 2}).content.decode()


# ---- on the page of a new job ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["spring.csv", "SPRING.TSV"])
def test_a_csv_in_the_form_of_a_new_job_is_handed_on(client: Client, name: str) -> None:
    answer = client.post(reverse("new-job"), sent(Recipe()) | {"files": table(*WRONG, name=name)})
    job = Job.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, reverse("product", args=[job.pk]))
    assert job.recipe == products.DEFAULT.to_json()


def test_a_csv_takes_the_options_along_that_were_chosen_for_a_new_job(client: Client) -> None:
    chosen = Recipe(model="u2netp", background="white", quality=70)
    client.post(reverse("new-job"), sent(chosen) | {"files": table(*WRONG)})
    assert Job.objects.get().recipe == chosen.to_json()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"quality": "101"}, "That is too much: 100 at most."),
        ({"background_image": SimpleUploadedFile("a.png", b"no image")}, "Unsupported image format"),
    ],
)
def test_a_wrong_option_is_said_before_a_csv_is_taken(client: Client, fields: dict[str, Any], said: str) -> None:
    answer = client.post(reverse("new-job"), sent(Recipe()) | fields | {"files": table(*WRONG)})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Job.objects.exists()


def test_a_csv_that_cannot_be_read_is_said_in_the_form_of_a_new_job(client: Client) -> None:
    answer = client.post(reverse("new-job"), {"model": "u2netp", "files": SimpleUploadedFile("a.csv", b"a,b\r\n1,2")})
    assert answer.status_code == 422
    assert "The CSV has no column" in answer.content.decode()


def test_a_photo_that_is_called_a_csv_is_a_photo(client: Client) -> None:
    files = [SimpleUploadedFile("a.csv", picture())]
    job = client.post(reverse("new-job"), {"model": "u2netp", "remove_bg": "on", "files": files})
    assert job["Location"] == reverse("job", args=[Job.objects.get().pk])


def test_a_csv_among_photos_is_refused_as_no_photo(client: Client) -> None:
    files = [SimpleUploadedFile("a.jpg", picture()), table(*WRONG)]
    client.post(reverse("new-job"), {"model": "u2netp", "files": files})
    assert Job.objects.get().refusals.get().name == "spring.csv"


# ---- what is in it --------------------------------------------------------------------------------------------------


def test_the_page_leads_with_the_rows_that_have_a_problem(client: Client, job: Job) -> None:
    text = page(client, job)
    assert "4 rows need a look" in text
    found = re.findall(r'id="row-problem-(\d+)"', text)
    assert found == [str(pk) for pk in job.rows.filter(line__lt=6).order_by("line").values_list("pk", flat=True)]
    first = text[text.index(f'id="row-problem-{found[0]}"') :]
    assert 'value="htp://cdn.example.com/kettle.jpg"' in first
    assert f'aria-describedby="err-{found[0]}"' in first
    assert "Use http://cdn.example.com/kettle.jpg" in first
    assert "Start 1 row</button>" in text
    assert "The 4 with a problem stay in the CSV, marked failed." in text


def test_a_file_without_a_problem_says_so(client: Client, alice: User) -> None:
    job = products.accept(alice, table("1,Mug,https://example.com/a.jpg", "2,Cup,https://example.com/a.jpg"), Recipe())
    text = page(client, job)
    assert "Every row can run." in text
    assert "1 appears more than once: fetched once" in text
    assert "Start 2 rows</button>" in text


def test_names_and_cells_are_escaped(client: Client, alice: User) -> None:
    line = '<i>1</i>,<b>Mug</b>,"""><script>alert(1)</script>"'
    text = page(client, products.accept(alice, table(line, name="<u>x</u>.csv"), Recipe()))
    assert not re.search(r"<i>1<|<b>Mug<|<u>x<|<script>alert", text)
    assert "&lt;b&gt;Mug&lt;/b&gt;" in text


def test_the_page_takes_as_many_queries_for_many_problems_as_for_few(client: Client, alice: User) -> None:
    few, many = (products.accept(alice, table(*[f"{n},x," for n in range(count)]), Recipe()) for count in (3, 200))
    page(client, few)
    taken = []
    for one in (few, many):
        with CaptureQueriesContext(connection) as captured:
            text = page(client, one)
        taken.append(len(captured))
    assert taken[0] == taken[1]
    assert "1 to 50 of 200" in text
    assert "151 to 200 of 200" in page(client, many, page="4")
    assert text.count('id="row-problem-') == 50


def test_the_page_opens_where_something_is_to_be_done(client: Client, alice: User) -> None:
    job = products.accept(alice, table(*[f"{n},x," for n in range(60)]), Recipe())
    products.leave_out(job.rows.filter(position__lt=50), True)
    assert "51 to 60 of 60" in page(client, job)


# ---- mending --------------------------------------------------------------------------------------------------------


def test_a_cell_is_mended_in_its_place_with_the_figures(client: Client, job: Job) -> None:
    pk = row(job, 3).pk
    text = act(
        client, "row-mend", pk, {"column": "urls", "text": "https://example.com/a.jpg,https://example.com/b.jpg"}
    )
    assert f'id="row-problem-{pk}"' in text
    assert "Mended: serial number 2, 2 addresses" in text
    assert "3 rows need a look" in text
    assert "Start 2 rows</button>" in text
    assert re.findall(r'<div class="[^"]*" id="([a-z-]+)-\d+" hx-swap-oob="true"', text) == [
        "row-problem", "product-problems", "product-tiles", "product-read", "product-start",
    ]  # fmt: skip
    assert "Mended: serial number 2, 2 addresses" in page(client, job)


def test_a_cell_that_is_still_wrong_keeps_what_was_typed(client: Client, job: Job) -> None:
    text = act(client, "row-mend", row(job, 3).pk, {"column": "urls", "text": "nonsense"})
    assert 'value="nonsense"' in text
    assert "4 rows need a look" in text


def test_the_likely_fix_wins_over_what_stands_in_the_cell(client: Client, job: Job) -> None:
    fields = {"column": "urls", "text": "htp://x", "suggested": "http://cdn.example.com/kettle.jpg"}
    said = "Mended: serial number 1, http://cdn.example.com/kettle.jpg"
    assert said in act(client, "row-mend", row(job, 2).pk, fields)
    assert row(job, 2).urls == ["http://cdn.example.com/kettle.jpg"]


def test_the_likely_fix_of_a_cell_leaves_its_other_addresses(client: Client, alice: User) -> None:
    line = '1,Mug,"https://example.com/a.jpg,htp://example.com/b.jpg;htps:/example.com/c.jpg"'
    text = page(client, products.accept(alice, table(line), Recipe()))
    assert "Use http://example.com/b.jpg and 1 more like it" in text
    assert 'value="https://example.com/a.jpg, http://example.com/b.jpg, https://example.com/c.jpg"' in text


def test_a_row_that_had_the_same_serial_number_is_freed_too(client: Client, job: Job) -> None:
    text = act(client, "row-leave-out", row(job, 2).pk)
    assert "Left out." in text
    twin = text[text.index(f'id="row-problem-{row(job, 5).pk}"') :]
    assert "It can run: serial number 1, https://cdn.example.com/lamp.jpg" in twin
    assert "2 rows need a look" in text


def test_a_row_that_was_mended_says_what_stands_in_it(client: Client, job: Job) -> None:
    text = act(client, "row-mend", row(job, 5).pk, {"column": "serial", "text": "99"})
    assert "Mended: serial number 99, https://cdn.example.com/lamp.jpg" in text
    long = f"https://cdn.example.com/{'lamp' * 100}.jpg"
    text = act(client, "row-mend", row(job, 3).pk, {"column": "urls", "text": long})
    assert f"Mended: serial number 2, {long[:79]}…<" in text


def test_a_row_without_a_name_is_known_by_its_serial_number(client: Client, alice: User) -> None:
    text = page(client, products.accept(alice, table("MUG-77,,", ",Cup,"), Recipe()))
    known = re.findall(r"<b>(Line [^<]+)</b><span[^>]*>([^<]+)<", text)
    assert known == [("Line 2, address", "No. MUG-77"), ("Line 3, address", "Cup")]


def test_mending_and_leaving_out_are_taken_back(client: Client, job: Job) -> None:
    pk = row(job, 3).pk
    for name, fields in (("row-mend", {"column": "urls", "text": "https://example.com/a.jpg"}), ("row-leave-out", {})):
        assert "4 rows need a look" not in act(client, name, pk, fields)
        text = act(client, "row-undo", pk)
        assert "This row has no address." in text
        assert "4 rows need a look" in text


def test_all_with_a_problem_are_left_out_and_put_back(client: Client, job: Job) -> None:
    path, back = reverse("product-leave-out", args=[job.pk]), reverse("product", args=[job.pk]) + "#problems-title"
    answer = client.post(path, {"yes": "yes", "next": back})
    assert (answer.status_code, answer["Location"]) == (303, back)
    text = page(client, job)
    assert "No row needs a look" in text
    assert "4 left out stay in it, marked cancelled." in text
    assert "Put 4 back" in text
    client.post(path, {"next": back})
    assert "4 rows need a look" in page(client, job)


def test_a_plain_form_comes_back_to_the_row(client: Client, job: Job) -> None:
    pk, back = row(job, 3).pk, f"{reverse('product', args=[job.pk])}?page=1#row-problem-{row(job, 3).pk}"
    for name in ("row-mend", "row-leave-out", "row-undo"):
        fields = {"column": "urls", "text": "https://example.com/a.jpg", "next": back}
        answer = client.post(reverse(name, args=[pk]), fields)
        assert (answer.status_code, answer["Location"]) == (303, back)


def test_a_column_that_is_none_is_refused(client: Client, job: Job) -> None:
    assert client.post(reverse("row-mend", args=[row(job, 3).pk]), {"column": "pk", "text": "7"}).status_code == 422


# ---- reading it otherwise -------------------------------------------------------------------------------------------


def test_the_first_lines_show_how_the_file_was_read(client: Client, job: Job) -> None:
    text = page(client, job)
    assert "UTF-8, separated by commas" in text
    assert re.findall(r'<small class="muted">([\w ]+)</small><span', text) == [
        "Serial number", "Product name", "Image addresses",
    ]  # fmt: skip
    assert text.count('<td class="n muted">') == 5


def test_the_columns_that_matter_come_first(client: Client, alice: User) -> None:
    lines = b"Colour,Image,Stock,Name,SKU\r\nteal,https://a.example/1.jpg,7,Mug,MUG-77\r\n"
    text = page(client, products.accept(alice, SimpleUploadedFile("a.csv", lines), Recipe()))
    cells = re.findall(r'<(?:th|td)[^>]*>(?:<small[^<]*</small>)?<span class="clip"[^>]*>([^<]*)<', text)
    assert cells == ["SKU", "Name", "Image", "Colour", "Stock", "MUG-77", "Mug", "https://a.example/1.jpg", "teal", "7"]


def test_a_columns_name_of_any_length_makes_no_long_page(client: Client, alice: User) -> None:
    header = f"S. No.,Product Name,Input Image Urls,{'h' * 100_000}"
    file = SimpleUploadedFile("a.csv", f"{header}\r\n1,Mug,https://example.com/a.jpg,\r\n".encode())
    assert len(page(client, products.accept(alice, file, Recipe()))) < 50_000


def test_the_file_is_read_again_in_another_way(client: Client, alice: User) -> None:
    job = products.accept(alice, table("1,Кружка,https://example.com/a.jpg", encoding="cp1251"), Recipe())
    assert row(job, 2).name != "Кружка"
    fields = {"serial": "0", "name": "1", "urls": "2", "encoding": "cp1251", "delimiter": ",", "next": "/products/"}
    answer = client.post(reverse("product-read", args=[job.pk]), fields)
    assert (answer.status_code, answer["Location"]) == (303, f"{reverse('product', args=[job.pk])}#reading")
    assert row(job, 2).name == "Кружка"


def test_columns_are_chosen(client: Client, job: Job) -> None:
    client.post(reverse("product-read", args=[job.pk]), {"serial": "1", "name": "0"})
    assert (row(job, 2).serial, row(job, 2).name) == ("Kettle", "1")


@pytest.mark.parametrize(
    "fields", [{"encoding": "utf-16-le"}, {"delimiter": ";"}, {"delimiter": "x"}, {"encoding": "rot13"}, {"urls": "9"}]
)
def test_what_cannot_be_read_so_is_said_there_and_changes_nothing(
    client: Client, job: Job, fields: dict[str, str]
) -> None:
    before = list(job.rows.values())
    answer = client.post(reverse("product-read", args=[job.pk]), {**fields, "next": "/products/"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="read-problem"' in text
    assert "4 rows need a look" in text
    assert list(job.rows.values()) == before


def test_a_separator_that_makes_one_column_is_what_is_wrong(client: Client, job: Job) -> None:
    fields = {"serial": "0", "name": "1", "urls": "2", "encoding": "utf-8", "delimiter": ";", "next": "/products/"}
    text = client.post(reverse("product-read", args=[job.pk]), fields).content.decode()
    assert "The CSV cannot be read: separated by semicolons it has only one column. Nothing was changed." in text
    assert re.findall(r'id="read-(\w+)" name="\w+" aria-invalid="true"', text) == ["delimiter"]


def test_reading_again_warns_of_what_is_lost(client: Client, job: Job) -> None:
    question = r'data-ask-text="(\d+) rows? that you mended or left out'
    assert "forgets" not in page(client, job)
    mended = act(client, "row-mend", row(job, 2).pk, {"column": "urls", "text": "https://example.com/a.jpg"})
    left_out = act(client, "row-leave-out", row(job, 3).pk)
    assert [re.findall(question, text) for text in (mended, left_out)] == [["1"], ["2"]]
    assert "That forgets what you mended or left out: 2 rows." in page(client, job)
    act(client, "row-undo", row(job, 2).pk)
    assert not re.search(question, act(client, "row-undo", row(job, 3).pk))


# ---- options, callback, Start ---------------------------------------------------------------------------------------


def test_a_preset_is_applied(client: Client, alice: User, job: Job) -> None:
    saved = presets.save(alice, "Shop standard", Recipe(quality=40, model="u2netp"))
    assert re.search(r'<option value="compress" selected>', page(client, job))
    for value, recipe in (("white", presets.BUILT_IN["white"].recipe), (str(saved.pk), Recipe(**saved.recipe))):
        answer = client.post(reverse("product-recipe", args=[job.pk]), {"preset": value, "next": "/products/"})
        assert (answer.status_code, answer["Location"]) == (303, reverse("product", args=[job.pk]))
        job.refresh_from_db()
        assert job.recipe == recipe.to_json()
        assert f'<option value="{value}" selected>' in page(client, job)


def test_every_button_keeps_the_preset_and_the_address(client: Client, job: Job) -> None:
    white = {"preset": "white", "callback_url": CALLBACK, "next": reverse("product", args=[job.pk])}
    for name in ("product-recipe", "product-callback", "product-start"):
        products.set_recipe(job, products.DEFAULT)
        Callback.objects.all().delete()
        assert client.post(reverse(name, args=[job.pk]), white).status_code == 303
        job.refresh_from_db()
        assert job.recipe == presets.BUILT_IN["white"].recipe.to_json()
        assert Callback.objects.get().url == CALLBACK
    assert not job.is_draft


@pytest.mark.parametrize("preset", ["", "of nobody", "987654321"])
def test_a_preset_that_is_none_changes_nothing(client: Client, job: Job, preset: str) -> None:
    assert client.post(reverse("product-start", args=[job.pk]), {"preset": preset, "next": "/"}).status_code == 303
    job.refresh_from_db()
    assert (job.is_draft, job.recipe) == (False, products.DEFAULT.to_json())


def test_a_preset_that_cannot_run_is_said_at_its_field(client: Client, job: Job, monkeypatch: Any) -> None:
    monkeypatch.setattr("processing.catalogue.Weights.installed", False)
    answer = client.post(reverse("product-start", args=[job.pk]), {"preset": "white", "next": "/"})
    assert answer.status_code == 422
    assert "is not installed" in answer.content.decode().partition('id="preset-problem"')[2]
    job.refresh_from_db()
    assert job.is_draft


def test_all_options_are_changed_on_a_page_of_their_own(client: Client, job: Job) -> None:
    path = reverse("product-recipe", args=[job.pk])
    assert f'href="{path}?preset=white"' in client.get(path).content.decode()
    assert 'name="quality" value="50"' in client.get(path).content.decode()
    wrong = client.post(path, sent(Recipe(model="u2netp")) | {"quality": "101", "next": "/products/"})
    assert wrong.status_code == 422
    assert "That is too much: 100 at most." in wrong.content.decode()
    answer = client.post(path, sent(Recipe(model="u2netp", quality=33)) | {"next": "/products/"})
    assert answer["Location"] == reverse("product", args=[job.pk])
    job.refresh_from_db()
    assert job.recipe["quality"] == 33
    assert "Own options" in page(client, job)


def test_the_callback_is_kept_and_taken_back(client: Client, job: Job) -> None:
    path = reverse("product-callback", args=[job.pk])
    assert client.post(path, {"callback_url": CALLBACK, "next": "/products/"}).status_code == 303
    assert f'value="{CALLBACK}"' in page(client, job)
    wrong = client.post(path, {"callback_url": "ftp://example.com/", "next": "/products/"})
    assert wrong.status_code == 422
    text = wrong.content.decode()
    assert 'value="ftp://example.com/"' in text
    assert "Addresses begin with http:// or https://. Mend it, or leave this empty." in text
    assert Callback.objects.get().url == CALLBACK
    client.post(path, {"callback_url": "", "next": "/products/"})
    assert not Callback.objects.exists()


def test_start_makes_the_photos_and_keeps_the_callback(client: Client, job: Job) -> None:
    path, own = reverse("product-start", args=[job.pk]), reverse("product", args=[job.pk])
    wrong = client.post(path, {"callback_url": "ftp://example.com/", "next": own})
    assert (wrong.status_code, job.uploads.count()) == (422, 0)
    answer = client.post(path, {"callback_url": CALLBACK, "next": own})
    assert (answer.status_code, answer["Location"]) == (303, own)
    assert (job.uploads.count(), Callback.objects.get().url) == (1, CALLBACK)
    assert client.post(path, {"callback_url": CALLBACK, "next": own}).status_code == 303  # a double click


def test_nothing_starts_where_no_row_can_run(client: Client, alice: User) -> None:
    job = products.accept(alice, table("1,Mug,"), Recipe())
    assert re.search(r'id="start" form="start-form" disabled aria-describedby="start-note"', page(client, job))
    answer = client.post(reverse("product-start", args=[job.pk]), {"next": "/products/"})
    assert answer.status_code == 422
    assert "No row can run. Mend one first." in answer.content.decode()


def test_rows_that_an_earlier_run_completed_are_not_run_again(client: Client, alice: User) -> None:
    line = "1,Mug,https://example.com/a.jpg,https://example.org/links/a.jpg,completed"
    file = SimpleUploadedFile("a.csv", f"{HEADER},Output Image Urls,Status\r\n{line}".encode())
    job = products.accept(alice, file, Recipe())
    text = page(client, job)
    assert "0 ready, 1 completed before" in text
    assert "Get the CSV</button>" in text
    assert client.post(reverse("product-start", args=[job.pk]), {"next": "/products/"}).status_code == 303
    assert job.uploads.count() == 0


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("product-start", {}), ("product-read", {}), ("product-recipe", {"preset": "white"}),
        ("product-callback", {"callback_url": CALLBACK}), ("product-leave-out", {"yes": "yes"}),
        ("row-leave-out", {}), ("row-undo", {}),
    ],
)  # fmt: skip
def test_after_start_it_is_too_late(client: Client, job: Job, name: str, fields: dict[str, str]) -> None:
    products.start(job)
    answer = client.post(reverse(name, args=[row(job, 2).pk if name.startswith("row-") else job.pk]), fields)
    assert (answer.status_code, answer.json()["code"]) == (409, "csv_started")
    plain = client.post(reverse(name, args=[row(job, 2).pk if name.startswith("row-") else job.pk]),
                        {**fields, "next": "/products/"})  # fmt: skip
    assert plain.status_code == 303


def test_a_row_is_mended_after_start_too(client: Client, job: Job) -> None:
    products.start(job)
    path = reverse("row-mend", args=[row(job, 3).pk])
    assert client.post(path, {"column": "urls", "text": "nonsense"}).status_code == 422
    assert client.post(path, {"column": "urls", "text": "https://example.com/a.jpg"}).status_code == 204
    assert row(job, 3).photos.count() == 1


def test_a_draft_that_was_deleted_is_brought_back(client: Client, job: Job) -> None:
    client.post(reverse("job-delete", args=[job.pk]), {"next": reverse("products")})
    assert client.get(reverse("product", args=[job.pk])).status_code == 404
    assert f"Bring back {job.name}" in client.get(reverse("jobs")).content.decode()
    client.post(reverse("job-restore", args=[job.pk]), {"next": reverse("products")})
    assert "4 rows need a look" in page(client, job)
