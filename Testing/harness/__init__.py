"""A small stand-in for the 3D Slicer application, to load the modules and click their buttons without it.

Real: MRML, VTK and `slicer.util` (package `slicer-core`), Qt (PySide6), the child processes. Re-created, as far as the
modules use it: PythonQt's way of showing Qt objects, a few CTK and MRML widgets, `ScriptedLoadableModule`,
`parameterNodeWrapper`, `packaging` and `i18n`. It is strict: a class, attribute, property, signal or slot that 3D
Slicer 5.12.3 does not have raises, and one that it has but the harness lacks raises `NotImplementedError`.
"""
