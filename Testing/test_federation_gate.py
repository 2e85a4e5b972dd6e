import asyncio
import base64

import pytest
from FedRTFederationLib import identity
from FedRTFederationLib.gate import FleetGate, LoopbackGate

KEY = identity.public_pem(identity.new_site_key().public_key())


class Behind:
    """Stands for Flower's application: answers with a status and remembers what reached it."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.reached: list[tuple[str, bytes]] = []

    async def __call__(self, scope, receive, send):
        self.reached.append((scope["path"], (await receive())["body"]))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def call(gate, path: str, body: bytes = b"", **headers: str) -> dict:
    """The start of the gate's response."""
    scope = {"type": "http", "method": "POST", "path": path}
    scope["headers"] = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(gate(scope, receive, send))
    return sent[0]


def fleet_gate(behind: Behind, registered: bool = True) -> tuple[FleetGate, list[dict]]:
    told: list[dict] = []
    return FleetGate(behind, lambda key: registered, lambda **event: told.append(event)), told


@pytest.mark.parametrize(
    "path",
    ["/v1/control/start-run", "/v1/control/list-nodes", "/v1/runtime/acquire-task", "/v1/runtime/push-messages",
     "/docs", "/openapi.json", "/health", "/", "/v1/fleet/register-node", "/v1/fleet/../control/start-run"],
)  # fmt: skip
def test_exposed_listener_offers_the_fleet_calls_only(path):
    behind = Behind()
    assert call(fleet_gate(behind)[0], path)["status"] == 404
    assert behind.reached == []


def test_control_needs_the_secret():
    behind = Behind()
    gate = LoopbackGate(behind, "right")
    assert call(gate, "/v1/control/start-run")["status"] == 404
    assert call(gate, "/v1/control/start-run", x_fedrt_control="wrong")["status"] == 404
    assert call(gate, "/v1/control/start-automation", x_fedrt_control="right")["status"] == 404
    assert behind.reached == []
    assert call(gate, "/v1/control/start-run", x_fedrt_control="right")["status"] == 200
    assert call(gate, "/v1/runtime/acquire-task")["status"] == 200


def push(node_id: int, speaks_as: int) -> bytes:
    from flwr.proto.fleet_pb2 import PushMessagesRequest
    from flwr.proto.message_pb2 import Message, Metadata
    from flwr.proto.node_pb2 import Node

    message = Message(metadata=Metadata(src_node_id=speaks_as))
    return PushMessagesRequest(node=Node(node_id=node_id), messages_list=[message]).SerializeToString()


def test_site_speaks_for_itself_only():
    behind = Behind()
    gate, told = fleet_gate(behind)
    key = {"flwr_public_key": base64.b64encode(KEY).decode()}
    assert call(gate, "/v1/fleet/push-messages", push(7, 8), **key)["status"] == 403
    assert behind.reached == []
    assert told[0]["event"] == "refused"
    assert told[0]["fingerprint"] == identity.fingerprint(KEY)
    assert call(gate, "/v1/fleet/push-messages", push(7, 7), **key)["status"] == 200
    assert behind.reached == [("/v1/fleet/push-messages", push(7, 7))]  # the body arrives as it was sent


def test_refused_connection_says_why():
    key = {"flwr_public_key": base64.b64encode(KEY).decode()}
    gate, told = fleet_gate(Behind(412), registered=False)
    assert (b"x-fedrt-refusal", b"unregistered") in call(gate, "/v1/fleet/activate-node", **key)["headers"]
    call(gate, "/v1/fleet/activate-node", **key)
    assert [event["event"] for event in told] == ["refused"]  # not told for every attempt
    gate, told = fleet_gate(Behind(412), registered=True)
    assert (b"x-fedrt-refusal", b"connected") in call(gate, "/v1/fleet/activate-node", **key)["headers"]
    assert told == []


def test_connections_are_told_by_key():
    key = {"flwr_public_key": base64.b64encode(KEY).decode()}
    gate, told = fleet_gate(Behind())
    call(gate, "/v1/fleet/activate-node", **key)
    call(gate, "/v1/fleet/activate-node", x_fedrt_probe="1", **key)
    call(gate, "/v1/fleet/deactivate-node", **key)
    assert [event["event"] for event in told] == ["connected", "disconnected"]
    assert {event["fingerprint"] for event in told} == {identity.fingerprint(KEY)}
