# ruff: noqa: N802, N803 - the names are Slicer's
"""`slicer.parameterNodeWrapper` for the types and widgets the modules use, from its documented behaviour: typed values
kept in a MRML node, and widgets whose `SlicerParameterName` ties them to one of them."""

import json
import typing

import vtk

from .handles import Handle

NAME_PROPERTY = "SlicerParameterName"
_connectors: list[type] = []


class Choice:
    """Annotation: the value is one of these."""

    def __init__(self, choices) -> None:
        self.choices = list(choices)


class GuiConnector:
    """Ties a widget to a value; subclasses say which."""

    def __init__(self) -> None:
        self._callback = None

    def onChanged(self, callback) -> None:
        self._callback = callback
        self._disconnect() if callback is None else self._connect()

    def changed(self) -> None:
        if self._callback:
            self._callback()


def parameterNodeGuiConnector(cls):
    _connectors.append(cls)
    return cls


def unannotatedType(kind):
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def parameterNodeWrapper(cls):
    """Class decorator: the annotated members become properties backed by the node given to the constructor."""
    kinds = typing.get_type_hints(cls, include_extras=True)
    for name, kind in kinds.items():
        setattr(cls, f"_default_{name}", getattr(cls, name, _empty(kind)))
        setattr(cls, name, property(lambda self, n=name: self.getValue(n), lambda self, v, n=name: self.setValue(n, v)))
    cls.allParameters = kinds
    for method in (
        getValue,
        setValue,
        connectGui,
        disconnectGui,
        AddObserver,
        RemoveObserver,
        StartModify,
        EndModify,
        _update,
    ):
        setattr(cls, method.__name__, method)
    cls.__init__ = _init
    return cls


def _init(self, parameterNode) -> None:
    self.parameterNode = parameterNode
    self._guis: dict[int, dict] = {}
    self._updating = False
    for name, kind in self.allParameters.items():
        if not _is_node(kind) and not parameterNode.GetParameter(name):
            self.setValue(name, getattr(self, f"_default_{name}"))


def _empty(kind):
    choice = _choice(kind)
    if choice:
        return choice.choices[0]
    return None if _is_node(kind) else typing.get_origin(kind)() if typing.get_origin(kind) else kind()


def _choice(kind) -> Choice | None:
    return next((a for a in getattr(kind, "__metadata__", ()) if isinstance(a, Choice)), None)


def _is_node(kind) -> bool:
    return hasattr(unannotatedType(kind), "GetNodeTagName")


def getValue(self, name):
    if _is_node(self.allParameters[name]):
        return self.parameterNode.GetNodeReference(name)
    return json.loads(self.parameterNode.GetParameter(name))


def setValue(self, name, value) -> None:
    kind = unannotatedType(self.allParameters[name])
    if _is_node(kind):
        if value is not None and not value.IsA(kind.__name__):
            raise TypeError(f"{name} must be a {kind.__name__}")
        self.parameterNode.SetNodeReferenceID(name, value.GetID() if value else None)
        return
    if not isinstance(value, typing.get_origin(kind) or kind):
        raise TypeError(f"{name} must be a {kind}, not {value!r}")
    choice = _choice(self.allParameters[name])
    if choice and value not in choice.choices:
        raise ValueError(f"{name} must be one of {choice.choices}")
    self.parameterNode.SetParameter(name, json.dumps(value))


def connectGui(self, gui) -> int:
    """Tie every widget of `gui` that has a `SlicerParameterName`; returns the tag for `disconnectGui`."""
    ties = {}
    for widget in gui.__dict__.values():
        name = widget.property(NAME_PROPERTY)
        if name:
            ties[name] = _connector(widget, self.allParameters[name])
    tag = len(self._guis)
    self._guis[tag] = ties
    for name, tie in ties.items():
        tie.write(self.getValue(name))
        tie.onChanged(lambda n=name, t=tie: None if self._updating else self.setValue(n, t.read()))
    self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update())
    return tag


def disconnectGui(self, tag) -> None:
    for tie in self._guis.pop(tag, {}).values():
        tie.onChanged(None)


def _update(self) -> None:
    if self._updating:
        return
    self._updating = True
    try:
        for ties in self._guis.values():
            for name, tie in ties.items():
                tie.write(self.getValue(name))
    finally:
        self._updating = False


def AddObserver(self, event, callback, priority=0.0):
    return self.parameterNode.AddObserver(event, callback, priority)


def RemoveObserver(self, tag) -> None:
    self.parameterNode.RemoveObserver(tag)


def StartModify(self):
    return self.parameterNode.StartModify()


def EndModify(self, was):
    return self.parameterNode.EndModify(was)


def _connector(widget: Handle, kind):
    for cls in _connectors:
        if cls.canRepresent(widget, kind):
            return cls.create(widget, kind)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'")


def _simple(widget_class: str, represents, value: str, signal: str):
    """A connector for a widget whose value is a property; as in Slicer, subclasses of the widget are not accepted."""

    class Connector(GuiConnector):
        @staticmethod
        def canRepresent(widget, kind) -> bool:
            return widget.className() == widget_class and represents(kind)

        @classmethod
        def create(cls, widget, kind):
            return cls(widget, kind)

        def __init__(self, widget, kind) -> None:
            super().__init__()
            self._widget = widget

        def _connect(self) -> None:
            getattr(self._widget, signal).connect(self.changed)

        def _disconnect(self) -> None:
            getattr(self._widget, signal).disconnect(self.changed)

        def read(self):
            return getattr(self._widget, value)

        def write(self, new) -> None:
            setattr(self._widget, value, new)

    return Connector


@parameterNodeGuiConnector
class _NodeConnector(_simple("qMRMLNodeComboBox", _is_node, "", "currentNodeChanged")):
    def __init__(self, widget, kind) -> None:
        super().__init__(widget, kind)
        widget.nodeTypes = [unannotatedType(kind).__name__]

    def read(self):
        return self._widget.currentNode()

    def write(self, new) -> None:
        self._widget.setCurrentNode(new)


@parameterNodeGuiConnector
class _ChoiceConnector(_simple("QComboBox", lambda kind: unannotatedType(kind) is str, "", "currentIndexChanged")):
    def __init__(self, widget, kind) -> None:
        super().__init__(widget, kind)
        if _choice(kind) is None:
            raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
        self._choices = _choice(kind).choices
        widget.clear()
        for choice in self._choices:
            widget.addItem(choice)

    def read(self):
        return self._choices[self._widget.currentIndex]

    def write(self, new) -> None:
        self._widget.currentIndex = self._choices.index(new)


parameterNodeGuiConnector(_simple("QCheckBox", lambda kind: unannotatedType(kind) is bool, "checked", "stateChanged"))
parameterNodeGuiConnector(_simple("QLineEdit", lambda kind: unannotatedType(kind) is str, "text", "textChanged"))
