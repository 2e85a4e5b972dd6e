"""The one exception that is meant for the person at the keyboard."""


class FedRTError(Exception):
    """A failure the user can act on.

    The message is one sentence that names the file, case or site concerned and says what to do. It never holds a
    patient's name, identifier or date; a path is given only when the user named it or has to find it.
    """
