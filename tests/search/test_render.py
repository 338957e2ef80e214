"""What people see: safe whatever a caption holds, and the words that two captions share are marked."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from captioner.drawing.picture import filling, fitted, thumbnail
from indexer.records import CaptionRecord, Filters
from search.hits import Answer, Results
from search.render.montage import montage, write_montage
from search.render.page import page, write_page
from search.render.table import table
from search.render.words import columns
from search.searcher import Searcher
from tests.indexer.memory import MemoryIndex
from tests.search.worlds import NamingCaptioner

EVIL = 'a dog \x1b[2J\x1b]0;owned\x07 \u202ereversed <script>alert("1")</script> & 海滩 beach ' + "long " * 60
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

texts = st.text(max_size=60)


@pytest.fixture
def search(photos: Path) -> Searcher:
    return Searcher(
        MemoryIndex(
            [
                CaptionRecord("cat", "A cat sleeping on a sofa.", image=str(photos / "chelsea.png")),
                CaptionRecord("evil\x1b[31m", EVIL, image="https://example.org/a.jpg"),
                CaptionRecord("gone/" + "x" * 90, "two cats sleep", image="/no/such/file.jpg"),
            ]
        ),
        NamingCaptioner,
    )


@pytest.fixture
def results(search: Searcher) -> Results:
    return search.text("cats and a dog sleeping at the beach")


class TestTable:
    def test_what_it_says(self, results: Results) -> None:
        lines = table(results, name="photo.jpg", width=100, color=False).splitlines()
        assert lines[:3] == [
            "photo.jpg",
            "cats and a dog sleeping at the beach",
            "words: cats dog sleeping beach",
        ]
        assert lines[4].split() == ["#", "image", "Jaccard", "caption", "shared", "words"]
        [row] = [number for number, line in enumerate(lines) if line.startswith("  1  ")]
        assert re.fullmatch(r"  1  cat +0\.400 2/5 +A cat sleeping on a sofa\. +cat sleeping", lines[row])
        assert lines[row + 1].split() == ["−dog", "−beach", "+sofa"]
        assert lines[-1].startswith("exact: all 3 matches of 3 captions, ")

    @pytest.mark.parametrize("width", [60, 80, 100, 160])
    def test_it_keeps_within_the_terminal(self, results: Results, width: int) -> None:
        assert max(map(columns, table(results, width=width, color=False).splitlines()[:-1])) <= width

    @pytest.mark.parametrize("width", [1, 30, 40, 59])
    def test_a_narrow_terminal_gets_lines_below_each_other(self, results: Results, width: int) -> None:
        lines = table(results, width=width, color=False).splitlines()
        assert max(map(columns, lines)) <= max(30, width)
        first = lines.index("  1  cat")
        second = next(number for number, line in enumerate(lines) if line.startswith("  2  …xxxx"))
        assert lines[first + 1] == "     0.400 2/5 cat sleeping"
        said = " ".join(line.strip() for line in lines[first + 2 : second])
        assert said == "A cat sleeping on a sofa. −dog −beach +sofa"
        proof = " ".join(lines[lines.index("", first) + 1 :])
        assert proof.startswith("exact: all 3 matches of 3 captions, ")

    def test_a_narrow_terminal_gets_all_words_of_the_query(self, search: Searcher) -> None:
        lines = table(search.text("海滩 and cats asleep on a zebra sofa"), width=30, color=False).splitlines()
        said = " ".join(lines[: lines.index("")])
        assert said == (
            "海滩 and cats asleep on a zebra sofa words: 海滩 cats asleep zebra sofa "
            "no caption has: asleep, zebra"
        )

    def test_random_images_on_a_narrow_terminal(self, search: Searcher) -> None:
        text = table(search.random(3), width=40, color=False)
        assert re.search(r"^  \d  cat\n     A cat sleeping on a sofa\.$", text, re.MULTILINE)
        assert "exact" not in text

    def test_long_ids_are_cut_only_where_the_width_counts(self) -> None:
        name = "holidays/2024/" + "a-very-long-name" * 4 + ".jpg"
        search = Searcher(MemoryIndex([CaptionRecord(name, "a dog")]), NamingCaptioner)
        results = search.text("dog on a beach")
        cut, whole = (table(results, color=False, whole_ids=ids).splitlines() for ids in (False, True))
        assert name not in "".join(cut)
        row = next(line for line in whole if line.startswith("  1  "))
        assert row.split()[1] == name
        assert whole[whole.index(row) + 1].strip() == "−beach"

    def test_one_long_id_does_not_widen_the_rows_of_the_others(self) -> None:
        records = [CaptionRecord(name, "a dog") for name in ("a.jpg", "b" * 240, "c" * 45)]
        results = Searcher(MemoryIndex(records), NamingCaptioner).random(3)
        lines = table(results, width=100, color=False, whole_ids=True).splitlines()
        rows = {line.split()[1][0]: line for line in lines[1:4]}
        assert rows["b"].endswith(f"  {'b' * 240}  a dog")
        assert rows["a"].index("a dog") == rows["c"].index("a dog") <= 60

    def test_one_near_copy_and_two(self, results: Results) -> None:
        for copies, said in ((("x",), "(and 1 near copy)"), (("x", "y"), "(and 2 near copies)")):
            hits = (replace(results.hits[0], duplicates=copies),)
            assert said in table(replace(results, hits=hits), color=False)

    def test_no_escape_of_a_caption_reaches_the_terminal(self, results: Results) -> None:
        assert not CONTROL.search(table(results, name="\x1b[31m", color=False))
        coloured = table(results, color=True)
        assert "\x1b[2J" not in coloured
        assert not CONTROL.search(re.sub(r"\x1b\[\d+m", "", coloured))

    def test_no_escape_of_a_token_reaches_the_terminal(self) -> None:
        """The student project's tokens are all that stands between blanks."""
        results = Searcher(MemoryIndex([CaptionRecord("x", EVIL)], "seed/1"), NamingCaptioner).text(EVIL)
        assert not CONTROL.search(table(results, color=False, width=160))

    def test_random_images_have_no_score(self, search: Searcher) -> None:
        text = table(search.random(3), color=False)
        assert "Jaccard" not in text
        assert "exact" not in text


class TestQueryWords:
    """What is said of a query's words, in whatever form an answer is shown."""

    @pytest.fixture
    def results(self) -> Results:
        index = MemoryIndex(
            [CaptionRecord("z", "zebras standing"), CaptionRecord("t", "a tree")], "english/2"
        )
        return Searcher(index, NamingCaptioner).text("A Zebra <dgo> near couches")

    def test_the_table(self, results: Results) -> None:
        lines = table(results, width=80, color=False).splitlines()
        assert lines[1:3] == [
            "words: zebra dgo couches (implies standing, living, room)",
            "no caption has: dgo, couches",
        ]
        assert lines[6].split() == ["−dgo", "−couches"]
        assert max(map(columns, lines)) <= 80

    def test_what_is_lacking_of_what_is_implied_is_told_as_such(self, results: Results) -> None:
        [hit] = results.hits
        lacking = replace(results, hits=(replace(hit, tokens=frozenset({"zebra"})),))
        assert "−stand (implied by zebra)" in table(lacking, color=False)

    def test_the_page(self, results: Results) -> None:
        text = page([Answer("q", results)])
        assert "<b>words</b> zebra dgo couches (implies standing, living, room)</p>" in text
        assert "<b>no caption has</b> dgo, couches</p>" in text

    def test_the_montage(self, results: Results) -> None:
        plain = replace(results, unknown=frozenset())
        pictures = [montage([Answer("q", one)]) for one in (results, plain)]
        assert ImageChops.difference(*pictures).getbbox() is not None

    def test_a_word_to_do_without_that_no_caption_has(self, results: Results) -> None:
        excluded = Filters(excluded_tokens={"beech*2", "beach*2"})
        wanted = replace(results.wanted, filters=excluded)
        slip = replace(results, unknown=frozenset({"dgo", "beech*2"}), wanted=wanted)
        assert "no caption has: dgo, beech\n" in table(slip, width=80, color=False)

    def test_it_is_named_as_it_was_written(self, search: Searcher) -> None:
        excluding = search.text("cats", without=["Beeches by a Teletubby", "the", "an oil-painting", "cats"])
        told = "no caption has: beeches (perhaps beach), teletubby, oil-painting (perhaps oil painting)\n"
        assert told in table(excluding, width=100, color=False)
        broken = "oil-painting (perhaps oil\npainting)\n"
        assert broken in table(excluding, width=80, color=False), "what may be meant is not cut off"

    def test_of_a_compound_that_no_caption_has_the_parts_are_named(self, search: Searcher) -> None:
        for sentence, told in {
            "a black-and-white cat": "black-and-white (perhaps black and white)",
            "a cat -- asleep, t-shirts 1-2": "asleep, t-shirts (perhaps t shirts), 1-2 (perhaps 1 2)",
        }.items():
            text = table(search.text(sentence), width=200, color=False)
            assert f"\nno caption has: {told}\n" in text

    def test_words_that_may_be_meant(self, results: Results) -> None:
        near = replace(results, corrections={"dgo": ("dog", "do"), "couch": ("coach\x1b[31m",)})
        told = table(near, width=80, color=False)
        assert "\nno caption has: dgo (perhaps dog or do), couches (perhaps coach\ufffd[31m)\n" in told
        assert "dgo (perhaps dog or do)" in page([Answer("q", near)])
        carts = Searcher(MemoryIndex([CaptionRecord("1", "two dog-carts")], "seed/1"), NamingCaptioner)
        compound = table(carts.text("a dog-cart"), width=80, color=False)
        assert "\nno caption has: a, dog-cart (perhaps dog-carts or dog cart)\n" in compound

    def test_nothing_is_said_of_words_that_are_all_found(self, results: Results) -> None:
        assert "no caption has" not in table(replace(results, unknown=frozenset()), color=False)


class TestNames:
    """A name on the screen is the name: it is given to the next command as it is read there."""

    NAME = "holidays/with  two \n.jpg"
    SHOWN = r"holidays/with  two \n.jpg"

    @pytest.fixture
    def named(self) -> Results:
        index = MemoryIndex([CaptionRecord(self.NAME, "a dog")])
        return Searcher(index, NamingCaptioner).text("dog on a beach")

    def test_the_table(self, named: Results) -> None:
        lines = table(named, name=self.NAME, color=False, whole_ids=True).splitlines()
        assert lines[0] == self.SHOWN
        assert f"  1  {self.SHOWN}  0." in "\n".join(lines)

    def test_the_page(self, named: Results) -> None:
        copied = replace(named, hits=(replace(named.hits[0], duplicates=(self.NAME,)),))
        text = page([Answer("q", copied)])
        assert text.count(f'<span class="name">{self.SHOWN}</span>') == 3  # no picture, id, near copy
        assert ".name { white-space: pre-wrap; }" in text

    def test_the_montage(self, named: Results) -> None:
        [hit] = named.hits
        shown = replace(hit, record=replace(hit.record, image_id=self.SHOWN))
        pictures = [montage([Answer("q", replace(named, hits=(one,)))]) for one in (hit, shown)]
        assert ImageChops.difference(*pictures).getbbox() is None


class TestSeveralCaptions:
    """A hit says which of the captions it was found by, in whatever form it is shown."""

    @pytest.fixture
    def several(self, search: Searcher) -> Results:
        return search.texts(["a dog at the <beach>", "cats sleeping", "an egg \x1b[31m " + "long " * 60])

    def test_the_table(self, several: Results) -> None:
        lines = table(several, name="photo.jpg", width=100, color=False).splitlines()
        assert lines[1:3] == ["1 a dog at the <beach>", "2 cats sleeping"]
        assert lines[3].startswith("3 an egg ")
        assert lines[6].split() == ["words:", "dog", "beach", "cats", "sleeping", "egg", "31m", "long"]
        assert lines[7] == "no caption has: egg, 31m"
        assert [hit.image_id[:3] for hit in several.hits] == ["cat", "gon", "evi"]
        assert [several.number(hit) for hit in several.hits] == [2, 2, 1]
        assert sum(line.lstrip().startswith("by 2:") for line in lines) == 2
        assert max(map(columns, lines[:-1])) <= 100
        assert not CONTROL.search("".join(lines))

    @pytest.mark.parametrize("width", [40, 100])
    def test_where_nothing_lacks_or_is_added_nothing_is_announced(self, search: Searcher, width: int) -> None:
        results = search.texts(["cats", "two cats sleep"])
        whole = replace(results, hits=results.hits[:1])
        assert whole.hits[0].jaccard == 1.0
        lines = [line.strip() for line in table(whole, width=width, color=False).splitlines()]
        assert "by 2" in lines and "by 2:" not in lines

    def test_the_page(self, several: Results) -> None:
        text = page([Answer("q", several)])
        assert text.count("<b>by</b> cats sleeping</p>") == 2
        assert "<b>by</b> a dog at the &lt;beach&gt;</p>" in text
        assert not CONTROL.search(text)
        assert {"dog", "cats", "sleeping", "egg"} <= set(Page(text).marks)

    def test_the_montage(self, several: Results, search: Searcher) -> None:
        whole, one = montage([Answer("q", several)]), montage([Answer("q", search.text("cats sleeping"))])
        assert whole.height >= one.height
        number = whole.crop((544, 240, 544 + 268, whole.height))
        assert number.getcolors(1 << 16) != [(number.width * number.height, (255, 255, 255))]

    def test_one_caption_is_shown_as_ever(self, search: Searcher) -> None:
        results = search.text("cats sleeping")
        assert "by 1" not in table(results, color=False)
        assert "<b>by</b>" not in page([Answer("q", results)])
        assert 'class="also"' not in page([Answer("q", results)])


class TestPictures:
    def test_sizes(self, photos: Path) -> None:
        photo = photos / "chelsea.png"  # 451 x 300
        for made, size in (
            (thumbnail(photo, 100, 100), (100, 67)),
            (fitted(photo, 902, 900), (902, 600)),
            (filling(photo, 50, 80), (50, 80)),
        ):
            assert made is not None
            assert made.size == size

    @pytest.mark.parametrize("photo", [None, "", "https://example.org/a.jpg", "/no/such.jpg", b"not a photo"])
    def test_nothing_to_show(self, photo: str | bytes | None) -> None:
        assert thumbnail(photo, 9, 9) is None

    @pytest.mark.parametrize("size", [(4000, 1), (1, 4000)])
    def test_a_very_flat_photo_fills_its_box_and_no_more(
        self, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Enlarged as a whole, it would have a hundred times as many pixels as the box."""
        whole, enlarged = Image.Image.resize, list[int]()

        def resize(image: Image.Image, to: tuple[int, int], *given: Any, **named: Any) -> Image.Image:
            enlarged.append(to[0] * to[1])
            return whole(image, to, *given, **named)

        monkeypatch.setattr(Image.Image, "resize", resize)
        made = filling(Image.new("RGB", size, "red"), 100, 80)
        assert made is not None
        assert made.size == (100, 80)
        assert max(enlarged) == 100 * 80


class TestMontage:
    def test_it_shows_the_query_and_every_hit(self, results: Results, photos: Path, tmp_path: Path) -> None:
        write_montage([Answer("q", results, photo=photos / "coffee.png")], tmp_path / "m.png")
        with Image.open(tmp_path / "m.png") as made:
            assert (made.format, made.mode) == ("PNG", "RGB")
            whole = made.copy()
        without = montage([Answer("q", results)])
        assert whole.width == without.width == 40 + 460 + 44 + 3 * 268 + 2 * 22 + 40
        # The query photo stands at the upper left, the first hit's picture at the grid's.
        query = fitted(photos / "coffee.png", 460, 620)
        first = filling(results.hits[0].image, 268, 200)
        assert query is not None
        assert first is not None
        for picture, corner in ((query, (40, 40)), (first, (544, 40))):
            shown = whole.crop((*corner, corner[0] + picture.width, corner[1] + picture.height))
            assert ImageChops.difference(shown, picture).getbbox() is None

    def test_answers_stand_below_each_other(self, results: Results) -> None:
        one = Answer("q", results)
        assert montage([one, one]).height == 2 * montage([one]).height
        assert montage([one, Answer("bad", error="bad")]).size == montage([one]).size

    def test_no_hits_and_no_answers(self, search: Searcher) -> None:
        assert montage([Answer("q", search.text("unknown"))]).width > 460
        assert montage([]).width > 0


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.marks: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "mark" and self.getpos():
            self.marks.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


class TestPage:
    def test_one_file_with_everything_inside(self, results: Results, photos: Path, tmp_path: Path) -> None:
        write_page([Answer("q", results, photo=photos / "coffee.png")], tmp_path / "p.html")
        seen = Page((tmp_path / "p.html").read_text(encoding="utf-8"))
        sources = [image["src"] or "" for image in seen.all("img")]
        assert len(sources) == 2  # the query and the one hit whose picture is a file
        assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
        assert len(seen.all("li")) == 3
        assert not [tag for tag, _ in seen.tags if tag in ("script", "link", "iframe", "object")]

    def test_pictures_lead_to_their_files_and_to_nothing_that_is_no_picture(
        self, photos: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(photos)
        places = {
            "chelsea.png": None,  # of whatever folder
            str(photos / "coffee.png"): (photos / "coffee.png").as_uri(),
            'https://example.org/"><b>.jpg': 'https://example.org/"><b>.jpg',
            "HTTP://example.org/": "HTTP://example.org/",
            "javascript:alert(1)//http://": None,
            "ftp://example.org/a.jpg": None,
            "gone.png": None,
            ".": None,
            "": None,
        }
        records = [CaptionRecord(str(number), "a dog", image=place) for number, place in enumerate(places)]
        seen = Page(page([Answer("q", Searcher(MemoryIndex(records), NamingCaptioner).text("dog"))]))
        links = seen.all("a")
        assert [link["href"] for link in links] == [address for address in places.values() if address]
        assert {link["rel"] for link in links} == {"noreferrer"}

    def test_captions_are_text(self, results: Results) -> None:
        text = page([Answer("q", results), Answer("bad", error="<b>bad</b><i>")])
        assert "&lt;script&gt;" in text
        assert not [tag for tag, _ in Page(text).tags if tag in ("script", "b>", "i")]
        assert not CONTROL.search(text)

    def test_nothing_ends_an_attribute(self, photos: Path) -> None:
        record = CaptionRecord(
            "x",
            'a dog" onload="alert(1)',
            image=str(photos / "chelsea.png"),
            license="<u>",
            attribution="<s>",
        )
        results = Searcher(MemoryIndex([record]), NamingCaptioner).text("dog")
        seen = Page(page([Answer("q", results)]))
        [picture] = seen.all("img")
        assert picture.keys() == {"src", "alt"} and picture["alt"] == record.caption
        assert not seen.all("u") and not seen.all("s")

    def test_words_that_were_not_searched_for_are_text(self, search: Searcher) -> None:
        text = page([Answer("q", search.text("<the>"))])
        assert "&lt;the&gt;" in text and "<the>" not in text

    def test_the_policy_allows_this_style_and_inner_pictures_only(self, results: Results) -> None:
        [policy] = [
            tag["content"] or ""
            for tag in Page(page([Answer("q", results)])).all("meta")
            if tag.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
        assert "unsafe" not in policy

    def test_shared_words_are_marked(self, results: Results) -> None:
        marks = Page(page([Answer("q", results)])).marks
        assert {"cat", "sleeping", "dog", "beach"} <= set(marks)
        assert "sofa." not in marks

    @given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), min_size=1, max_size=4))
    def test_no_caption_adds_a_tag(self, captions: list[str]) -> None:
        index = MemoryIndex(
            [CaptionRecord(f"{text}{number}", f"dog {text}") for number, text in enumerate(captions)]
        )
        seen = Page(page([Answer("q", Searcher(index, NamingCaptioner).text("dog"))]))
        allowed = "html head meta title style body section header h1 mark p ol li div br meter strong span b"
        assert {tag for tag, _ in seen.tags} <= set(allowed.split())
