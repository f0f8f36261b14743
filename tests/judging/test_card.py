import base64
import io
import re
from html.parser import HTMLParser

import matplotlib.image
import numpy as np
import pytest

from autograder.judging import card
from autograder.judging.verdict import CaseRow, Picture, Verdict


def verdict(**changes):
    told = {
        "exercise": "scaled",
        "track": "from_scratch",
        "title": "Scaling",
        "outcome": "not_yet",
        "points": 0.5,
        "max_points": 2.0,
        "says": "The factor was added.",
        "rows": [CaseRow("typical", False, "off by 2"), CaseRow("late", None), CaseRow("one_row", True)],
        "notes": ["Python warned."],
        "hints": ["Think of one entry.", "Multiply."],
    }
    return Verdict(**{**told, **changes})


def picture(got, expected=None):
    return Picture("result", "typical", np.ones((3, 4)) if expected is None else expected, got)


def test_does_the_text_say_everything_in_order():
    assert card.text(verdict()).splitlines() == [
        "✗ scaled: not yet right · 0.5 of 2 points",
        "  The factor was added.",
        "  ✗ typical: off by 2",
        "  · late",
        "  ✓ one_row",
        "  note: Python warned.",
    ]


def test_does_the_text_show_expected_values_and_yours():
    text = card.text(verdict(picture=picture(np.zeros((3, 4)))))
    assert "expected, shape (3, 4)" in text
    assert "yours, shape (3, 4)" in text


def test_does_a_passed_card_show_neither_hints_nor_pictures():
    shown = card.html(verdict(outcome="passed", picture=picture(np.zeros((3, 4)))))
    assert "Hint" not in shown
    assert "<img" not in shown


def test_are_hints_folded_away():
    assert card.html(verdict()).count("<details") == 2
    assert "<details open" not in card.html(verdict())


@pytest.mark.parametrize("field", ["exercise", "title", "says"])
def test_is_text_of_a_student_never_markup(field):
    evil = "<script>alert('x')</script>"
    assert "<script" not in card.html(verdict(**{field: evil}))


def test_are_rows_notes_and_hints_never_markup():
    evil = '<img src=x onerror="x">'
    shown = card.html(verdict(rows=[CaseRow(evil, False, evil)], notes=[evil], hints=[evil]))
    assert "<img" not in shown


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("outcome", list(card.WORDS))
def test_is_the_card_well_formed_and_without_what_untrusted_notebooks_drop(outcome):
    tags = Tags()
    tags.feed(card.html(verdict(outcome=outcome, picture=picture(np.zeros((3, 4))))))
    assert tags.open == []
    assert not tags.seen & {"script", "style", "svg", "link", "iframe", "button"}


@pytest.mark.parametrize("colour", list(card.BADGES.values()))
def test_is_white_readable_on_every_badge(colour):
    def linear(byte):
        part = byte / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_has_every_outcome_a_word_and_a_badge():
    assert card.WORDS.keys() == card.BADGES.keys()


# -------------------------------------------------------------------------------------------- pictures


def images(shown):
    found = re.findall(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]*)"', shown)
    return {
        alt: matplotlib.image.imread(io.BytesIO(base64.b64decode(data)), format="png") for alt, data in found
    }


def test_are_expected_yours_and_the_difference_drawn():
    names = [alt.split(":")[0] for alt in images(card.html(verdict(picture=picture(np.zeros((3, 4))))))]
    assert names == ["expected", "yours", "difference"]


def test_is_there_no_difference_of_other_shapes():
    names = [alt.split(":")[0] for alt in images(card.html(verdict(picture=picture(np.zeros((4, 3))))))]
    assert names == ["expected", "yours"]


def test_does_the_alt_text_say_shape_and_range():
    alts = list(images(card.html(verdict(picture=picture(np.full((3, 4), 2.0))))))
    assert alts[1] == "yours: a heat map of 3 by 4 values, 2 to 2"


def test_are_entries_that_are_not_finite_grey():
    got = np.ones((3, 4))
    got[0, 0], got[2, 3] = np.nan, np.inf
    drawn = images(card.html(verdict(picture=picture(got))))
    alt, pixels = list(drawn.items())[1]
    assert alt.endswith("2 not finite")
    assert np.allclose(pixels[0, 0, :3], 0.35, atol=0.01)


@pytest.mark.parametrize(
    "got",
    [
        np.full((3, 4), np.nan),
        np.full((3, 4), 1e308) * np.array([1, -1, 1, -1]),
        np.array(3.0),
        np.ones(5),
        np.ones((2, 3, 4)),
        np.ones((500, 500)),
        np.ones((3, 4), bool),
    ],
    ids=["all_nan", "huge", "scalar", "vector", "cube", "large", "booleans"],
)
def test_is_a_card_drawn_whatever_came(got):
    assert images(card.html(verdict(picture=picture(got))))


@pytest.mark.parametrize("got", [np.ones((0, 3)), np.ones((2, 2, 2, 2)), np.ones((3, 4)) * 1j])
def test_is_what_cannot_be_drawn_left_out(got):
    assert images(card.html(verdict(picture=picture(got)))) == {}


def test_is_a_large_array_cut_to_a_small_picture():
    shown = card.html(verdict(picture=picture(np.ones((4000, 50)), np.ones((4000, 50)))))
    assert len(shown) < 60_000
