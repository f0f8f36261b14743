import datetime

import pytest

from autograder.course import CourseError, Late, find_root, read_course

HOUR, DAY = 3600, 86400


def write(root, text):
    (root / "course.toml").write_text(text, "utf-8")
    return root


def test_is_the_root_found_from_a_folder_below(course):
    below = course / "solutions"
    assert find_root(below) == course.resolve()


def test_does_a_missing_course_say_where_to_go(tmp_path):
    with pytest.raises(CourseError, match=r"No course.toml in .* Change into the course's folder first"):
        find_root(tmp_path)


def test_does_the_course_say_what_is_assigned(course):
    read = read_course(course)
    lesson = read.lessons["98-scaling"]
    assert (read.id, lesson.tracks) == ("sample", ("from_scratch",))
    assert lesson.due == datetime.datetime(2027, 1, 29, 23, 59, tzinfo=datetime.UTC)


def test_is_a_due_date_without_a_zone_in_utc(tmp_path):
    read = read_course(write(tmp_path, 'id = "x"\n[[lesson]]\nname = "01-a"\ndue = 2027-01-29T23:59:00\n'))
    assert read.lessons["01-a"].due.tzinfo is datetime.UTC


def test_may_everything_but_the_id_be_left_out(tmp_path):
    read = read_course(write(tmp_path, 'id = "x"\n'))
    assert (read.title, read.lessons, read.late) == ("x", {}, Late())


def test_does_a_lesson_s_beginning_name_it(course):
    assert read_course(course).lesson("98").name == "98-scaling"


@pytest.mark.parametrize("name", ["97", "scaling"])
def test_is_an_unknown_lesson_told_which_are_assigned(course, name):
    with pytest.raises(
        CourseError, match=f"No assigned lesson '{name}' in course.toml. Assigned: 98-scaling."
    ):
        read_course(course).lesson(name)


def test_must_a_lesson_s_beginning_be_unique(tmp_path):
    read = read_course(write(tmp_path, 'id = "x"\n[[lesson]]\nname = "01-a"\n[[lesson]]\nname = "01-ab"\n'))
    assert read.lesson("01-a").name == "01-a"
    with pytest.raises(CourseError):
        read.lesson("01")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id = ", "is not valid TOML"),
        ("title = 'x'", "an entry is missing or unknown: 'id'"),
        ('id = "x"\n[late]\npenalty = 3', "an entry is missing or unknown"),
        ('id = "x"\n[[lesson]]\ntracks = ["pytorch"]', "an entry is missing or unknown: 'name'"),
        (
            'id = "x"\n[[lesson]]\nname = "01"\ntracks = ["jax"]',
            "unknown track 'jax'; tracks are from_scratch",
        ),
        ('id = "x"\n[[lesson]]\nname = "01"\ndue = "soon"', "due is a date and time such as"),
        ('id = "x"\n[[lesson]]\nname = "01"\ndue = 2027-01-29', "due is a date and time such as"),
    ],
)
def test_is_a_wrong_entry_named(tmp_path, text, says):
    with pytest.raises(CourseError, match=says):
        read_course(write(tmp_path, text))


@pytest.mark.parametrize(
    ("seconds", "share"),
    [
        (-DAY, 0),
        (0, 0),
        (6 * HOUR, 0),
        (6 * HOUR + 1, 0.1),
        (30 * HOUR, 0.1),
        (31 * HOUR, 0.2),
        (90 * DAY, 0.5),
    ],
)
def test_is_each_day_begun_after_the_grace_taken_off(seconds, share):
    assert Late(0.1, 0.5, 6).share(seconds) == pytest.approx(share)


def test_is_nothing_taken_off_without_a_policy():
    assert Late().share(90 * DAY) == 0
