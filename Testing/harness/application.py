# ruff: noqa: N802, N803, N815 - the names are Slicer's
"""`slicer` as the application presents it, built around the real MRML of the `slicer-core` package."""

import importlib
import importlib.metadata
import importlib.util
import inspect
import logging
import os
import sys
import tempfile
import types
import unittest
from pathlib import Path

from packaging.requirements import Requirement
from PySide6 import QtWidgets

from . import parameter_nodes, stand_ins
from .api import api_class, python_names
from .handles import QtModule
from .ui_file import StrictUiLoader

MRML_LOGICS = {
    "colors": "vtkMRMLColorLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "plots": "vtkSlicerPlotsLogic",
    "volumes": "vtkSlicerVolumesLogic",
}


def start():
    """Make `slicer`, `qt`, `ctk` and Slicer's own Python modules importable; returns `slicer`. Once a process."""
    import slicer

    if hasattr(slicer, "app"):
        return slicer
    slicer.app = Application(_qt_application())
    sys.modules["qt"] = _module("qt", QtModule())
    sys.modules["qt"].QUiLoader = StrictUiLoader
    sys.modules["ctk"] = _module("ctk", types.SimpleNamespace(**stand_ins.CTK))
    for name, handle in stand_ins.SLICER.items():
        setattr(slicer, name, handle)
    slicer.mrmlScene = slicer.vtkMRMLScene()
    slicer.modules = types.SimpleNamespace()
    for name, logic_class in MRML_LOGICS.items():
        logic = getattr(slicer, logic_class)()
        logic.SetMRMLScene(slicer.mrmlScene)
        setattr(slicer.modules, name, types.SimpleNamespace(logic=lambda logic=logic: logic))
    slicer.selfTests = {}
    _add_python_modules(slicer)
    return slicer


def load_module(path: Path):
    """Load a scripted module file as Slicer does at its start; returns the instance of its module class."""
    import slicer

    name = path.stem
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    python_module = importlib.util.module_from_spec(spec)
    sys.modules[name] = python_module
    spec.loader.exec_module(python_module)
    parent = stand_ins.SLICER["qSlicerScriptedLoadableModule"]()
    parent_path = _Writable(parent, path=str(path))
    module = getattr(python_module, name)(parent_path)
    setattr(slicer.modules, name.lower(), types.SimpleNamespace(path=str(path), parent=parent))
    return module


def open_module(name: str):
    """Select a loaded module as the user does; returns its widget's instance, which is made on first use."""
    import slicer

    widget = slicer.util.getModuleWidget(name)
    widget.parent._native.entered = True
    widget.enter()
    return widget


def close_module(name: str) -> None:
    """Let go of a module's widget, as at the end of the application."""
    import slicer

    parent = slicer.app.moduleManager().parents.pop(name, None)
    if parent is not None:
        parent._native.entered = False
        parent.self().cleanup()
        for selector in parent._native.findChildren(stand_ins.qMRMLNodeComboBox):
            selector.setMRMLScene(None)
        parent._native.deleteLater()


def _new_widget(name: str):
    import slicer

    parent = stand_ins.SLICER["qSlicerScriptedLoadableModuleWidget"]()
    parent._native.setLayout(QtWidgets.QVBoxLayout())
    parent._native.instance = getattr(sys.modules[name], f"{name}Widget")(parent)
    parent._native.instance.setup()
    parent.setMRMLScene(slicer.mrmlScene)
    return parent


class Application:
    """`slicer.app`, for the members in use."""

    def __init__(self, native: QtWidgets.QApplication) -> None:
        self._native = native
        self.temporaryPath = tempfile.gettempdir()
        self.applicationName = "harness"
        self._manager = _ModuleManager()

    def processEvents(self) -> None:
        self._native.processEvents()

    def testingEnabled(self) -> bool:
        return True

    def moduleManager(self):
        return self._manager

    def layoutManager(self):
        return None

    def __getattr__(self, name: str):
        api = api_class("qSlicerApplication")
        if name in api.members or hasattr(self._native, name):
            raise NotImplementedError(f"slicer.app.{name} exists in Slicer; the harness does not have it yet")
        raise AttributeError(f"slicer.app has no {name}")


class _ModuleManager:
    def __init__(self) -> None:
        self.parents = {}

    def module(self, name: str):
        """What `slicer.util.getModuleWidget` asks for: a loaded module, whose widget is made on first use."""
        if name not in sys.modules:
            return None
        return types.SimpleNamespace(name=name, widgetRepresentation=lambda: self._representation(name))

    def _representation(self, name: str):
        if name not in self.parents:
            self.parents[name] = _new_widget(name)
        return self.parents[name]

    def connect(self, signature: str, receiver) -> bool:
        if signature not in api_class("qSlicerModuleManager").signals:
            raise AttributeError(f"qSlicerModuleManager has no signal {signature}")
        return True

    def disconnect(self, signature: str, receiver) -> bool:
        return True


class _Writable:
    """A module's `parent`: properties can be set, `path` is known, nothing else can be added."""

    def __init__(self, handle, path: str) -> None:
        self.__dict__.update(_handle=handle, path=path)

    def __setattr__(self, name: str, value) -> None:
        setattr(self._handle, name, value)

    def __getattr__(self, name: str):
        return getattr(self._handle, name)


class ScriptedLoadableModule:
    def __init__(self, parent) -> None:
        import slicer

        self.parent = parent
        self.moduleName = type(self).__name__
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)

    def runTest(self, msec: int = 100, **kwargs) -> None:
        case = getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        self.layout = parent.layout()

    def resourcePath(self, filename: str) -> str:
        import slicer

        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self) -> None:
        """The developer section is off."""

    def cleanup(self) -> None:
        """Overridden by modules."""


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        import slicer

        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetAttribute("ModuleName", self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    messageDelay = 0

    def delayDisplay(self, message, requestedDelay=None, msec=None) -> None:
        import slicer

        slicer.util.delayDisplay(message, 0)

    def runTest(self) -> None:
        logging.warning("No test is defined in %s", type(self).__name__)


def load_requirements(path) -> list[Requirement]:
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def pip_check(req) -> bool:
    requirements = req if isinstance(req, list) else [req]
    return all(_is_installed(Requirement(str(requirement))) for requirement in requirements)


def pip_ensure(requirements, constraints=None, skip_packages=None, prompt_install=True, prompt_restart=True, requester=None,
               skip_in_testing=True, show_progress=True) -> None:  # fmt: skip
    """Installs nothing: what is missing counts as declined by the user."""
    missing = [str(requirement) for requirement in requirements if not pip_check(requirement)]
    if missing:
        raise RuntimeError(f"User declined to install {', '.join(missing)}")


def _is_installed(requirement: Requirement) -> bool:
    try:
        return importlib.metadata.version(requirement.name) in requirement.specifier
    except importlib.metadata.PackageNotFoundError:
        return False


def _add_python_modules(slicer) -> None:
    scripted = {kind.__name__: kind for kind in (ScriptedLoadableModule, ScriptedLoadableModuleWidget,
                                                 ScriptedLoadableModuleLogic, ScriptedLoadableModuleTest)}  # fmt: skip
    packaging = {function.__name__: function for function in (load_requirements, pip_check, pip_ensure)}
    i18n = {"tr": lambda text: text, "translate": lambda context, text: text}
    for name, content in (("ScriptedLoadableModule", scripted), ("packaging", packaging), ("i18n", i18n)):
        _agree(f"slicer.{name}", content)
        _install(slicer, name, content)
    public = ("parameterNodeWrapper", "parameterNodeGuiConnector", "GuiConnector", "Choice", "unannotatedType")
    _install(slicer, "parameterNodeWrapper", {entry: getattr(parameter_nodes, entry) for entry in public})
    slicer.util.mainWindow = lambda: None


def _agree(module: str, content: dict) -> None:
    """A re-created function must have the arguments that the real one has."""
    for name, thing in content.items():
        real = python_names(module)[name]
        if inspect.isfunction(thing) and thing.__name__ != "<lambda>":
            ours = list(inspect.signature(thing).parameters)
            theirs = [part.partition(":")[0].partition("=")[0].strip() for part in real.strip("()").split(", ") if part]
            if ours != [name for name in theirs if name in ours]:
                raise AssertionError(f"{module}.{name} has other arguments: {real}")


def _install(slicer, name: str, content: dict) -> None:
    module = types.ModuleType(f"slicer.{name}")
    module.__dict__.update(content)
    module.__all__ = list(content)
    sys.modules[module.__name__] = module
    setattr(slicer, name, module)


def _module(name: str, members) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__getattr__ = lambda attribute: getattr(members, attribute)
    return module


def _qt_application() -> QtWidgets.QApplication:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication(["harness"])


def screenshot(widget, path: Path, size: tuple[int, int], caption: str) -> None:
    """Save a picture of a module's widget, with a line below that says where it comes from."""
    from PySide6 import QtCore, QtGui

    native = widget.parent._native
    native.resize(*size)
    native.show()
    for _ in range(5):
        QtWidgets.QApplication.processEvents()
    picture = QtGui.QImage(size[0], size[1] + 24, QtGui.QImage.Format_RGB32)
    picture.fill(QtCore.Qt.white)
    painter = QtGui.QPainter(picture)
    painter.drawPixmap(0, 0, native.grab())
    painter.setPen(QtGui.QColor(110, 110, 110))
    painter.drawText(QtCore.QRect(0, size[1], size[0] - 8, 24), QtCore.Qt.AlignRight | QtCore.Qt.AlignVCenter, caption)
    painter.end()
    picture.save(str(path))
