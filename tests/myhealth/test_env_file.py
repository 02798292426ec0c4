"""The reader of `.env` files."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myhealth import env_file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("NAME = value", "value"),
        ("  NAME=value  ", "value"),
        ("\tNAME\t=\tvalue\t", "value"),
        ("NAME=\u00a0value", "value"),
        ("export NAME=value", "value"),
        ("export  NAME = value", "value"),
        ("NAME=value # comment", "value"),
        ("NAME=value\t#comment", "value"),
        ("NAME=val#ue", "val#ue"),
        ("NAME=#value", "#value"),
        ("NAME= # comment", ""),
        ("NAME='val # ue' # comment", "val # ue"),
        ('NAME="val # ue"# comment', "val # ue"),
        ("NAME='it is \"so\"'", 'it is "so"'),
        ('NAME="it\'s"', "it's"),
        ("NAME=it's", "it's"),
        ("NAME=", ""),
        ("NAME=''", ""),
        ("NAME=a=b==", "a=b=="),
        ("NAME=$OTHER${X}", "$OTHER${X}"),
        ("NAME='$OTHER'", "$OTHER"),
        ("NAME=100%s", "100%s"),
        (r"NAME=C:\new\table", r"C:\new\table"),
        (r"NAME='C:\new'", r"C:\new"),
        ("NAME=two words", "two words"),
        ("NAME=pässwörd", "pässwörd"),
    ],
)
def test_value_is_read_as_it_is_written(line, value):
    assert env_file.parse(line) == ({"NAME": value}, [])


@pytest.mark.parametrize("line", ["", "   ", "# comment", "  # NAME=value", "#NAME"])
def test_blank_lines_and_comments_are_skipped(line):
    assert env_file.parse(f"{line}\nNAME=value") == ({"NAME": "value"}, [])


LINES = "FIRST=one\nSECOND='ü'"


@pytest.mark.parametrize(
    "raw",
    [
        LINES.encode(),
        codecs.BOM_UTF8 + LINES.encode(),
        codecs.BOM_UTF8 + b"FIRST=one\n" + codecs.BOM_UTF8 + "SECOND='ü'".encode(),
        LINES.encode("utf-16"),
        codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
        LINES.replace("\n", "\r\n").encode(),
        LINES.replace("\n", "\r").encode(),
        codecs.BOM_UTF16_LE + f"{LINES}\n".replace("\n", "\r\n").encode("utf-16-le"),
    ],
)
def test_file_of_any_editor_is_read(tmp_path, raw):
    (tmp_path / ".env").write_bytes(raw)
    assert env_file.read(tmp_path / ".env") == ({"FIRST": "one", "SECOND": "ü"}, [])


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"hush",
            b"export",
            b"export NAME",
            b"=hush",
            b"NA ME=hush",
            b"NA-ME=hush",
            b"1NAME=hush",
        ),
        *(b"NAME: hush", b'"NAME"=hush', b"NAME='hush", b'NAME="hush', b"NAME='hush'hush"),
        *(b"NAME=h\xfcsh", b"NAME=hu\0sh", "NAME=“hush”".encode(), b"FIRST=hush", b"$NAME=hush"),
        *(b"N\0A\0M\0E\0=\0",),
    ],
)
def test_line_that_cannot_be_read_is_told_by_number(tmp_path, line):
    file = tmp_path / ".env"
    file.write_bytes(b"\n# first\nFIRST=one\n" + line + b"\nLAST=two\n")
    values, [problem] = env_file.read(file)
    assert values == {"FIRST": "one", "LAST": "two"}
    assert problem.startswith(f"{file}, line 4: ")
    assert "hush" not in problem


def test_unclosed_quote_ends_with_its_line():
    values, problems = env_file.parse("A='x\nB='y\nC=z")
    assert values == {"C": "z"}
    assert [problem.partition(":")[0] for problem in problems] == ["line 1", "line 2"]


@given(st.binary() | st.text(alphabet="A=' \"#\\\r\n\u2028\x0b$", max_size=40).map(str.encode))
def test_any_file_is_read_or_reported(raw):
    values, problems = env_file.parse(env_file.decode(raw))
    for name, value in values.items():
        assert name.isidentifier()
        assert "\0" not in value
    assert all(problem.startswith("line ") for problem in problems)


def test_file_that_is_missing_sets_nothing(tmp_path):
    assert env_file.read(tmp_path / ".env") == ({}, [])


def test_folder_in_place_of_file_is_told(tmp_path):
    _, [problem] = env_file.read(tmp_path)
    assert "is a folder" in problem


def test_file_that_the_system_does_not_open_is_told(tmp_path):
    file = tmp_path / ("x" * 300)
    assert env_file.read(file) == ({}, [f"{file} can't be read: File name too long."])
