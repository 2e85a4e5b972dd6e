# ruff: noqa: N801, N802, N815 - the names are Slicer's and Qt's
"""The few CTK and MRML widgets that the modules use, re-created on PySide6 from their documented behaviour."""

from PySide6 import QtCore, QtGui, QtWidgets

from .api import api_class
from .handles import register


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A titled frame that hides its content when collapsed."""

    contentsCollapsed = QtCore.Signal(bool)
    HEADER = 26

    def __init__(self, parent=None):
        super().__init__(parent)
        self._collapsed = False
        self.setContentsMargins(0, self.HEADER, 0, 0)
        self.clicked.connect(lambda: self._set_collapsed(not self._collapsed))

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindDirectChildrenOnly):
            child.setVisible(not collapsed)
        self.contentsCollapsed.emit(collapsed)

    collapsed = QtCore.Property(bool, _get_collapsed, _set_collapsed)

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        palette = self.palette()
        painter.setPen(palette.mid().color())
        painter.drawRect(self.rect().adjusted(0, self.HEADER // 2, -1, -1))
        header = QtCore.QRect(0, 0, self.width(), self.HEADER)
        painter.fillRect(header, palette.button())
        painter.drawRect(header.adjusted(0, 0, -1, -1))
        painter.setPen(palette.buttonText().color())
        mark = (
            "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}" if self._collapsed else "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
        )
        painter.drawText(header.adjusted(8, 0, 0, 0), QtCore.Qt.AlignVCenter, f"{mark} {self.text()}")


class ctkPathLineEdit(QtWidgets.QWidget):
    """A path to type, with a button that browses."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QtWidgets.QComboBox(editable=True, insertPolicy=QtWidgets.QComboBox.NoInsert)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._combo.editTextChanged.connect(self.currentPathChanged)
        layout.addWidget(self._combo)
        layout.addWidget(QtWidgets.QToolButton(text="..."))

    def _get_path(self) -> str:
        return self._combo.currentText()

    def setCurrentPath(self, path: str) -> None:
        if path != self._combo.currentText():
            self._combo.setEditText(path)

    currentPath = QtCore.Property(str, _get_path, setCurrentPath)

    def comboBox(self):
        return self._combo

    def addCurrentPathToHistory(self) -> None:
        if self._combo.findText(self.currentPath) < 0:
            self._combo.insertItem(0, self.currentPath)


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that hands its scene on to the MRML widgets in it."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A choice of the scene's nodes of some classes. Without `noneEnabled` there is a choice whenever there is a node."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = self._node = None
        self._types: list[str] = []
        self._none = False
        self._tags: list[tuple] = []
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QtWidgets.QComboBox()
        self._combo.activated.connect(lambda index: self.setCurrentNode(self._combo.itemData(index)))
        layout.addWidget(self._combo)

    def setMRMLScene(self, scene) -> None:
        for observed, tag in self._tags:
            observed.RemoveObserver(tag)
        self._scene = scene
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent) if scene else ()
        self._tags = [(scene, scene.AddObserver(event, lambda *_: self._refresh())) for event in events]
        self._refresh()

    def mrmlScene(self):
        return self._scene

    def currentNode(self):
        return self._node

    def setCurrentNode(self, node) -> None:
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node)
        node = node if node in self._nodes() else None
        if node is None and not self._none and self._nodes():
            node = self._nodes()[0]
        changed, self._node = node is not self._node, node
        self._combo.setCurrentIndex(self._combo.findText(node.GetName()) if node else 0)
        if changed:
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(self.currentNodeID)

    def setCurrentNodeID(self, node_id: str) -> None:
        self.setCurrentNode(node_id)

    def nodeCount(self) -> int:
        return len(self._nodes())

    def _nodes(self) -> list:
        if self._scene is None:
            return []
        nodes = [self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes())]
        return [node for node in nodes if not node.GetHideFromEditors() and any(map(node.IsA, self._types))]

    def _refresh(self) -> None:
        self._combo.clear()
        if self._none or not self._nodes():
            self._combo.addItem(self.property("_harness_noneDisplay") or "None", None)
        for node in self._nodes():
            self._combo.addItem(node.GetName(), node)
        self.setCurrentNode(self._node)

    def _get_types(self) -> list:
        return self._types

    def _set_types(self, types: list) -> None:
        self._types = list(types)
        self._refresh()

    def _get_none(self) -> bool:
        return self._none

    def _set_none(self, enabled: bool) -> None:
        self._none = enabled
        self._refresh()

    def _get_id(self) -> str:
        return self._node.GetID() if self._node else ""

    nodeTypes = QtCore.Property("QStringList", _get_types, _set_types)
    noneEnabled = QtCore.Property(bool, _get_none, _set_none)
    currentNodeID = QtCore.Property(str, _get_id, setCurrentNodeID)


class qSlicerScriptedLoadableModule(QtCore.QObject):
    """What a module's class gets as `parent`; its properties are those of the API, of no effect here."""


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """What a module widget's class gets as `parent`."""

    entered = False
    instance = None

    def self(self):
        return self.instance

    isEntered = QtCore.Property(bool, lambda self: self.entered)


CTK = {kind.__name__: register(kind, api_class(kind.__name__)) for kind in (ctkCollapsibleButton, ctkPathLineEdit)}
SLICER = {
    kind.__name__: register(kind, api_class(kind.__name__))
    for kind in (qMRMLWidget, qMRMLNodeComboBox, qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget)
}
NATIVE = {name: handle.native for name, handle in {**CTK, **SLICER}.items()}
