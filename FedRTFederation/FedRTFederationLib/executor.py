"""Our executor's half of Flower's Runtime API (process isolation): claim a task, keep it alive, finish it.

Where Flower starts a fresh Python for every message (which imports torch and MONAI again each time), this runs inside
one long-lived process. It is used on both sides: at the coordinator for the run (`flwr-serverapp` tasks), at a site for
each message (`flwr-clientapp` tasks). Only the holder of the executor secret can claim tasks.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

CLAIM = "/flwr.proto.Runtime/AcquireTask"


@dataclass
class Claim:
    """A claimed task: its token and whether it still is ours."""

    task_id: int
    token: str
    lost: threading.Event = field(default_factory=threading.Event)
    """Set when Flower no longer counts us as the task's executor (run stopped, too long without a heartbeat)."""


class Executor:
    """Claims tasks of one type at one Runtime API address."""

    def __init__(self, address: str, secret: str, task_type: str, authority: bytes | None = None) -> None:
        """`task_type` is a value of `flwr.supercore.constant.TaskType`; `authority` None means plain HTTP (loopback)."""
        from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor

        self.address = address
        self.authority = authority
        self._task_type = task_type
        signer = SuperExecAuthHttpInterceptor(master_secret=secret.encode(), protected_methods={CLAIM})
        self._client = self._new_client([RuntimeVersionHttpInterceptor(component_name="SuperExec"), signer])

    def _new_client(self, interceptors):
        from flwr.supercore.runtime import RuntimeHttpClient

        return RuntimeHttpClient.from_server_address(
            self.address, insecure=self.authority is None, root_certificates=self.authority, interceptors=interceptors
        )

    def claim(self) -> Claim | None:
        """Claim the oldest waiting task, if there is one. Raises httpx.HTTPError if the API does not answer."""
        from flwr.proto.runtime_pb2 import AcquireTaskRequest

        answer = self._client.AcquireTask(AcquireTaskRequest(supported_task_types=[self._task_type]))
        return Claim(answer.task.task_id, answer.token) if answer.HasField("task") and answer.token else None

    @contextlib.contextmanager
    def working(self, claim: Claim) -> Iterator:
        """A Runtime client that speaks for the claimed task, with heartbeats while the block runs."""
        from flwr.supercore.heartbeat import HeartbeatSender
        from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, RuntimeVersionHttpInterceptor

        client = self._new_client([
            RuntimeVersionHttpInterceptor(component_name=self._task_type), RuntimeTokenHttpInterceptor(claim.token)
        ])  # fmt: skip
        heartbeats = HeartbeatSender(_heartbeat(client, claim))
        heartbeats.start()
        try:
            yield client
        finally:
            with contextlib.suppress(RuntimeError):
                heartbeats.stop()
            client.close()

    def close(self) -> None:
        self._client.close()


def _heartbeat(client, claim: Claim):
    import httpx
    from flwr.proto.runtime_pb2 import SendTaskHeartbeatRequest

    def send() -> bool:
        try:
            alive = client.SendTaskHeartbeat(SendTaskHeartbeatRequest()).success
        except httpx.TransportError:
            return False  # tried again with growing pauses
        except httpx.HTTPStatusError as error:
            if error.response.status_code in (502, 503, 504):
                return False
            alive = False
        if not alive:
            claim.lost.set()
        return True

    return send


def take_identity(task_id: int, run_id: int, node_id: int) -> None:
    """Tell Flower, which keeps it per process, for which task messages are made from now on."""
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = task_id, run_id, node_id
