"""Draw the extension's and the modules' icons: `python Resources/draw_icons.py` (needs PySide6).

One family: a patient's cross-section on a dark blue tile, and on it what the room does with it.
"""

import math
import os
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QGuiApplication, QImage, QLinearGradient, QPainter, QPainterPath, QPen

ROOT = Path(__file__).resolve().parents[1]
SIZE = 128
BODY, ORGAN, TARGET, LINE = QColor("#c9d6e4"), QColor("#5fb3a1"), QColor("#f2b134"), QColor("#ffffff")


def main() -> None:
    application = QGuiApplication.instance() or QGuiApplication([])
    drawings = {
        "FedRTDataset": dataset,
        "FedRTTrain": train,
        "FedRTFederation": federation,
        "FedRTInference": inference,
    }
    for name, draw in drawings.items():
        save(draw, ROOT / name / "Resources" / "Icons" / f"{name}.png")
    save(extension, ROOT / "Resources" / "FedRT.png")
    application.quit()


def save(draw, path: Path) -> None:
    """Draw at four times the size and shrink, for even edges."""
    image = QImage(4 * SIZE, 4 * SIZE, QImage.Format_ARGB32)
    image.fill(Qt.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.Antialiasing)
    painter.scale(4, 4)
    tile(painter)
    draw(painter)
    painter.end()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.scaled(SIZE, SIZE, Qt.IgnoreAspectRatio, Qt.SmoothTransformation).save(str(path))


def tile(painter: QPainter) -> None:
    shade = QLinearGradient(0, 0, 0, SIZE)
    shade.setColorAt(0, QColor("#2c5d8f"))
    shade.setColorAt(1, QColor("#163454"))
    painter.setPen(Qt.NoPen)
    painter.setBrush(QBrush(shade))
    painter.drawRoundedRect(QRectF(4, 4, 120, 120), 22, 22)


def slice_of_body(painter: QPainter, x: float, y: float, scale: float, target: QColor = TARGET) -> None:
    """A pelvis cut across: body, two femoral heads, the target between them."""
    painter.save()
    painter.translate(x, y)
    painter.scale(scale, scale)
    painter.setPen(Qt.NoPen)
    painter.setBrush(BODY)
    painter.drawEllipse(QPointF(0, 0), 40, 27)
    painter.setBrush(QColor("#8fa3b8"))
    for side in (-1, 1):
        painter.drawEllipse(QPointF(side * 25, 2), 8, 9)
    painter.setBrush(ORGAN)
    painter.drawEllipse(QPointF(0, -10), 13, 9)
    painter.setBrush(target)
    painter.drawEllipse(QPointF(0, 7), 9, 8)
    painter.restore()


def dataset(painter: QPainter) -> None:
    """Slices stacked into a set."""
    for step, opacity in ((0, 0.45), (1, 0.7), (2, 1.0)):
        painter.setOpacity(opacity)
        slice_of_body(painter, 64, 42 + 22 * step, 1.1)
    painter.setOpacity(1)


def train(painter: QPainter) -> None:
    """A learning curve over the slice."""
    painter.setOpacity(0.45)
    slice_of_body(painter, 64, 66, 1.15)
    painter.setOpacity(1)
    painter.setBrush(Qt.NoBrush)
    painter.setPen(QPen(LINE, 5, Qt.SolidLine, Qt.RoundCap))
    painter.drawLine(QPointF(22, 24), QPointF(22, 104))
    painter.drawLine(QPointF(22, 104), QPointF(108, 104))
    curve = QPainterPath(QPointF(28, 94))
    for step in range(1, 41):
        share = step / 40
        curve.lineTo(28 + 76 * share, 94 - 64 * (1 - math.exp(-4.2 * share)))
    painter.setPen(QPen(TARGET, 7, Qt.SolidLine, Qt.RoundCap, Qt.RoundJoin))
    painter.drawPath(curve)


def federation(painter: QPainter) -> None:
    """Three hospitals around one model."""
    corners = [QPointF(64 + 40 * math.sin(angle), 68 - 40 * math.cos(angle)) for angle in (0, 2.0944, 4.1888)]
    painter.setPen(QPen(LINE, 5, Qt.SolidLine, Qt.RoundCap))
    for corner in corners:
        painter.drawLine(QPointF(64, 68), corner)
    for corner in corners:
        painter.setPen(Qt.NoPen)
        painter.setBrush(BODY)
        painter.drawEllipse(corner, 20, 20)
        painter.setPen(QPen(QColor("#2c5d8f"), 6, Qt.SolidLine, Qt.FlatCap))
        painter.drawLine(corner + QPointF(-10, 0), corner + QPointF(10, 0))
        painter.drawLine(corner + QPointF(0, -10), corner + QPointF(0, 10))
    painter.setPen(QPen(LINE, 3))
    painter.setBrush(TARGET)
    painter.drawEllipse(QPointF(64, 68), 13, 13)


def inference(painter: QPainter) -> None:
    """Contours drawn on a slice."""
    painter.setOpacity(0.8)
    slice_of_body(painter, 64, 64, 1.35, QColor("#b9a26a"))
    painter.setOpacity(1)
    painter.setBrush(Qt.NoBrush)
    for colour, centre, radii in ((TARGET, (64, 73.5), (17, 15)), (QColor("#7ee0c6"), (64, 50.5), (21, 15))):
        painter.setPen(QPen(colour, 5))
        painter.drawEllipse(QPointF(*centre), *radii)
    painter.setPen(QPen(LINE, 4, Qt.SolidLine, Qt.RoundCap))
    painter.drawEllipse(QPointF(64, 64), 57 * 0.95, 38 * 0.97)


def extension(painter: QPainter) -> None:
    """The slice in a ring of three hospitals."""
    painter.setBrush(Qt.NoBrush)
    painter.setPen(QPen(QColor(255, 255, 255, 150), 4))
    painter.drawEllipse(QPointF(64, 64), 46, 46)
    slice_of_body(painter, 64, 64, 0.9)
    for angle in (0, 2.0944, 4.1888):
        corner = QPointF(64 + 46 * math.sin(angle), 64 - 46 * math.cos(angle))
        painter.setPen(QPen(QColor("#163454"), 3))
        painter.setBrush(TARGET)
        painter.drawEllipse(corner, 11, 11)


if __name__ == "__main__":
    main()
