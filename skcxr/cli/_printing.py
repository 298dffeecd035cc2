"""What commands print for people and for programs, and their exit codes."""

import json
import os
import sys

import click

EXIT_DIVERGED = 1
EXIT_EXCEEDED = 1
EXIT_BAD_INPUT = 2
EXIT_CANNOT_TELL = 3
EXIT_INTERRUPTED = 130


def echo(text, err=False):
    """Print text on stdout or stderr, and nothing more once its reader has gone.

    The reader of ``skcxr ... | head -1`` goes after one line. The command still finishes its work.
    """
    stream = sys.stderr if err else sys.stdout
    try:
        click.echo(text, file=stream)
    except BrokenPipeError:
        discard_output(stream)


def discard_output(stream):
    """Send what is written to a stream from now on, and at exit, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def escape_output():
    """Print characters that stdout cannot encode as escapes, as stderr does.

    These are names of files that are not UTF-8, and any names where the encoding is not UTF-8.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def print_text(args, text):
    """Print text for people: on stderr if --json takes stdout, and nowhere under --quiet."""
    if not args.quiet:
        echo(text, err=args.json)


def print_json(args, result):
    """Print the result for programs under --json."""
    if args.json:
        echo(json.dumps(result, indent=2))


def print_error(command, error):
    """Print an error in one line on stderr, followed by the files that it lists."""
    message, line, listed = str(error).partition("\n  ")
    message = " ".join(message.split())
    echo(f"skcxr {command}: {color_text('error:', 'red')} {message}{line}{listed}", err=True)


def color_text(text, color):
    """Return `text` in bold and in a color, unless NO_COLOR is set.

    click removes the color where the output is not a terminal.
    """
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=color, bold=True)


def color_verdict(verdict):
    """Return an audit's verdict in green if it is passed, red for copies, and else in yellow."""
    # Imported here so that `skcxr --help` stays fast.
    from skcxr.metrics._audit._verdict import get_tone

    colors = {"clear": "green", "alarm": "red", "doubt": "yellow"}
    return color_text(verdict, colors[get_tone(verdict)])


def is_progress_shown(args):
    """Return whether progress bars are shown: stderr is a terminal, and --quiet is not given."""
    return not args.quiet and sys.stderr.isatty()
