"""Weights on the wire: one array of bytes for the whole network.

The bytes are a safetensors file: an 8-byte little-endian header length, a JSON header with each tensor's dtype, shape
and byte range, then the tensors' raw little-endian data. So the manifest travels with the data, nothing in it can be
executed (no pickle), and reading it checks that the ranges fit. In a Flower message it is one `Array` of dtype uint8
with serialisation type `STYPE` under the key `weights` (Flower's own way, one array a tensor, costs a request each).

Tensors are numpy arrays in C order; float16/32/64, (u)int8 to 64 and bool are accepted.
"""

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors_numpy

STYPE = "fedrt.safetensors"
KEY = "weights"
_KINDS = "fiub"

Weights = dict[str, np.ndarray]


class PackingError(ValueError):
    """The bytes are not packed weights; the message says why without quoting them."""


def pack(weights: Weights) -> bytes:
    """The tensors as one blob. Raises PackingError for a dtype that cannot travel."""
    for name, tensor in weights.items():
        if np.asarray(tensor).dtype.kind not in _KINDS:
            raise PackingError(f"tensor {name} has dtype {tensor.dtype}, which is not a plain number")
    return safetensors_numpy.save({name: np.asarray(tensor, order="C") for name, tensor in weights.items()})


def unpack(blob: bytes) -> Weights:
    """The tensors of a blob, as writable arrays of their own. Raises PackingError if it is malformed."""
    try:
        tensors = safetensors_numpy.load(blob)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PackingError(f"not packed weights ({type(error).__name__})") from None
    return {name: np.array(tensor) for name, tensor in tensors.items()}


def to_record(weights: Weights):
    """`flwr.app.ArrayRecord` holding the packed weights."""
    from flwr.app import Array, ArrayRecord

    blob = pack(weights)
    return ArrayRecord({KEY: Array(dtype="uint8", shape=(len(blob),), stype=STYPE, data=blob)})


def from_record(record) -> Weights:
    """The weights in an `ArrayRecord` made by `to_record`. Raises PackingError otherwise."""
    if list(record.keys()) != [KEY] or record[KEY].stype != STYPE:
        raise PackingError("the message holds no packed weights")
    return unpack(record[KEY].data)
