"""The `fedrt` command: options every subcommand shares, exit codes, and errors told in one line.

Exit codes: 0 done, 1 failed (one-line cause on stderr; the traceback only with `--debug`), 2 bad usage, 130 interrupted.
The subcommands come from the entry-point group `fedrt.commands`; `python -m FedRT<Room>Lib` offers one room's alone, which
also works where nothing is installed (a Slicer module folder).
"""

import argparse
import importlib.metadata
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from . import __version__
from .errors import FedRTError
from .reporting import reporter_for
from .system_error import refusal

AddCommands = Callable[[argparse._SubParsersAction], None]


def main(argv: list[str] | None = None) -> int:
    """`fedrt …`: every installed room's subcommands."""
    points = sorted(importlib.metadata.entry_points(group="fedrt.commands"), key=lambda point: point.name)
    return run((point.load().add_commands for point in points), argv)


def run(rooms: Iterable[AddCommands], argv: list[str] | None = None, prog: str = "fedrt") -> int:
    """Parse `argv` with the subcommands of `rooms` and carry one out; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=prog, description="Radiotherapy datasets, training, federation and inference."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for add_commands in rooms:
        add_commands(subparsers)
    args = parser.parse_args(argv)
    return _carry_out(args)


def common_options() -> argparse.ArgumentParser:
    """The parent parser of every subcommand: `parents=[common_options()]`."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--progress", choices=("json", "bar", "none"), default="bar", help="how progress is shown")
    parent.add_argument("--debug", action="store_true", help="show the full traceback of a failure")
    return parent


def _carry_out(args: argparse.Namespace) -> int:
    for stream in (sys.stdout, sys.stderr):  # a file name in another encoding is printed with escapes
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _interrupt)  # a cancelled job unwinds like Ctrl-C: children stopped, state saved
    reporter = reporter_for(args.progress)
    if not args.debug:  # libraries' remarks on odd values quote them, and are not for the user
        warnings.simplefilter("ignore")
    try:
        return args.run(args, reporter) or 0
    except KeyboardInterrupt:
        return _fail(args, reporter, "interrupted; start the same command again to go on", 130)
    except FedRTError as error:
        return _fail(args, reporter, str(error), 1)
    except BrokenPipeError:  # `fedrt … | head`: whoever read has gone
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the interpreter's last flush
        return 1
    except Exception as error:
        if told := refusal(error, [value for value in vars(args).values() if isinstance(value, Path)]):
            return _fail(args, reporter, told, 1)
        # An unforeseen error's own text may quote file content, so only its kind is told unless asked for.
        text = f"unexpected {type(error).__name__} in {_place(error)}; run again with --debug for the details"
        return _fail(args, reporter, text, 1)
    finally:
        reporter.close()


def _fail(args: argparse.Namespace, reporter, text: str, code: int) -> int:
    reporter.event("failed", text=text)
    reporter.close()
    if args.debug:
        raise
    print(f"fedrt: {text}", file=sys.stderr)
    return code


def _place(error: Exception) -> str:
    traceback = error.__traceback__
    while traceback.tb_next:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_globals.get('__name__', '?')}:{traceback.tb_lineno}"


def _interrupt(signum, frame):
    raise KeyboardInterrupt
