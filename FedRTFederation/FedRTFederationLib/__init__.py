"""FedRT's federation room: hospitals train one model together, on Flower, without patient data leaving any of them.

Who runs what (every arrow is TLS or stays on the machine):

    coordinator: `fedrt federation serve`             site: `fedrt federation join`
      coordinator.py  runs installed rounds             participant.py  runs the installed site task
        |  Runtime + Control API, loopback only           |  Runtime API, loopback only
      superlink.py   Flower SuperLink      <-- Fleet -- supernode.py   Flower SuperNode
                     (only /v1/fleet is exposed)          (connects outwards, signs with the site's key)

Nothing that is sent over the network is ever executed. Flower's app bundle is reduced to a name tag (`bundle.py`): both
sides compare its SHA-256 with the one they know, drop it, and run what is installed.

This package needs the Flower version that pyproject.toml pins: it speaks that version's runtime API.
"""
