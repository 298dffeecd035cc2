"""The command line: it parses options, calls the other modules and prints their results."""

import sys

import click

from skcxr._version import __version__
from skcxr.cli._audit import audit
from skcxr.cli._check import check
from skcxr.cli._evaluate import evaluate
from skcxr.cli._fit import fit
from skcxr.cli._predict import predict
from skcxr.cli._printing import (
    EXIT_BAD_INPUT,
    EXIT_DIVERGED,
    EXIT_INTERRUPTED,
    discard_output,
    escape_output,
    print_error,
)
from skcxr.cli._synthesize import synthesize


class CommandGroup(click.Group):
    """A group that lists its commands in the order of a study and turns errors into exit codes."""

    def list_commands(self, ctx):
        """Return the names of the commands in the order in which they were added."""
        return list(self.commands)

    def make_context(self, *args, **kwargs):
        """Parse the arguments, which may print the help."""
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:  # its reader has gone
            discard_output(sys.stdout)
            raise click.exceptions.Exit(0) from None

    def invoke(self, ctx):
        """Run a command and return its exit code."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # of a command's help, since commands print by echo
            discard_output(sys.stdout)
            return 0
        except (ValueError, OSError, ImportError) as error:
            # Some bad input shows late, such as a broken checkpoint or a full disk.
            print_error(ctx.invoked_subcommand, error)
            return EXIT_BAD_INPUT
        except FloatingPointError as error:
            print_error(ctx.invoked_subcommand, error)
            return EXIT_DIVERGED
        except KeyboardInterrupt:
            print_error(ctx.invoked_subcommand, "interrupted")
            return EXIT_INTERRUPTED


@click.group(
    cls=CommandGroup,
    commands=[check, evaluate, fit, predict, synthesize, audit],
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="\b\nExample: skcxr evaluate\n"
    'In ~/.bashrc, for completion: eval "$(_SKCXR_COMPLETE=bash_source skcxr)"\n'
    "Exit codes: 0 done; 1 failed; 2 bad input; 3 cannot tell; 130 interrupted",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli():
    """Train GANs on small sets of chest X-rays and test if their images help."""


def main(argv=None):
    """Run the command line and return its exit code.

    The exit code is 0 on success, 1 if training diverged, an audit exceeded a limit or a strict
    check of the data has findings, 2 for bad input, 3 if an audit or a strict check cannot tell,
    and 130 if interrupted.
    """
    escape_output()
    try:
        return cli.main(argv, prog_name="skcxr", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
