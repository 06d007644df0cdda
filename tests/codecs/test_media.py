"""Images, files and sounds in base64, and what is no such thing."""

from typing import Any

import pytest

from antiphon.codecs import media
from antiphon.codecs.media import Media
from antiphon.errors import BadRequest
from antiphon.types.content import InputFile


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("data:image/png;base64,aGk=", Media("image/png", "aGk=")),
        ("DATA:Image/JPEG;charset=x;BASE64,aGk=", Media("image/jpeg", "aGk=")),
        ("data:image/svg+xml;base64,aGk", Media("image/svg+xml", "aGk=")),
        ("data:image/png;base64, aG\r\n k=\n", Media("image/png", "aGk=")),
    ],
)
def test_an_image_is_taken_out_of_its_data_url(url: str, found: Media) -> None:
    """A5 case 66: white space and missing padding do no harm."""
    assert media.image(url, "x") == found


@pytest.mark.parametrize(
    "url",
    [
        "",
        "aGk=",
        "data:image/png,aGk=",
        "data:;base64,aGk=",
        "data:image/png;base64,",
        "data:image/png;base64,a",
        "data:image/png;base64,a-_=",
        "data:image/png;base64,é",
        "data:application/pdf;base64,aGk=",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_image_is_refused_by_its_place(url: str) -> None:
    """A5 case 66."""
    with pytest.raises(BadRequest) as caught:
        media.image(url, "input[0].content[1].image_url")
    assert (caught.value.param, caught.value.code) == ("input[0].content[1].image_url", "invalid_value")


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ({"file_data": "data:application/pdf;base64,aGk="}, Media("application/pdf", "aGk=")),
        ({"file_data": "data:text/csv;base64,aGk=", "filename": "x.pdf"}, Media("text/csv", "aGk=")),
        (
            {"file_data": "data:application/octet-stream;base64,aGk=", "filename": "x.pdf"},
            Media("application/pdf", "aGk="),
        ),
        ({"file_data": "aGk=", "filename": "a.b.PDF"}, Media("application/pdf", "aGk=")),
        ({"file_data": "aGk=", "filename": "main.rs"}, Media("text/plain", "aGk=")),
    ],
)
def test_the_kind_of_a_file_is_told_by_its_data_url_or_its_name(part: Any, found: Media) -> None:
    assert media.file(InputFile(**part), "x") == found


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"file_data": "aGk="}, "x.filename"),
        ({"file_data": "aGk=", "filename": "x.qqq"}, "x.filename"),
        ({"file_data": "???", "filename": "x.pdf"}, "x.file_data"),
        ({"file_data": "data:application/pdf;base64,???"}, "x.file_data"),
    ],
)
def test_a_file_that_can_not_be_told_is_refused_by_its_place(part: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        media.file(InputFile(**part), "x")
    assert caught.value.param == param
