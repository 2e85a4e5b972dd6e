"""`fedrt federation …`: create a federation, hand out kits, serve, join, start, watch and stop."""

import argparse
import json
from pathlib import Path

from FedRTDatasetLib.commandline import common_options

TASKS = ("contouring", "connection-check")


def add_commands(subparsers: argparse._SubParsersAction) -> None:
    """Add `federation` and its subcommands."""
    parser = subparsers.add_parser("federation", help="train one model together with other hospitals")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = [common_options()]
    _add_init(commands, common)
    _add_kit(commands, common)
    _add_serve(commands, common)
    _add_join(commands, common)
    _add_start(commands, common)
    _add_status(commands, common)
    _add_stop(commands, common)


def _add_init(commands, common) -> None:
    parser = commands.add_parser("init", parents=common, help="create a federation at the coordinator")
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of the federation; keep it private")
    parser.add_argument("--name", required=True, help="name of the federation")
    parser.add_argument("--address", metavar="HOST:PORT", help="where sites reach the coordinator (127.0.0.1:8943)")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the coordinator listens, if it is another address")
    parser.add_argument("--config", metavar="TOML", help="training settings, a file or preset as for fedrt train")
    parser.add_argument(
        "--processing", metavar="TOML", type=Path,
        help="the fedrt dataset build --config file that all sites use (default: what most sites have)",
    )  # fmt: skip
    parser.add_argument("--structures", metavar="NAMES", help="comma-separated TG-263 names the model learns")
    parser.set_defaults(run=_init)


def _add_kit(commands, common) -> None:
    parser = commands.add_parser("kit", parents=common, help="make the startup kit of one site")
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("site", metavar="SITE", help="name of the site")
    parser.add_argument("--out", metavar="FILE.zip", type=Path, required=True, help="the kit: as secret as a password")
    parser.set_defaults(run=_kit)


def _add_serve(commands, common) -> None:
    parser = commands.add_parser("serve", parents=common, help="run the coordinator in the foreground")
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.set_defaults(run=_serve)


def _add_join(commands, common) -> None:
    parser = commands.add_parser("join", parents=common, help="take part as a site, in the foreground")
    parser.add_argument("kit", metavar="KIT", type=Path, help="the startup kit")
    parser.add_argument("--dataset", metavar="DATASET", type=Path, help="the site's dataset; it never leaves the site")
    parser.add_argument("--work", metavar="DIR", type=Path, help="checkpoints and logs (beside the kit)")
    parser.add_argument(
        "--threads", type=int, default=0, help="processor threads (0: as the federation's settings say)"
    )
    parser.set_defaults(run=_join)


def _add_start(commands, common) -> None:
    parser = commands.add_parser("start", parents=common, help="start a run and follow it to the model")
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument(
        "--task", choices=TASKS, default=TASKS[0], help="connection-check tests every site's connection"
    )
    parser.add_argument("--rounds", type=_positive, default=10, help="rounds of training and averaging (10)")
    parser.add_argument("--steps", type=_positive, default=50, help="training steps a site and round (50)")
    parser.add_argument("--out", metavar="MODEL", type=Path, help="copy the final model there")
    parser.add_argument("--sites", metavar="NAMES", help="comma-separated sites to wait for (all registered)")
    parser.add_argument("--min-sites", type=_positive, help="go on with this many (all of --sites)")
    parser.add_argument("--wait", type=float, default=600.0, metavar="SECONDS", help="wait for the sites (600)")
    parser.add_argument("--round-timeout", type=float, default=6 * 3600.0, metavar="SECONDS", help="a round (21600)")
    parser.add_argument("--payload", type=int, default=0, help=argparse.SUPPRESS)
    parser.set_defaults(run=_start)


def _add_status(commands, common) -> None:
    parser = commands.add_parser("status", parents=common, help="sites, runs and rounds")
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_status)


def _add_stop(commands, common) -> None:
    parser = commands.add_parser(
        "stop", parents=common, help="stop the run in progress; its last round's model is kept"
    )
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--coordinator", action="store_true", help="stop the coordinator, too")
    parser.set_defaults(run=_stop)


def _init(args, report) -> None:
    from .folder import DEFAULT_ADDRESS, FederationFolder

    training = processing = None
    if args.config:
        from FedRTTrainLib.settings import read_settings

        training = read_settings(args.config).model_dump(mode="json", exclude={"steps"})
    if args.processing:
        from FedRTDatasetLib.building.build_settings import read_build_settings

        processing = read_build_settings(args.processing).resolved().processing.model_dump(mode="json")
    folder = FederationFolder.create(
        args.folder,
        args.name,
        args.address or DEFAULT_ADDRESS,
        args.listen,
        _names(args.structures),
        training,
        processing,
    )
    report.info(
        f"Federation {folder.settings.name} created; next, for each site: fedrt federation kit {args.folder} SITE"
    )


def _kit(args, report) -> None:
    from . import kit
    from .folder import FederationFolder

    made = kit.issue(FederationFolder.open(args.folder), args.site, args.out)
    report.event("kit", site=args.site, fingerprint=made.fingerprint)
    report.info(
        f"Kit of {args.site} written to {args.out}. It holds the site's private key: hand it over confidentially, "
        f"and compare the key's fingerprint {made.fingerprint} by telephone."
    )


def _serve(args, report) -> None:
    from .coordinator import serve

    try:
        serve(args.folder, report)
    except KeyboardInterrupt:
        report.info("The coordinator stopped.")


def _join(args, report) -> None:
    from .participant import join

    try:
        join(args.kit, args.dataset, args.work, report, args.threads)
    except KeyboardInterrupt:
        report.info("The site left the federation.")


def _start(args, report) -> None:
    from . import control
    from .folder import FederationFolder

    model = control.start(
        FederationFolder.open(args.folder), task=args.task, rounds_wanted=args.rounds, steps=args.steps,
        sites=_names(args.sites) or None, min_sites=args.min_sites, wait_seconds=args.wait,
        round_seconds=args.round_timeout, out=args.out, payload=args.payload, report=report,
    )  # fmt: skip
    report.event("done", model=str(model))
    report.info(f"Model: {model}")


def _status(args, report) -> None:
    from . import control
    from .folder import FederationFolder

    status = control.status(FederationFolder.open(args.folder))
    if args.json:
        print(json.dumps(status, indent=2, ensure_ascii=False))
        return
    print(
        f"Federation {status['federation']} at {status['address']}: {'serving' if status['serving'] else 'not serving'}"
    )
    for name, site in status["sites"].items():
        print(f"  site {name}: {'connected' if site['connected'] else 'not connected'} (key {site['fingerprint']})")
    for refused in status["refused"]:
        print(f"  refused {refused['site'] or 'key ' + refused['fingerprint']}: {refused['reason']}")
    for run in status["runs"]:
        print(f"  {run['run']}: {run['task']}, {run['status']}, round {run['round']} of {run['rounds']}")
        for name, line in run["sites"].items():
            told = "update taken" if line["accepted"] else f"no update: {line['reason']}"
            print(f"    {name}, round {line['round']}: {told}, {line['seconds']:.1f} s, {line['cases']} labelled cases")


def _stop(args, report) -> None:
    from . import control
    from .folder import FederationFolder

    control.stop(FederationFolder.open(args.folder), args.coordinator, report)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
