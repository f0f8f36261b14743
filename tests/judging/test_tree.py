import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.judging import tree

LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(TREES)
def test_do_plain_trees_come_back_as_they_were(data):
    assert tree.join(*tree.split(data)) == data


def test_does_an_array_come_back_with_its_dtype_and_shape():
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    back = tree.join(*tree.split({"deep": [{"er": array}]}))["deep"][0]["er"]
    assert back.dtype == np.int16
    assert np.array_equal(back, array)


def test_is_the_skeleton_free_of_arrays():
    skeleton, arrays = tree.split([np.ones(2), {"x": np.zeros(3)}])
    assert json.loads(json.dumps(skeleton)) == [{"$array": 0}, {"x": {"$array": 1}}]
    assert [a.size for a in arrays] == [2, 3]


def test_does_a_numpy_number_become_a_plain_one():
    skeleton, _ = tree.split({"n": np.float32(0.5)})
    assert type(skeleton["n"]) is float


def test_does_a_tuple_become_a_list():
    assert tree.split((1, 2))[0] == [1, 2]


@pytest.mark.parametrize("alien", [object(), {1, 2}, b"bytes", 1j, len])
def test_is_anything_that_could_carry_code_refused(alien):
    with pytest.raises(TypeError, match="a tree holds"):
        tree.split({"x": alien})


@pytest.mark.parametrize("index", [1, -1, "0", None, 0.0])
def test_is_a_reference_to_a_missing_array_refused(index):
    with pytest.raises(ValueError, match="is missing"):
        tree.join({"$array": index}, [np.ones(1)])
