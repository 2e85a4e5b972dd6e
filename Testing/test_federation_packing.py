import numpy as np
import pytest
from FedRTFederationLib import packing


def test_round_trip_keeps_every_bit():
    random = np.random.default_rng(0)
    weights = {
        "body.0.weight": random.standard_normal((4, 3, 3, 3, 3)).astype(np.float32),
        "transposed": np.asfortranarray(random.standard_normal((5, 7))),
        "half": random.standard_normal(9).astype(np.float16),
        "counter": np.array(2**62 + 1, np.int64),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
    }
    unpacked = packing.unpack(packing.pack(weights))
    assert unpacked.keys() == weights.keys()
    for name, tensor in weights.items():
        assert unpacked[name].dtype == tensor.dtype
        assert unpacked[name].shape == tensor.shape
        assert unpacked[name].tobytes() == np.ascontiguousarray(tensor).tobytes()
        unpacked[name][...] = 0  # writable, not a view of the message


def test_same_weights_pack_to_same_bytes():
    weights = {"b": np.ones(3, np.float32), "a": np.zeros(2, np.int64)}
    assert packing.pack(weights) == packing.pack(dict(reversed(weights.items())))


def test_record_is_one_array():
    record = packing.to_record({"a": np.ones(3, np.float32), "b": np.ones(4, np.float32)})
    assert list(record.keys()) == ["weights"]
    assert np.array_equal(packing.from_record(record)["b"], np.ones(4))


def test_objects_do_not_travel():
    with pytest.raises(packing.PackingError, match="plain number"):
        packing.pack({"a": np.array([object()])})


@pytest.mark.parametrize("blob", [b"", b"\x80\x04N.", b"\xff" * 40, packing.pack({"a": np.ones(8)})[:-4]])
def test_malformed_bytes_are_refused(blob):
    with pytest.raises(packing.PackingError):
        packing.unpack(blob)


def test_foreign_record_is_refused():
    from flwr.app import ArrayRecord

    with pytest.raises(packing.PackingError, match="no packed weights"):
        packing.from_record(ArrayRecord([np.ones(3)]))
