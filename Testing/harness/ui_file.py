"""Load a `.ui` file as strictly as it will be read by someone who cannot see it: every class, property, signal and slot
it names must exist in Slicer, or loading raises."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from PySide6 import QtCore, QtUiTools, QtWidgets

from .api import api_class
from .handles import Handle, wrap
from .stand_ins import NATIVE

DYNAMIC = {"SlicerParameterName"}
"""Properties that Slicer itself gives a meaning; they are added to a widget with `stdset="0"`."""


class UiError(Exception):
    """A `.ui` file names what Slicer does not have."""


class _Loader(QtUiTools.QUiLoader):
    def __init__(self) -> None:
        super().__init__()
        self.made = []  # Python deletes a widget that nobody refers to, also while it is being loaded

    def createWidget(self, name: str, parent=None, object_name: str = ""):  # noqa: N802 - called by Qt
        if name not in NATIVE:
            return super().createWidget(name, parent, object_name)
        widget = NATIVE[name](parent)
        widget.setObjectName(object_name)
        self.made.append(widget)
        return widget


class StrictUiLoader:
    """`qt.QUiLoader` of the harness."""

    def load(self, file: Handle) -> Handle:
        path = Path(file._native.fileName())
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        custom = {entry.findtext("class") for entry in root.iter("customwidget")}
        later = [
            (widget.get("name"), *_take_properties(widget))
            for widget in root.iter("widget")
            if _is_custom(widget, custom)
        ]
        connections = list(_take_connections(root))
        loader, text = _Loader(), QtCore.QByteArray(ET.tostring(root))
        loaded = loader.load(QtCore.QBuffer(text))
        if loaded is None:
            raise UiError(f"{path.name} cannot be loaded")
        loaded.made = loader.made
        _check_qt_properties(ET.fromstring(path.read_text(encoding="utf-8")), loaded, custom)
        for name, properties, dynamic in later:
            _apply(_find(loaded, name), properties, dynamic)
        for sender, signal, receiver, slot in connections:
            _connect(_find(loaded, sender), signal, _find(loaded, receiver), slot)
        return wrap(loaded)


def _is_custom(widget: ET.Element, custom: set[str]) -> bool:
    kind = widget.get("class")
    if kind in custom and kind not in NATIVE:
        raise UiError(f"the harness has no {kind}")
    if kind in NATIVE and kind not in custom:
        raise UiError(f"{kind} is not declared under <customwidgets>")
    return kind in custom


def _take_properties(widget: ET.Element) -> tuple[dict[str, object], dict[str, str]]:
    """Remove a custom widget's properties from the document: Qt's loader cannot set those that Python declares."""
    api = api_class(widget.get("class"))
    qt_base = getattr(QtWidgets, api.base).staticMetaObject
    properties, dynamic = {}, {}
    for entry in widget.findall("property"):
        name = entry.get("name")
        if entry.get("stdset") == "0" and name in DYNAMIC:
            dynamic[name] = entry[0].text
        elif api.properties.get(name):
            properties[name] = _value(entry[0])
        elif qt_base.indexOfProperty(name) >= 0:
            continue
        else:
            raise UiError(f"{widget.get('name')}: {api.name} has no property {name} that can be set")
        widget.remove(entry)
    return properties, dynamic


def _value(element: ET.Element) -> object:
    kinds = {"bool": lambda: element.text == "true", "number": lambda: int(element.text)}
    kinds |= {"string": lambda: element.text or "", "double": lambda: float(element.text)}
    kinds |= {
        "stringlist": lambda: [entry.text for entry in element],
        "set": lambda: element.text,
        "enum": lambda: element.text,
    }
    return kinds[element.tag]()


def _check_qt_properties(root: ET.Element, loaded: QtWidgets.QWidget, custom: set[str]) -> None:
    for widget in root.iter("widget"):
        meta = _find(loaded, widget.get("name")).metaObject()
        for entry in widget.findall("property"):
            name = entry.get("name")
            allowed = name in DYNAMIC if entry.get("stdset") == "0" else meta.indexOfProperty(name) >= 0
            if widget.get("class") not in custom and not allowed:
                raise UiError(f"{widget.get('name')}: {widget.get('class')} has no property {name}")


def _apply(widget: QtWidgets.QWidget, properties: dict[str, object], dynamic: dict[str, str]) -> None:
    handle = wrap(widget)
    for name, value in properties.items():
        setattr(handle, name, value)
    for name, text in dynamic.items():
        widget.setProperty(name, text)


def _take_connections(root: ET.Element) -> Iterator[tuple[str, str, str, str]]:
    for connections in root.findall("connections"):
        for entry in connections:
            yield tuple(entry.findtext(tag) for tag in ("sender", "signal", "receiver", "slot"))
        root.remove(connections)


def _connect(sender: QtWidgets.QWidget, signal: str, receiver: QtWidgets.QWidget, slot: str) -> None:
    api = getattr(receiver, "harness_api", None)
    if slot not in (api.slots if api else ()) and receiver.metaObject().indexOfSlot(slot) < 0:
        raise UiError(f"{receiver.objectName()} has no slot {slot}")
    wrap(sender).connect(signal, getattr(receiver, slot.partition("(")[0]))


def _find(root: QtWidgets.QWidget, name: str) -> QtWidgets.QWidget:
    found = root if root.objectName() == name else root.findChild(QtWidgets.QWidget, name)
    if found is None:
        raise UiError(f"no widget is called {name}")
    return found
