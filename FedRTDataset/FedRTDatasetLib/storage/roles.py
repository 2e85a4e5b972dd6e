"""What a person is who contours or approves: the only thing about them that a dataset holds."""

from typing import Literal, get_args

Role = Literal["physician", "resident", "physicist", "dosimetrist", "therapist", "researcher", "other"]
ROLES: tuple[str, ...] = get_args(Role)
