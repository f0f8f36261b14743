import threading
import time

import pytest

from autograder.judging.limits import BoundedText, TimeLimit, time_limit


def endless():
    while True:
        pass


def test_is_an_endless_loop_ended():
    with pytest.raises(TimeLimit), time_limit(0.05):
        endless()


def test_is_an_endless_loop_that_catches_exceptions_ended():
    def stubborn():
        while True:
            try:
                pass
            except Exception:
                continue

    with pytest.raises(TimeLimit), time_limit(0.05):
        stubborn()


def test_is_a_quick_block_left_alone():
    with time_limit(5.0):
        value = 1 + 1
    assert value == 2


def test_does_nothing_arrive_after_the_block():
    with time_limit(0.05):
        pass
    time.sleep(0.1)
    assert sum(range(1000)) == 499500


def test_do_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError), time_limit(5.0):
        1 / 0  # noqa: B018


def test_is_no_thread_left_behind():
    with time_limit(60.0):
        during = threading.active_count()
    for _ in range(100):
        if threading.active_count() < during:
            break
        time.sleep(0.01)
    assert threading.active_count() < during


def test_does_a_limit_in_another_thread_end_that_thread_only():
    ended = []

    def work():
        try:
            with time_limit(0.05):
                endless()
        except TimeLimit:
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(5.0)
    assert ended == [True]


def test_is_only_the_beginning_of_a_long_text_kept():
    stream = BoundedText(keep_characters=5)
    print("abc\ndefgh" * 1000, file=stream, end="")
    assert stream.kept == "abc\nd"


def test_is_everything_counted():
    stream = BoundedText(keep_characters=5)
    for _ in range(3):
        print("twelve chars", file=stream)
    assert (stream.characters, stream.lines) == (39, 3)
