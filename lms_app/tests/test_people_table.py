import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_app.services import people_table as table


def read(text):
    found = table.read(text)
    return [line.email for line in found.lines], [(fault.line, fault.reason) for fault in found.faults]


@pytest.mark.parametrize(
    "text",
    [
        "ada@school.org\nbo@school.org",
        "ada@school.org\r\n\r\nBo@School.org\r\n",
        "name,Email\nAda,ada@school.org\nBo,bo@school.org",
        "E-Mail;name\nada@school.org;Ada\nbo@school.org;Bo",
        "\ufeffname\temail\nAda\tada@school.org\n\t\nBo\tbo@school.org",
        'name,email\n"Ada, the first",ada@school.org\nBo,bo@school.org',
        "Ada,ada@school.org\nBo,bo@school.org",
    ],
)
def test_addresses_are_found_in_lines_and_in_tables(text):
    assert read(text) == (["ada@school.org", "bo@school.org"], [])


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", [(1, table.EMPTY)]),
        ("name\nAda", [(1, table.NO_COLUMN)]),
        ("email\nada@school.org\nada at school\nada@school.org", [(3, "bad_address"), (4, table.TWICE)]),
        ("name,email\nAda", [(2, "bad_address")]),
        ("\n".join(f"a{number}@school.org" for number in range(table.MOST + 1)), [(table.MOST + 1, table.TOO_MANY)]),
        ("x" * (table.LONGEST + 1), [(1, table.TOO_LONG)]),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, faults):
    assert read(text)[1] == faults


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\n=1"])
@pytest.mark.parametrize("before", ["", "Ada", 'Ada "L"', "Ada;", "Ada\t", 'Ada;"', 'Ada; ""', "Ada\n", '"', "Ada,"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_begins_like_a_formula_however_a_program_parts_the_cells(separator, before, formula):
    text = before + formula
    written = table.write([text, "email"], [["Bo", text], [text, text]]).removeprefix("\ufeff")
    cells = [cell for row in csv.reader(io.StringIO(written, newline=""), delimiter=separator) for cell in row]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert text.replace("'", "") in written.replace("'", "").replace('""', '"')


def test_what_was_written_is_read_again():
    text = table.write(
        ["name", "email"], [["Ada, L.", "ada@school.org"], ['Bo\n"B"', "-bo@school.org"], [None, "c@d.org"]]
    )
    assert read(text) == (["ada@school.org", "-bo@school.org", "c@d.org"], [])


@given(st.text())
def test_any_text_is_read_or_refused_and_breaks_nothing(text):
    emails, faults = read(text)
    assert emails or faults
