import io
import json
import zipfile

import numpy as np
import pytest

from autograder.judging.casebook import FORMAT, CasebookError, dump, load
from tests import samples
from tests.samples import judged


def packed(meta, **arrays):
    """Pack a casebook by hand."""
    with io.BytesIO() as stream:
        np.savez_compressed(stream, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
        return stream.getvalue()


def test_does_a_casebook_come_back():
    lesson, exercises = load(dump("98-scaling", [samples.scaling(), samples.square()]))
    assert lesson == "98-scaling"
    assert list(exercises) == [("scaled", "from_scratch"), ("expand_square", "from_scratch")]


def test_does_a_loaded_exercise_judge_as_before():
    _, exercises = load(dump("98-scaling", [samples.scaling(), samples.square()]))
    scaled = exercises["scaled", "from_scratch"]
    assert judged(scaled, np.multiply).passed
    assert judged(scaled, np.add).mistake == "added"
    assert judged(exercises["expand_square", "from_scratch"], ["a**2 + b**2"]).mistake == "no_cross_term"


def test_do_equal_exercises_give_equal_bytes():
    assert dump("98-scaling", [samples.scaling()]) == dump("98-scaling", [samples.scaling()])


def test_is_a_casebook_free_of_pickle_and_code(casebook):
    with zipfile.ZipFile(io.BytesIO(casebook)) as archive:
        for name in archive.namelist():
            assert np.load(io.BytesIO(archive.read(name)), allow_pickle=False).dtype.kind in "biuf c".replace(
                " ", ""
            )


def test_is_a_pickle_in_a_casebook_refused():
    with io.BytesIO() as stream:
        np.savez(stream, meta=np.array([{"format": FORMAT}], dtype=object))
        with pytest.raises(CasebookError, match="damaged"):
            load(stream.getvalue())


def test_is_another_format_told_apart_from_damage():
    with pytest.raises(CasebookError, match=f"of format 99 and this program reads format {FORMAT}"):
        load(packed({"format": 99}))


@pytest.mark.parametrize(
    "meta",
    [
        {},
        [],
        {"format": FORMAT},
        {"format": FORMAT, "lesson": "x"},
        {"format": FORMAT, "lesson": "x", "exercises": [{}]},
        {"format": FORMAT, "lesson": "x", "exercises": [{"$array": 7}]},
        {"format": FORMAT, "lesson": "x", "exercises": [{"cases": [{"name": 1}]}]},
    ],
)
def test_is_a_casebook_without_its_fields_damaged(meta):
    with pytest.raises(CasebookError, match="damaged"):
        load(packed(meta))


@pytest.mark.parametrize("data", [b"", b"PK", b"not a casebook", b"\x93NUMPY", bytes(1000)])
def test_is_any_other_file_damaged(data):
    with pytest.raises(CasebookError, match="damaged"):
        load(data)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_is_half_a_casebook_damaged(casebook, share):
    with pytest.raises(CasebookError, match="damaged"):
        load(casebook[: int(share * len(casebook))])


def test_is_a_changed_byte_never_a_crash(casebook):
    rng = np.random.default_rng(3)
    for place in rng.integers(0, len(casebook), 300):
        spoiled = bytearray(casebook)
        spoiled[place] ^= int(rng.integers(1, 256))
        try:
            load(bytes(spoiled))
        except CasebookError as error:
            assert "damaged" in str(error) or "format" in str(error)  # noqa: PT017
