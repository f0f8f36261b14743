"""Messages: what crosses the wire, and what a reader refuses."""

from __future__ import annotations

import contextlib
import json
import pickle
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autograder.sandbox.wire import DTYPES, MAX_HEADER_BYTES, ProtocolError, Wire, clean


@pytest.fixture
def ends() -> Iterator[tuple[Wire, Wire]]:
    """The grader's end, and the foreign one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Wire(ours, foreign=True), Wire(theirs)


def send_raw(wire: Wire, header: object, data: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    wire.sock.sendall(len(text).to_bytes(4, "big") + text + data)


def soon() -> float:
    return time.monotonic() + 2.0


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_does_every_number_type_cross_unchanged(ends: tuple[Wire, Wire], dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    ends[1].send({"a": array})
    got = ends[0].receive(soon())["a"]
    assert got.dtype == array.dtype
    assert np.array_equal(got, array)


@pytest.mark.parametrize("array", [np.array(2.5), np.empty((0, 3)), np.ones((2, 3)).T, np.ones(3, ">f8")])
def test_do_scalars_empties_and_odd_layouts_keep_shape_and_values(
    ends: tuple[Wire, Wire], array: np.ndarray
) -> None:
    ends[1].send([array])
    (got,) = ends[0].receive(soon())
    assert got.shape == array.shape
    assert np.array_equal(got, array)


def test_does_a_longer_float_arrive_as_float64(ends: tuple[Wire, Wire]) -> None:
    ends[1].send([np.ones(2, np.longdouble)])
    assert ends[0].receive(soon())[0].dtype == np.float64


def test_does_a_large_array_cross_while_the_reader_is_slow(ends: tuple[Wire, Wire]) -> None:
    array = np.random.default_rng(0).normal(size=(1000, 500))
    sender = threading.Thread(target=lambda: ends[1].send({"a": array}))
    sender.start()
    got = ends[0].receive(time.monotonic() + 10.0)["a"]
    sender.join()
    assert np.array_equal(got, array)


def test_are_texts_and_keys_from_outside_cleaned(ends: tuple[Wire, Wire]) -> None:
    ends[1].send({"k\x1b[2Jey": ["a\x1b[31mred\x00\n\u202eb\x9b", 1]})
    assert ends[0].receive(soon()) == {"key": ["ared\nb", 1]}


@given(st.text(st.characters(max_codepoint=0x2100)), st.booleans())
@example("\x7f\x08\x0c\r", True)
@example("\x7f\x9b\u202e", False)
def test_is_every_text_cleaned_however_it_is_written(text: str, ascii_only: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        header = json.dumps({"body": {text: [text]}, "arrays": []}, ensure_ascii=ascii_only)
        send_raw(Wire(theirs), header.encode("utf-8", "surrogatepass"))
        with contextlib.suppress(ProtocolError):
            assert Wire(ours, foreign=True).receive(soon()) == {clean(text): [clean(text)]}


def test_does_cleaning_leave_ordinary_text_alone() -> None:
    assert clean("σ² = ½,\tzeile\nend") == "σ² = ½,\tzeile\nend"


def test_is_a_source_with_control_characters_kept_on_the_way_in(ends: tuple[Wire, Wire]) -> None:
    ends[0].send({"source": "print('\x1b[0m\x0c')"})
    assert ends[1].receive(soon()) == {"source": "print('\x1b[0m\x0c')"}


def test_is_a_byte_that_is_neither_true_nor_false_made_true(ends: tuple[Wire, Wire]) -> None:
    send_raw(ends[1], {"body": {"$array": 0}, "arrays": [["|b1", [2]]]}, b"\x07\x00")
    got = ends[0].receive(soon())
    assert got.tobytes() == b"\x01\x00"


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"\xff\xfe",
        pickle.dumps({"body": 1}),
        b"[" * 100_000,
        b'{"body": ' + b"[" * 40 + b"]" * 40 + b', "arrays": []}',
        b'{"body": 1' + b"0" * 5000 + b', "arrays": []}',
        [],
        {"body": 1},
        {"body": 1, "arrays": {}},
        {"body": 1, "arrays": [["|O8", [1]]]},
        {"body": 1, "arrays": [["<f8", [-1]]]},
        {"body": 1, "arrays": [["<f8", [True]]]},
        {"body": 1, "arrays": [["<f8", [10**10, 10**10]]]},
        {"body": 1, "arrays": [["<f8", [2**31, 2**31, 0]]]},
        {"body": 1, "arrays": [["<f8", [2**20, 2**20]]]},
        {"body": 1, "arrays": [["<f8", [1] * 40]]},
        {"body": 1, "arrays": [["|u1", [0]]] * 2000},
        {"body": 1, "arrays": [[["<f8"], [1]]]},
        {"body": {"$array": 0}, "arrays": []},
        {"body": {"$array": "x"}, "arrays": []},
        {"body": {"$integers": [[float("inf")], [1]]}, "arrays": []},
        {"body": {"$integers": [[10**20], [1]]}, "arrays": []},
        {"body": {"$integers": 7}, "arrays": []},
    ],
    ids=lambda header: str(header)[:40],
)
def test_is_a_malformed_header_refused(ends: tuple[Wire, Wire], header: object) -> None:
    send_raw(ends[1], header)
    with pytest.raises(ProtocolError):
        ends[0].receive(soon())


def test_is_a_huge_header_refused_before_it_is_read(ends: tuple[Wire, Wire]) -> None:
    ends[1].sock.sendall((MAX_HEADER_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(ProtocolError, match="too large"):
        ends[0].receive(soon())


def test_does_a_stalled_sender_meet_the_deadline(ends: tuple[Wire, Wire]) -> None:
    ends[1].sock.sendall(b"\x00\x00")
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        ends[0].receive(begun + 0.2)
    assert time.monotonic() - begun < 1.0


def test_does_a_reader_that_never_reads_meet_the_senders_deadline(ends: tuple[Wire, Wire]) -> None:
    with pytest.raises(TimeoutError):
        ends[0].send([np.zeros(10**6)], time.monotonic() + 0.2)


def test_is_the_end_of_the_connection_told(ends: tuple[Wire, Wire]) -> None:
    ends[1].sock.sendall(b"\x00")
    ends[1].close()
    with pytest.raises(EOFError):
        ends[0].receive(soon())


@pytest.mark.parametrize("tree", ["x" * 2**20, [np.empty((300, 2**20), np.uint8)], [np.array(["text"])]])
def test_does_a_sender_refuse_what_no_reader_would_take(ends: tuple[Wire, Wire], tree: object) -> None:
    with pytest.raises(ValueError, match=r"too large|cannot be sent"):
        ends[0].send(tree, soon())
