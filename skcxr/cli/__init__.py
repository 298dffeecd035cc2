"""The command line: parses, calls, prints. Work is done by the modules that it imports."""

import argparse
import sys

from skcxr import __version__
from skcxr.cli import audit, evaluate, synthesize
from skcxr.cli.options import EXIT_BAD_INPUT, EXIT_DIVERGED, EXIT_INTERRUPTED

COMMANDS = {"evaluate": evaluate, "synthesize": synthesize, "audit": audit}


def _parser():
    parser = argparse.ArgumentParser(
        prog="skcxr",
        description="Per-class DCGANs inside cross-validation for small chest X-ray sets.",
    )
    parser.add_argument("--version", action="version", version=f"skcxr {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add_parser(commands)
    return parser


def main(argv=None):
    """Run the command line; returns the exit code.

    0; 1 where training diverged, or an audit exceeds the threshold given; 2 for bad input; 130 when
    interrupted.
    """
    args = _parser().parse_args(argv)
    try:
        return COMMANDS[args.command].prepare(args)()
    except (ValueError, OSError, ImportError) as error:
        # Some of it shows late: a broken checkpoint, a full disk.
        return _fail(args, error, EXIT_BAD_INPUT)
    except FloatingPointError as error:
        return _fail(args, error, EXIT_DIVERGED)
    except KeyboardInterrupt:
        return _fail(args, "interrupted", EXIT_INTERRUPTED)


def _fail(args, error, code):
    """One line of what went wrong; returns the exit code."""
    print(f"skcxr {args.command}: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code
