"""One run at the coordinator, from the invitation to the saved model. This is what Flower would call our ServerApp.

It runs in the coordinator's own process from installed code; the app bundle that Flower hands out with the run only has
its hash compared. The story goes to `runs/<run>/events.jsonl`, where `fedrt federation start` reads it.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from FedRTDatasetLib.errors import FedRTError

from . import bundle, messages, runlog, task
from .folder import FederationFolder, RunSettings, Site, utc_now
from .messages import Invitation, MessageError, Presence
from .task import CoordinatorTask, Offer

STOP_FILE = "stop"
"""Put into the run's folder by `fedrt federation stop`."""
_ANSWER_SECONDS = 300.0
"""A site opens its dataset before it answers an invitation."""
_LOOK_SECONDS = 0.5


class StoppedError(Exception):
    """The run was asked to stop."""


class Run:
    """State of one run at the coordinator."""

    def __init__(self, folder: FederationFolder, name: str) -> None:
        self.folder = folder
        self.path = folder.run_folder(name)
        self.settings: RunSettings = folder.run_settings(name)
        self._events = self.path / "events.jsonl"

    def event(self, name: str, **fields: Any) -> None:
        runlog.append(self._events, event=name, **fields)

    def warn(self, text: str) -> None:
        self.event("warning", text=text)

    def note_site(self, **fields: Any) -> None:
        runlog.append(self.path / "rounds.jsonl", **fields)

    def stop_requested(self) -> bool:
        return (self.path / STOP_FILE).exists()


def carry_out(run: Run, grid, check: Callable[[], None]) -> None:
    """The whole run over `grid`. Raises FedRTError (a cause for people) or `StoppedError`; the last event tells the end.

    `check` raises `StoppedError` when the run should end; it is called often.
    """
    try:
        room = task.open_coordinator_task(run.folder, run.settings)
        members = _gather(run, grid, room, check)
        _train(run, grid, room, members, check)
    except StoppedError:
        run.event("stopped", text="The run was stopped; the model of the last finished round is kept.")
        raise
    except FedRTError as error:
        run.event("failed", text=str(error))
        raise
    except Exception as error:
        run.event("failed", text=f"unexpected {type(error).__name__} at the coordinator; see its log")
        raise


def _gather(run: Run, grid, room: CoordinatorTask, check: Callable[[], None]) -> list:
    """Wait for the sites and invite each as it connects; returns those that can take part, as `strategy.Member`.

    A site that does not match is left out by name and does not hold up the others.
    """
    from .strategy import Member

    settings = run.settings
    registered = run.folder.sites()
    wanted = {registered[name].public_key.encode(): registered[name] for name in settings.sites if name in registered}
    deadline = time.monotonic() + settings.wait_seconds
    offers: dict[str, tuple[Site, int, Offer]] = {}
    run.event("waiting", sites=list(settings.sites))
    while wanted and time.monotonic() < deadline:
        check()
        online = {node.public_key: node.node_id for node in grid.get_nodes() if node.public_key in wanted}
        invited = [(wanted.pop(key), node_id) for key, node_id in online.items()]
        for site, node_id, presence in _invite(run, grid, room.invitation(), invited):
            reason = presence.reason or ("it has no labelled case" if presence.cases < 1 else None)
            if reason:
                _leave_out(run, site.name, reason)
            else:
                offers[site.name] = (site, node_id, presence.offer)
        if not invited:
            time.sleep(_LOOK_SECONDS)
    absent = sorted(site.name for site in wanted.values())
    if absent:
        run.warn(f"Not connected within {settings.wait_seconds:.0f} s: {', '.join(absent)}.")
    for name, reason in room.settle({name: offer for name, (_, _, offer) in offers.items()}).items():
        site, node_id, _ = offers.pop(name)
        _leave_out(run, name, reason)
        list(_invite(run, grid, room.requirements(), [(site, node_id)]))  # so that the site reads the reason, too
    members = [Member(name, site.fingerprint, node_id, offer.cases) for name, (site, node_id, offer) in offers.items()]
    for member in members:
        run.event("site", site=member.site, cases=member.cases.total, by_structure=member.cases.by_structure)
    if len(members) < settings.min_sites:
        raise FedRTError(
            f"{len(members)} of {len(settings.sites)} sites can take part but {settings.min_sites} are needed; "
            "start the missing sites (fedrt federation join) or lower --min-sites."
        )
    return sorted(members, key=lambda member: member.site)


def _leave_out(run: Run, site: str, reason: str) -> None:
    run.event("site_refused", site=site, reason=reason)
    run.warn(f"Site {site} does not take part: {reason}.")


def _invite(run: Run, grid, requirements: dict[str, Any], invited: list):
    """Ask the sites in `invited` (pairs of site and node id) and yield (site, node id, presence) as they answer."""
    from flwr.app import Message

    content = messages.request(
        Invitation(run=run.settings.unique_name, task=run.settings.task, requirements=requirements)
    )
    asked = {}
    sent = [Message(content, node_id, messages.QUERY, ttl=_ANSWER_SECONDS + 60) for _, node_id in invited]
    for message, pair in zip(sent, invited, strict=True):
        asked[message.object_id] = pair
    for reply in grid.send_and_receive(sent, timeout=_ANSWER_SECONDS) if sent else ():
        pair = asked.pop(reply.metadata.reply_to_message_id, None)
        if pair is not None:
            yield *pair, _presence(reply, pair[1])
    for pair in asked.values():
        yield *pair, Presence(reason="it did not answer the invitation")


def _presence(reply, node_id: int) -> Presence:
    from .strategy import flower_error

    if reply.has_error():
        return Presence(reason=messages.shorten(flower_error(reply)))
    if reply.metadata.src_node_id != node_id:
        return Presence(reason="the answer names another site")
    try:
        return messages.read_answer(reply.content, Presence)
    except MessageError as error:
        return Presence(reason=str(error))


def _train(run: Run, grid, room: CoordinatorTask, members: list, check: Callable[[], None]) -> None:
    """The rounds; after each, the model is saved."""
    from . import packing
    from .strategy import CaseWeightedFedAvg

    settings = run.settings
    names = {member.node_id: member.site for member in members}
    grid.on_lost = lambda node_id: run.warn(f"Site {names[node_id]} lost its connection; asked again when it is back.")
    strategy = CaseWeightedFedAvg(settings, room.requirements(), members, room.output_rows(), run.note_site, run.warn)
    started = time.monotonic()
    run.event("round", done=0, of=settings.rounds)

    def after_round(number: int, arrays) -> None:
        if number > 0:  # saved every time, so that whatever happens the last finished round is there
            summary = _summary(run, members, strategy.losses, started)
            room.save(model_folder(run.folder, settings.run), packing.from_record(arrays), summary)
            run.event("round", done=number, of=settings.rounds, loss=strategy.losses[-1])
        check()

    initial = packing.to_record(room.initial_weights())
    strategy.start(grid, initial, settings.rounds, timeout=settings.round_seconds, evaluate_fn=after_round)
    run.event("finished", rounds=settings.rounds, seconds=round(time.monotonic() - started, 3))


def _summary(run: Run, members: list, losses: list, started: float) -> dict[str, Any]:
    """Lineage of the model: counts and figures only."""
    return {
        "federation": run.folder.settings.name,
        "run": run.settings.run,
        "rounds": len(losses),
        "steps": run.settings.steps,
        "sites": {member.site: member.cases.total for member in members},
        "losses": losses,
        "seconds": round(time.monotonic() - started, 1),
        "finished": utc_now(),
        "protocol": bundle.PROTOCOL,
    }


def model_folder(folder: FederationFolder, run: str) -> Path:
    """Where a run's model is saved."""
    return folder.run_folder(run) / "model"
