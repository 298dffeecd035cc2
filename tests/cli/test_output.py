"""Tests of what commands print for people and programs, on terminals and into pipes."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
from PIL import Image

from skcxr.cli import cli, main
from skcxr.cli._evaluate import _estimate_time_left
from skcxr.cli._printing import (
    EXIT_BAD_INPUT,
    EXIT_DIVERGED,
    EXIT_INTERRUPTED,
    color_text,
    color_verdict,
)
from tests.test_import import modules_after

QUICK = ["--image-size", "16", "--gan-epochs", "1", "--gan-width", "2", "--n-jobs", "1"]
BAR = re.compile(r"\d+/\d+ |\d+%\|")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write folders of noise in two classes: train, holdout and synthetic."""
    root, rng = tmp_path_factory.mktemp("folders"), np.random.default_rng(0)
    for name in ("train", "holdout", "synthetic"):
        for k in ("covid", "normal"):
            (root / name / k).mkdir(parents=True)
            for i in range(6):
                image = rng.integers(0, 255, (16, 16), dtype=np.uint8)
                Image.fromarray(image).save(root / name / k / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def commands(folders):
    """Return arguments of each command that take little time."""
    data = ["--data", str(folders / "train")]
    sets = [w for name in ("synthetic", "train", "holdout") for w in (f"--{name}", folders / name)]
    short = ["--cv", "2", "--epochs", "1"]
    probe = ["fit", *QUICK, *data, *short, "--arm", "probe"]
    assert main([*probe, "--out", str(folders / "model"), "--quiet"]) == 0
    return {
        "check": ["check", "--image-size", "16", *data],
        "evaluate": ["evaluate", *QUICK, *data, *short, "--arms", "dcgan,classic"],
        "fit": ["fit", *QUICK, *data, *short, "--arm", "dcgan"],
        "predict": [
            "predict",
            "--data",
            str(folders / "holdout"),
            "--model",
            str(folders / "model"),
        ],
        "synthesize": ["synthesize", *QUICK, *data, "-n", "4", "--holdout", "0.4"],
        "audit": ["audit", "--image-size", "16", *map(str, sets)],
    }


every_command = pytest.mark.parametrize("name", list(cli.commands))


def check_result(name, result, out):
    assert result["file" if name == "predict" else "folder"] == str(out)
    if name == "evaluate":
        assert result["n_finished"] == {"classic": 2, "duplicates": 2, "dcgan": 2}
        assert Path(result["report"]).is_file()
        assert len(result["reading"]) == 3
        assert np.sum([list(row.values()) for row in result["confusion"]["dcgan"].values()]) == 12
        assert {row["arm"] for row in result["differences"]} == {"duplicates", "dcgan"}
        assert result["samples"]["covid"]["copying"]
    elif name == "fit":
        assert result["classes"] == ["covid", "normal"]
        assert set(result["figures"]) == {"accuracy", "balanced_accuracy", "calibration_error"}
    elif name == "predict":
        assert result["n_images"] == sum(result["n_by_class"].values()) == 12
    elif name == "synthesize":
        assert result["n_by_class"] == {"covid": 4, "normal": 4}
        assert set(result["quality"]) == {"covid", "normal"}
    elif name == "check":
        assert result["reading"] == []
        assert {row["class"] for row in result["classes"]} == {"covid", "normal"}
    else:
        assert set(result["classes"]) == {"covid", "normal"}
        assert result["exceeded"] == []


@every_command
def test_json_goes_to_stdout_and_all_else_to_stderr(commands, name, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*commands[name], "--out", str(out), "--json"]) == 0
    captured = capsys.readouterr()
    check_result(name, json.loads(captured.out), out)
    assert str(out) in captured.err
    assert not BAR.search(captured.err)


@every_command
def test_quiet_prints_nothing(commands, name, tmp_path, capfd):
    assert main([*commands[name], "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_quiet_still_prints_errors(commands, capsys):
    assert main([*commands["evaluate"], "--cv", "9", "--quiet"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_quiet_json_is_the_json_alone(commands, capfd):
    assert main([*commands["audit"], "--quiet", "--json"]) == 0
    captured = capfd.readouterr()
    assert set(json.loads(captured.out)) == {
        "classes",
        "exceeded",
        "undecided",
        "overlap",
        "folder",
    }
    assert captured.err == ""


def test_a_limit_that_is_exceeded_is_in_the_json(commands, capsys):
    assert main([*commands["audit"], "--max-share", "0", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["exceeded"][0].startswith("Exceeded: share nearer")


def test_fits_finished_before_a_divergence_are_in_the_json(commands, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("skcxr.gan._training.LARGEST_LOSS", 0.0)
    assert main([*commands["evaluate"], "--out", str(tmp_path / "out"), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["n_finished"] == {"classic": 1, "duplicates": 1, "dcgan": 0}
    assert set(result["table4"]) == {"classic", "duplicates"}


def run_on_a_terminal(args, **environment):
    """Return what the command writes to a terminal on stderr; stdout is a pipe."""
    pty = pytest.importorskip("pty", reason="terminals are opened as Unix does")
    termios, fcntl = pytest.importorskip("termios"), pytest.importorskip("fcntl")
    leader, follower = pty.openpty()
    # 24 rows and 80 columns: a terminal without a size has no room for a bar.
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "skcxr", *args],
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", **environment},
    )
    os.close(follower)
    written = b""
    try:
        while chunk := os.read(leader, 4096):
            written += chunk
    except OSError:  # the other end is closed
        pass
    process.communicate()
    os.close(leader)
    return written.decode()


def test_a_terminal_has_bars_with_the_time_left(commands, tmp_path):
    written = run_on_a_terminal([*commands["evaluate"], "--out", str(tmp_path / "out")])
    assert "fits 6/6" in written
    assert re.search(r"about \d+ s left", written)
    assert not BAR.search(
        run_on_a_terminal([*commands["evaluate"], "--out", str(tmp_path / "quiet"), "-q"])
    )


def test_a_terminal_has_color_unless_no_color_is_set(commands):
    args = [*commands["evaluate"], "--cv", "9"]
    assert "\x1b[31m" in run_on_a_terminal(args, NO_COLOR="")
    plain = run_on_a_terminal(args, NO_COLOR="1")
    assert "\x1b" not in plain
    assert "error: class 'covid' has 6 images" in plain


def test_no_color_applies_to_verdicts_too(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" in color_text("copies found", "red")
    monkeypatch.setenv("NO_COLOR", "1")
    assert color_text("copies found", "red") == "copies found"


@pytest.mark.parametrize(
    ("verdict", "color"),
    [
        ("no sign of copying", "green"),
        ("copies found", "red"),
        ("suspicious", "yellow"),
        ("not audited", "yellow"),
        ("cannot tell", "yellow"),
        ("a verdict of a later version", "yellow"),
    ],
)
def test_only_a_good_verdict_is_green(monkeypatch, verdict, color):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert color_verdict(verdict) == click.style(verdict, fg=color, bold=True)


def test_the_time_left_is_shown_once_each_arm_has_been_timed():
    def fit(arm, seconds):
        return SimpleNamespace(arm=arm, seconds=seconds)

    finished = [fit("classic", 10)]
    assert _estimate_time_left(finished, ["classic", "dcgan"], 4, 1) == ""
    finished += [fit("dcgan", 100)]
    assert _estimate_time_left(finished, ["classic", "dcgan"], 4, 1) == "about 5 min left"
    assert _estimate_time_left(finished, ["classic", "dcgan"], 2, 2) == "about 55 s left"
    assert _estimate_time_left(finished, ["classic", "dcgan"], 1, 1) == ""


def test_help_loads_no_library_except_click():
    for args in (["--help"], ["evaluate", "--help"], ["--version"]):
        code = (
            "import contextlib, io\nfrom skcxr.cli import main\n"
            f"with contextlib.redirect_stdout(io.StringIO()):\n    main({args})"
        )
        loaded = modules_after(code)
        assert "click" in loaded
        assert not loaded & {"torch", "numpy", "pandas", "sklearn", "matplotlib", "tqdm", "jinja2"}


@pytest.mark.parametrize("name", [None, *cli.commands])
def test_help_fits_a_screen_with_an_example_and_the_exit_codes(name, capsys):
    assert main([*filter(None, [name]), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    n_options = sum(line.startswith("  -") for line in lines)
    n_options += len(cli.commands) if name is None else 0
    # Each option or command takes one line, and the text around the options is short.
    assert len(lines) <= 14 + n_options
    assert max(map(len, lines)) <= 80
    (example,) = [line for line in lines if line.startswith("  Example: skcxr")]
    assert name is None or f"skcxr {name} " in example
    (codes,) = [line for line in lines if line.startswith("  Exit codes: 0 ")]
    expected = [EXIT_BAD_INPUT, EXIT_INTERRUPTED]
    if name != "predict":  # it trains nothing
        expected.append(EXIT_DIVERGED)
    assert all(f" {code} " in codes for code in expected)


@every_command
def test_the_example_can_be_parsed(name, capsys, monkeypatch):
    main([name, "--help"])
    example = re.search(r"Example: skcxr (.*)", capsys.readouterr().out)[1]
    seen = []
    monkeypatch.setattr(cli.commands[name], "callback", lambda **options: seen.append(options) or 0)
    assert main(example.split()) == 0
    assert set(seen[0]) == {param.name for param in cli.commands[name].params}


def test_exit_codes_are_documented():
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
    for code in (0, EXIT_DIVERGED, EXIT_BAD_INPUT, EXIT_INTERRUPTED):
        assert f"| {code} |" in text


def test_the_shell_completes_commands_options_and_choices(capsys, monkeypatch):
    for words, completion in [
        ("skcxr ev", "plain,evaluate"),
        ("skcxr audit --max", "plain,--max-copies"),
        ("skcxr evaluate --fit ", "plain,pad"),
        ("skcxr evaluate --data ", "file,"),
    ]:
        monkeypatch.setenv("_SKCXR_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        with pytest.raises(SystemExit):
            main([])
        assert completion in capsys.readouterr().out


def run_without_a_reader(args):
    """Return exit code and stderr of a command whose stdout nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "skcxr", *args]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has another kind of pipes")
@every_command
def test_work_goes_on_quietly_when_nobody_reads(commands, name, tmp_path):
    out = tmp_path / "out"
    assert run_without_a_reader([*commands[name], "--out", str(out)]) == (0, "")
    written = {
        "check": "check.csv",
        "evaluate": "report.html",
        "fit": "model.skops",
        "predict": "",
        "synthesize": "provenance.json",
        "audit": "audit.csv",
    }
    assert (out / written[name]).is_file()


@pytest.mark.skipif(os.name == "nt", reason="Windows has another kind of pipes")
@pytest.mark.parametrize("args", [["--help"], ["evaluate", "--help"], ["--version"]])
def test_help_ends_quietly_when_nobody_reads(args):
    assert run_without_a_reader(args) == (0, "")


def test_names_are_printed_on_a_terminal_of_another_encoding(folders, tmp_path):
    for name in ("train", "holdout", "synthetic"):
        shutil.copytree(folders / name / "covid", tmp_path / name / "肺炎")
    sets = [w for name in ("synthetic", "train", "holdout") for w in (f"--{name}", tmp_path / name)]
    command = [sys.executable, "-m", "skcxr", "audit", "--image-size", "16", *map(str, sets)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert done.stdout.startswith(rb"\u80ba\u708e: ")


def test_results_have_a_folder_of_their_own_by_default(commands, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(commands["synthesize"]) == 0
    (out,) = (tmp_path / "skcxr-synthetic").iterdir()
    assert (out / "provenance.json").exists()
    assert str(out.relative_to(tmp_path)) in capsys.readouterr().out


def test_settings_hold_what_decides_the_result_in_the_order_of_the_help(
    commands, tmp_path, monkeypatch
):
    monkeypatch.setattr("skcxr.report._folder.Report._inspect_samples", lambda self, result: None)
    out = tmp_path / "out"
    assert main([*commands["evaluate"], "--seed", "3", "--out", str(out), "--quiet"]) == 0
    settings = list(json.loads((out / "settings.json").read_text("utf-8")))
    assert settings[:3] == ["command", "data", "groups"]
    assert not {"quiet", "json"} & set(settings)
