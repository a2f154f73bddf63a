"""One line for each event, with its context, in JSON or for people; no line gives away what a variable held (H6)."""

import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from akount import logs

SECRET = "Hunter2-in-a-variable"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def err() -> Iterator[io.StringIO]:
    """What goes to standard error; afterwards the logging of the tests is put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in quiet.items():
        logging.getLogger(name).setLevel(was)


def configure(err: io.StringIO, **options: Any) -> None:
    with contextlib.redirect_stderr(err):
        logs.configure(**options)


@pytest.fixture
def lines(err: io.StringIO) -> Lines:
    """What was logged as JSON: every line has to be some."""
    structlog.contextvars.clear_contextvars()  # what requests of other tests bound
    configure(err, as_json=True, level="INFO")
    return lambda: [json.loads(line) for line in err.getvalue().splitlines()]


def test_a_line_is_json_with_the_event_its_values_level_and_time(lines: Lines) -> None:
    logs.get("akount.test").info("document submitted", size=7, type="application/pdf")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "document submitted", "size": 7, "type": "application/pdf", "level": "info"}


def test_what_is_bound_stands_on_every_line_of_this_program_and_of_libraries(lines: Lines) -> None:
    with bound_contextvars(request_id="r-1", job="j-1"):
        logs.get("akount.test").warning("ours")
        logging.getLogger("library").warning("theirs")
    logs.get("akount.test").warning("after")
    ours, theirs, after = lines()
    for line in (ours, theirs):
        assert (line["request_id"], line["job"], line["level"]) == ("r-1", "j-1", "warning")
        assert "timestamp" in line
    assert "request_id" not in after


def test_the_arguments_of_a_librarys_line_are_not_lost(lines: Lines) -> None:
    logging.getLogger("library").warning("%s took %d ms", "it", 17)
    logging.getLogger("library").error("100 %")
    first, second = lines()
    assert first["event"] == "it took 17 ms"
    assert second["event"] == "100 %"


def test_values_that_json_does_not_know_do_not_lose_the_line(lines: Lines) -> None:
    logs.get("akount.test").info("odd", thing=object(), data=b"\xff", number=float("nan"))
    (line,) = lines()
    assert line["event"] == "odd"


def test_a_line_break_in_a_value_does_not_make_a_second_line(lines: Lines) -> None:
    logs.get("akount.test").info("event", value='a\n{"event": "forged"}')
    assert len(lines()) == 1


def fail() -> None:
    held = SECRET
    raise ValueError(f"a text of {len(held)} signs")


def test_an_exception_is_told_without_what_variables_held(lines: Lines, err: io.StringIO) -> None:
    ours, library = logs.get("akount.test"), logging.getLogger("library")
    for tell in (ours.exception, library.exception):
        try:
            fail()
        except ValueError:
            tell("it failed")
    assert SECRET not in err.getvalue()
    told = lines()
    assert len(told) == 2
    for line in told:
        assert line["event"] == "it failed"
        (exception,) = line["exception"]
        assert (exception["exc_type"], exception["exc_value"]) == ("ValueError", f"a text of {len(SECRET)} signs")
        assert exception["frames"][-1]["name"] == "fail"


def test_an_exception_is_told_to_people_without_what_variables_held(err: io.StringIO) -> None:
    configure(err, as_json=False, level="INFO")
    try:
        fail()
    except ValueError:
        logs.get("akount.test").exception("it failed", job="j-1")
    said = err.getvalue()
    assert SECRET not in said
    assert "it failed" in said
    assert "j-1" in said
    assert "ValueError: a text of" in said
    assert "\x1b[" not in said, "no colours where nobody looks"


def test_lines_below_the_level_are_not_written(lines: Lines) -> None:
    logs.get("akount.test").debug("too little")
    logging.getLogger("library").debug("too little")
    assert lines() == []


def test_the_level_can_be_lowered(err: io.StringIO) -> None:
    configure(err, as_json=True, level="DEBUG")
    logs.get("akount.test").debug("everything")
    assert json.loads(err.getvalue())["event"] == "everything"


@pytest.mark.parametrize("name", logs.QUIET)
def test_talkative_libraries_are_heard_from_warnings_on(lines: Lines, name: str) -> None:
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("trouble")
    assert [line["event"] for line in lines()] == ["trouble"]


def test_configuring_twice_does_not_write_twice(lines: Lines, err: io.StringIO) -> None:
    configure(err, as_json=True, level="INFO")
    logs.get("akount.test").info("once")
    assert len(lines()) == 1
