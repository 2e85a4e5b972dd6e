import numpy as np
import pytest
from FedRTFederationLib import messages
from FedRTFederationLib.messages import Invitation, MessageError, Presence, TrainAnswer, TrainRequest


def over_the_wire(record):
    """The record as the other side gets it: through Flower's own encoding."""
    from flwr.app import RecordDict
    from flwr.common.serde import recorddict_from_proto, recorddict_to_proto

    received = recorddict_from_proto(recorddict_to_proto(record))
    assert isinstance(received, RecordDict)
    return received


def test_round_trip():
    request = TrainRequest(run="run-001-0a", task="contouring", requirements={"a": [1]}, round=2, rounds=3, steps=4)
    weights = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
    from FedRTFederationLib.packing import to_record

    received = over_the_wire(messages.request(request, to_record(weights)))
    assert messages.read_request(received, TrainRequest) == request
    assert np.array_equal(messages.read_weights(received)["w"], weights["w"])
    assert messages.weight_bytes(received) > 24


@pytest.mark.parametrize(
    "text",
    [
        "{}", "not json", '{"run": "../up", "task": "t", "requirements": {}}',
        '{"run": "a", "task": "t", "requirements": {}, "extra": 1}',
    ],
)  # fmt: skip
def test_malformed_requests_are_refused_without_quoting(text):
    from flwr.app import ConfigRecord, RecordDict

    with pytest.raises(MessageError) as refused:
        messages.read_request(RecordDict({"request": ConfigRecord({"json": text})}), Invitation)
    assert text not in str(refused.value)


def test_empty_message():
    from flwr.app import RecordDict

    with pytest.raises(MessageError):
        messages.read_answer(RecordDict(), Presence)
    with pytest.raises(MessageError, match="no weights"):
        messages.read_weights(RecordDict())


def test_numbers_that_cannot_be_weights_of_a_site_are_refused():
    for cases in (-1, 10**9, float("inf")):
        with pytest.raises(ValueError, match="cases"):
            Presence(cases=cases)
    assert Presence(cases=5, by_structure={"Bladder": 50, "Rectum": -3}).offer.cases.by_structure == {
        "Bladder": 5,
        "Rectum": 0,
    }
    with pytest.raises(ValueError, match="metrics"):
        TrainAnswer(status="trained", metrics={"loss": float("nan")})


def test_text_from_a_site_cannot_drive_a_terminal():
    answer = TrainAnswer(status="failed", reason="\x1b[2J\x07gone\n")
    assert answer.reason == "?[2J?gone?"
    assert len(messages.shorten("x" * 5000)) == 400
