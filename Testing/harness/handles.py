"""Qt objects as PythonQt shows them inside 3D Slicer, made of PySide6 objects.

A Qt property is a value (`button.text = "Go"`), not a pair of functions; `connect("clicked()", f)` takes a signature; a
slot may take fewer arguments than the signal brings; nothing can be added to a C++ object. Whatever the class does not
have raises, for Slicer's and CTK's classes by the extract of Slicer's API, for Qt's own by PySide6.
"""

import functools
import inspect
from typing import Any, ClassVar

import shiboken6
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from .api import ApiClass

ALWAYS = {"className", "name", "connect", "disconnect", "delete"}
"""What PythonQt adds to every object."""


class HandleType(type):
    """Gives a class its Qt enumerations and static functions: `qt.QFileDialog.getExistingDirectory`."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _to_python(getattr(cls.native, name))


class Handle(metaclass=HandleType):
    """One Qt object. `native` is the PySide6 object, which only the harness may touch."""

    native: ClassVar[type]
    api: ClassVar[ApiClass | None] = None
    __slots__ = ("_native",)

    def __init__(self, *arguments: Any) -> None:
        object.__setattr__(self, "_native", type(self).native(*map(to_native, arguments)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and _address(self._native) == _address(other._native)

    def __hash__(self) -> int:
        return hash(_address(self._native))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._native.objectName()!r}>"

    def __getattr__(self, name: str) -> Any:
        native = self._native
        if name == "name":
            return native.objectName()
        if name == "className":
            return lambda: type(self).__name__
        self._must_exist(name)
        if self._property(name) is not None:
            return _to_python(native.property(name))
        if self.api is not None and name in self.api.properties:
            return _to_python(native.property(f"_harness_{name}"))  # known to Slicer, of no effect here
        found = getattr(native, name)
        if isinstance(found, QtCore.SignalInstance):
            return Signal(self, name)
        return _method(found)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "name":
            name = "objectName"
        known = self.api is not None and name in self.api.properties
        if self._property(name) is None and not known:
            raise AttributeError(f"{type(self).__name__}.{name}: creating new attributes on C++ objects is not allowed")
        if known and not self.api.properties[name]:
            raise AttributeError(f"{type(self).__name__}.{name} can only be read")
        if self._property(name) is None:
            self._native.setProperty(f"_harness_{name}", to_native(value))
        elif not self._native.setProperty(name, to_native(value)):
            raise AttributeError(f"{type(self).__name__}.{name} cannot be set to {value!r}")

    def connect(self, signature: str, receiver: Any) -> bool:
        """PythonQt's `object.connect("signal(type)", callable)`."""
        name, count = self._signal(signature)
        getattr(self._native, name).connect(_with_few_arguments(receiver, count))
        return True

    def _signal(self, signature: str) -> tuple[str, int]:
        """Name and number of arguments of a signal; raises if the class has no such signal."""
        known = self.api.signals if self.api is not None else ()
        normalised = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
        if normalised not in known and _base_meta(self).indexOfSignal(normalised) < 0:
            raise AttributeError(f"{type(self).__name__} has no signal {signature}")
        name, _, arguments = normalised.partition("(")
        return name, 0 if arguments == ")" else arguments.count(",") + 1

    def _property(self, name: str) -> str | None:
        return name if self._native.metaObject().indexOfProperty(name) >= 0 else None

    def _must_exist(self, name: str) -> None:
        here = hasattr(self._native, name) or self._property(name) is not None
        if self.api is None:
            exists = here
        else:
            exists = (
                name in self.api.members or hasattr(_base(self), name) or _base_meta(self).indexOfProperty(name) >= 0
            )
            here = here or name in self.api.properties
        if not exists:
            raise AttributeError(f"{type(self).__name__} has no {name} in Slicer's Python API")
        if not here:
            raise NotImplementedError(
                f"{type(self).__name__}.{name} exists in Slicer; the harness does not have it yet"
            )


class Signal:
    """`object.signal` with `connect`, `disconnect` and `emit`."""

    def __init__(self, owner: Handle, name: str) -> None:
        self._owner, self._name = owner, name

    slots: ClassVar[dict[tuple, Any]] = {}
    """(object, signal, receiver) -> what PySide6 was connected to."""

    def connect(self, receiver: Any) -> None:
        slot = self.slots.setdefault((self._owner, self._name, receiver), _with_few_arguments(receiver, None))
        getattr(self._owner._native, self._name).connect(slot)

    def disconnect(self, receiver: Any) -> None:
        getattr(self._owner._native, self._name).disconnect(self.slots.pop((self._owner, self._name, receiver)))

    def emit(self, *arguments: Any) -> None:
        getattr(self._owner._native, self._name).emit(*map(to_native, arguments))


@functools.cache
def handle_class(native: type, api: ApiClass | None = None) -> type[Handle]:
    """The class that stands for a PySide6 class (and, with `api`, for a class of Slicer or CTK)."""
    return HandleType(api.name if api else native.__name__, (Handle,), {"native": native, "api": api, "__slots__": ()})


def register(native: type, api: ApiClass) -> type[Handle]:
    """Make `native`, a stand-in written for the harness, appear as the class that `api` describes."""
    native.harness_api = api
    return handle_class(native, api)


def wrap(native: QtCore.QObject | None) -> Handle | None:
    """The handle of a PySide6 object."""
    if native is None:
        return None
    kind = type(native)
    handle = object.__new__(handle_class(kind, getattr(kind, "harness_api", None)))
    object.__setattr__(handle, "_native", native)
    return handle


def to_native(value: Any) -> Any:
    """What PySide6 must get for a value of ours."""
    if isinstance(value, Handle):
        return value._native
    return [to_native(entry) for entry in value] if isinstance(value, (list, tuple)) else value


class QtModule:
    """Stands for the module `qt`: every class of QtCore, QtGui, QtWidgets and QtUiTools."""

    def __getattr__(self, name: str) -> Any:
        for module in (QtCore, QtGui, QtWidgets, QtUiTools):
            if hasattr(module, name):
                return _to_python(getattr(module, name))
        raise AttributeError(f"qt has no {name}")


def _to_python(value: Any) -> Any:
    if isinstance(value, QtCore.QObject):
        return wrap(value)
    if isinstance(value, type) and issubclass(value, QtCore.QObject):
        return handle_class(value, getattr(value, "harness_api", None))
    if isinstance(value, (list, tuple)):
        return type(value)(map(_to_python, value))
    return _method(value) if inspect.isbuiltin(value) else value


def _method(function: Any) -> Any:
    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return _to_python(function(*map(to_native, arguments)))

    return call


def _with_few_arguments(receiver: Any, count: int | None) -> Any:
    """A slot that hands on as many arguments as `receiver` takes."""
    function = to_native(receiver) if isinstance(receiver, Handle) else receiver
    try:
        parameters = inspect.signature(function).parameters.values()
        takes = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            takes = 99
    except ValueError:
        takes = 99

    def slot(*arguments: Any) -> None:
        function(*map(_to_python, arguments[: takes if count is None else min(takes, count)]))

    return slot


def _base(handle: Handle) -> type:
    """The Qt class below a stand-in."""
    return getattr(QtWidgets, handle.api.base, None) or getattr(QtCore, handle.api.base)


def _base_meta(handle: Handle) -> QtCore.QMetaObject:
    """Meta object of the Qt class below a stand-in, or of the object itself."""
    return handle._native.metaObject() if handle.api is None else _base(handle).staticMetaObject


def _address(native: QtCore.QObject) -> int:
    return shiboken6.getCppPointer(native)[0]
