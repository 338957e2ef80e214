"""What a title says of a picture, and what only names its file."""

from __future__ import annotations

import pytest

from indexer.scrape.titles import caption_of


@pytest.mark.parametrize(
    ("title", "caption"),
    [
        ("dog playing with person.JPG", "dog playing with person"),
        ("A dog.jpeg", "A dog"),
        ("A dog .png", "A dog"),
        ("A dog.tiff.webp", "A dog"),
        ("A drawn dog.svg", "A drawn dog"),
        ("Old_dog_in_1920.gif", "Old dog in 1920"),
        ("Dog_on_Route_66", "Dog_on_Route_66"),
        ("A dog of St. Bernard", "A dog of St. Bernard"),
        ("Dogs at example.com", "Dogs at example.com"),
        ("Dog v1.0", "Dog v1.0"),
        ("What is a .jpg file?", "What is a .jpg file?"),
        ("Airbus A380", "Airbus A380"),
        ("BR 185 042", "BR 185 042"),
        ("facade", "facade"),
        ("IMG_1234 a dog at play.jpg", "IMG_1234 a dog at play"),
        ("DSC_0001 and DSC_0002", "DSC_0001 and DSC_0002"),
    ],
)
def test_a_title_is_a_caption_without_the_ending_of_a_file(title: str, caption: str) -> None:
    assert caption_of(title) == caption


@pytest.mark.parametrize(
    "title",
    [
        "",
        "1234",
        ".jpg",
        "IMG_1234",
        "img_1234.jpg",
        "IMG_1234.JPG.jpg",
        "IMG-20200101-WA0001.jpg",
        "IMG_20200101_123456_HDR",
        "IMG 1234 (2).jpg",
        "_MG_0042.CR2",
        "DSC_0001",
        "_DSC0001.NEF",
        "DSCF1234-edited.jpg",
        "DSCN0001 copy.jpg",
        "P1010001",
        "PA120034.ORF",
        "PXL_20201231_123456789",
        "GOPR0123.JPG",
        "DJI_0001",
        "1234 (2).jpg",
        "5678901234_abcdef0123_b.jpg",
        "d41d8cd98f00b204e9800998ecf8427e.png",
        "123e4567-e89b-12d3-a456-426614174000",
    ],
)
def test_a_title_that_is_the_name_of_a_file_alone_is_no_caption(title: str) -> None:
    assert caption_of(title) == ""
