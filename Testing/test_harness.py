"""The harness is as strict as the application: what 3D Slicer does not have raises."""

import pytest

pytest.importorskip("slicer", reason="pip install slicer-core")
harness = pytest.importorskip("harness.application", reason="pip install PySide6_Essentials==6.8.3")


@pytest.fixture
def slicer():
    slicer = harness.start()
    slicer.mrmlScene.Clear(0)
    return slicer


@pytest.fixture
def ctk(slicer):
    import ctk

    return ctk


@pytest.fixture
def qt(slicer):
    import qt

    return qt


def test_properties_are_values(qt, ctk):
    button = qt.QPushButton("Go")
    button.enabled = False
    assert (button.text, button.enabled, button.isEnabled()) == ("Go", False, False)
    path = ctk.ctkPathLineEdit()
    path.currentPath = "/a"
    path.settingKey = "known to CTK, of no effect here"
    assert (path.currentPath, path.settingKey) == ("/a", "known to CTK, of no effect here")


def test_unknown_attributes_raise(qt, ctk):
    for widget in (qt.QPushButton(), ctk.ctkPathLineEdit()):
        with pytest.raises(AttributeError, match="creating new attributes"):
            widget.colour = "red"
        with pytest.raises(AttributeError, match="has no colour"):
            widget.colour()


def test_a_public_function_that_is_no_slot_does_not_exist_in_python(ctk):
    """`ctkCollapsibleButton.setCollapsed` exists in C++ only; in Python there is the property."""
    section = ctk.ctkCollapsibleButton()
    with pytest.raises(AttributeError):
        section.setCollapsed(True)
    section.collapsed = True
    assert section.collapsed


def test_read_only_properties_cannot_be_set(slicer):
    parent = slicer.qSlicerScriptedLoadableModuleWidget()
    with pytest.raises(AttributeError, match="can only be read"):
        parent.isEntered = True


def test_what_slicer_has_and_the_harness_lacks_says_so(slicer, ctk):
    with pytest.raises(NotImplementedError):
        ctk.ctkPathLineEdit().browse()
    with pytest.raises(NotImplementedError):
        slicer.app.commandOptions()
    with pytest.raises(AttributeError):
        slicer.app.launchRockets()


def test_signals_are_checked_and_slots_may_take_less(qt, ctk):
    path, heard = ctk.ctkPathLineEdit(), []
    path.connect("currentPathChanged(QString)", heard.append)
    path.connect("currentPathChanged(const QString &)", lambda: heard.append("no argument"))
    path.setCurrentPath("/a")
    assert heard == ["/a", "no argument"]
    for widget in (path, qt.QPushButton()):
        with pytest.raises(AttributeError, match="no signal"):
            widget.connect("pathMoved(QString)", heard.append)


def test_classes_outside_the_extract_raise():
    from harness.api import api_class

    with pytest.raises(LookupError, match=r"make_extract\.py"):
        api_class("qMRMLNodeComboBoxes")


UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0"><class>Form</class><widget class="qMRMLWidget" name="Form"><layout class="QVBoxLayout" name="layout"><item>
<widget class="{kind}" name="entry">{properties}</widget></item></layout></widget>
<customwidgets><customwidget><class>qMRMLWidget</class><extends>QWidget</extends><header>h</header></customwidget>
<customwidget><class>{custom}</class><extends>QWidget</extends><header>h</header></customwidget></customwidgets>
<connections><connection><sender>Form</sender><signal>{signal}</signal><receiver>entry</receiver><slot>{slot}</slot>
</connection></connections></ui>"""
GOOD = {
    "kind": "qMRMLNodeComboBox",
    "custom": "qMRMLNodeComboBox",
    "properties": '<property name="noneEnabled"><bool>true</bool></property>',
    "signal": "mrmlSceneChanged(vtkMRMLScene*)",
    "slot": "setMRMLScene(vtkMRMLScene*)",
}


def load(slicer, folder, **changes):
    path = folder / "form.ui"
    path.write_text(UI.format(**{**GOOD, **changes}))
    return slicer.util.loadUI(str(path))


def test_a_form_is_loaded_with_its_properties_and_connections(slicer, tmp_path):
    form = load(slicer, tmp_path)
    entry = slicer.util.childWidgetVariables(form).entry
    assert entry.noneEnabled
    form.setMRMLScene(slicer.mrmlScene)
    assert entry.mrmlScene() is slicer.mrmlScene


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "qMRMLNodeComboBoxes", "custom": "qMRMLNodeComboBoxes"},
        {"custom": "ctkPathLineEdit"},
        {"properties": '<property name="nodeColour"><string>red</string></property>'},
        {"properties": '<property name="currentNodeTypo" stdset="0"><string>x</string></property>'},
        {"kind": "QPushButton", "properties": '<property name="caption"><string>Go</string></property>'},
        {"signal": "mrmlSceneMoved(vtkMRMLScene*)"},
        {"slot": "setScene(vtkMRMLScene*)"},
    ],
)
def test_a_form_that_names_what_slicer_does_not_have_is_refused(slicer, tmp_path, change):
    from harness.ui_file import UiError

    with pytest.raises((UiError, AttributeError)):
        load(slicer, tmp_path, **change)


def test_parameters_live_in_the_scene_and_move_the_widgets(slicer, qt):
    from typing import Annotated

    from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        text: str = "start"
        kind: Annotated[str, Choice(["a", "b"])] = "a"
        volume: slicer.vtkMRMLScalarVolumeNode

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    line, combo = qt.QLineEdit(), qt.QComboBox()
    for widget, name in ((line, "text"), (combo, "kind")):
        widget.setProperty("SlicerParameterName", name)
    parameters = Parameters(node)
    gui = type("", (), {})()
    gui.__dict__.update(line=line, combo=combo)
    tag = parameters.connectGui(gui)
    assert (line.text, combo.currentText) == ("start", "a")
    line.text, combo.currentIndex = "typed", 1
    assert (Parameters(node).text, Parameters(node).kind) == ("typed", "b")
    parameters.text = "set"
    assert line.text == "set"
    parameters.disconnectGui(tag)
    line.text = "not connected"
    assert parameters.text == "set"
    parameters.volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert Parameters(node).volume is parameters.volume
    with pytest.raises(ValueError, match="one of"):
        parameters.kind = "c"
    with pytest.raises(TypeError):
        parameters.text = 3
