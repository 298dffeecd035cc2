"""The command line: parses, calls, prints. Work is done by the modules that it imports."""

import click

from skcxr._version import __version__
from skcxr.cli import _audit as audit
from skcxr.cli import _evaluate as evaluate
from skcxr.cli import _synthesize as synthesize
from skcxr.cli._options import EXIT_BAD_INPUT, EXIT_DIVERGED, EXIT_INTERRUPTED, complain

COMMANDS = {"evaluate": evaluate, "synthesize": synthesize, "audit": audit}


class InOrder(click.Group):
    """A group that lists its commands in the order of a study, not of the alphabet."""

    def list_commands(self, ctx):
        """Names of the commands."""
        return list(self.commands)


GROUP = InOrder(
    "skcxr",
    commands={name: module.COMMAND for name, module in COMMANDS.items()},
    help="Per-class DCGANs inside cross-validation for small chest X-ray sets.",
    epilog="\b\nExample: skcxr evaluate\n"
    'In ~/.bashrc, for completion: eval "$(_SKCXR_COMPLETE=bash_source skcxr)"\n'
    "Exit codes: 0 done; 1 diverged or over a limit; 2 bad input; 130 interrupted",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
click.version_option(__version__, message="%(prog)s %(version)s")(GROUP)


def main(argv=None):
    """Run the command line; returns the exit code.

    0; 1 where training diverged, or an audit exceeds the threshold given; 2 for bad input; 130 when
    interrupted.

    Raises
    ------
    SystemExit
        After --help and --version, and for arguments that can not be parsed.
    """
    try:
        args = GROUP.main(argv, prog_name="skcxr", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    if isinstance(args, int):  # --help and --version
        raise SystemExit(args)
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
    complain(args, error)
    return code
