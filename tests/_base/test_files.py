"""Tests of files and folders that are written completely or not at all."""

import os
from datetime import datetime

import pytest

from skcxr._base.files import (
    build_temporary_path,
    check_writable,
    create_dated_folder,
    fill_folder,
    reserve_folder,
    shorten_name,
    write_atomically,
)


@pytest.mark.parametrize("name", ["covid", "x" * 100, "肺" * 33])
def test_a_name_that_is_short_enough_is_kept(name):
    assert shorten_name(name) == name


@pytest.mark.parametrize("letter", ["x", "é", "肺", "\udce9"])
def test_long_names_are_bounded_and_stay_apart(letter):
    names = [shorten_name(letter * 120 + end) for end in "abc"]
    assert len(set(names)) == 3
    assert max(len(os.fsencode(name)) for name in names) <= 100


@pytest.mark.parametrize("name", ["x" * 255, "肺" * 85])
def test_a_file_of_the_longest_name_is_written(tmp_path, name):
    with write_atomically(tmp_path / name) as file:
        file.write(b"content")
    assert (tmp_path / name).read_bytes() == b"content"
    assert os.listdir(tmp_path) == [name]
    assert len(build_temporary_path(tmp_path / name).name.encode()) < 255


def test_folders_of_one_second_are_apart(tmp_path, monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls):
            return cls(2026, 5, 4, 3, 2, 1)

    monkeypatch.setattr("skcxr._base.files.datetime", Clock)
    names = [create_dated_folder(tmp_path / "parent").name for _ in range(3)]
    assert names == ["2026-05-04-030201", "2026-05-04-030201-2", "2026-05-04-030201-3"]


@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize("has_content", [False, True])
def test_a_reserved_folder_is_removed_if_the_run_fails(tmp_path, existed, has_content):
    out = tmp_path / "out"
    if existed:
        out.mkdir()

    def run():
        with reserve_folder(out) as folder:
            assert folder.is_dir()
            if has_content:
                (folder / "a").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert out.exists() is (existed or has_content)


def test_what_is_moved_last_makes_a_folder_complete(tmp_path, monkeypatch):
    """At no time, a folder with the last file has the content of another result."""
    rename = type(tmp_path).rename
    seen = []

    def watch(self, target):
        found = rename(self, target)
        files = [file for file in (tmp_path / "out").iterdir() if file.is_file()]
        seen.append({file.name: file.read_text("utf-8") for file in files})
        return found

    monkeypatch.setattr(type(tmp_path), "rename", watch)
    for content in ("earlier", "later"):
        with fill_folder(tmp_path / "out", last="m") as folder:
            for name in "amz":
                (folder / name).write_text(content)
    assert all(len(files) == 3 and len(set(files.values())) == 1 for files in seen if "m" in files)
    assert seen[-1] == dict.fromkeys("amz", "later")


def test_a_folder_that_exists_is_probed_itself(tmp_path, monkeypatch):
    """A folder may be read-only in a parent that is not, and the reverse."""
    out = tmp_path / "out"
    out.mkdir()
    probed = []

    class Probe:
        def __init__(self, dir):
            probed.append(dir)
            if dir == out:
                raise PermissionError(13, "Permission denied")

        def cleanup(self):
            pass

    monkeypatch.setattr("skcxr._base.files.TemporaryDirectory", Probe)
    with pytest.raises(OSError, match=r"out=.*out' cannot be written: Permission denied in .*out'"):
        check_writable(out)
    check_writable(tmp_path / "new" / "out")
    assert probed == [out, tmp_path]
