"""Syntax trees, built by several threads at once."""

import ast
import gc
import threading
import time

import pytest

from autograder.judging.syntax import parse, parse_expression

DEEP = "x = " + " + ".join(f"f({'[' * 9}{n}{']' * 9})" for n in range(40))


def test_are_they_python_s_own_trees():
    assert ast.dump(parse("a = 1\nb = a")) == ast.dump(ast.parse("a = 1\nb = a"))
    assert ast.dump(parse_expression("a + b")) == ast.dump(ast.parse("a + b", mode="eval").body)


@pytest.mark.parametrize("parser", [parse, parse_expression])
def test_is_what_does_not_parse_told(parser):
    with pytest.raises(SyntaxError):
        parser("a +")


def test_do_threads_leave_each_other_alone(lively_collector):
    failed = []

    def work():
        try:
            for _ in range(30):
                parse(DEEP)
        except SystemError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@pytest.fixture
def lively_collector():
    """Let garbage be collected often, in the middle of the parser too, and other threads run meanwhile."""
    before = gc.get_threshold()

    def let_others_run(phase, info):
        time.sleep(0)

    gc.callbacks.append(let_others_run)
    gc.set_threshold(20)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(let_others_run)
