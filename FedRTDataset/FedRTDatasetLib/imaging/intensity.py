"""Intensities that mean the same in every patient: bias field, z-score, windows, and where the patient is in the image."""


def foreground(values):
    """Where an image [z, y, x] shows the patient: bool of the same shape.

    That is what has at least a tenth of the signal of the image's bright tissue (its 98th percentile): air has less,
    every tissue more. A threshold that splits the histogram in two (Otsu) would on an image cropped to the body take
    fat alone for foreground.
    """
    import numpy as np

    zero = min(float(values.min()), 0.0)  # no signal
    return values >= zero + 0.1 * (np.percentile(values, 98) - zero)


def standardised(image, over: str = "foreground"):
    """Mean 0 and standard deviation 1 over the foreground, or over the whole `image`; 0 for a constant image.

    Also the mean and standard deviation that were taken out.
    """
    import SimpleITK as sitk

    values = sitk.GetArrayFromImage(image)  # a copy: a view would not keep a temporary image alive
    if values.min() == values.max():
        return image * 0.0, float(values.min()), 0.0
    inside = values[foreground(values)] if over == "foreground" else values
    mean, deviation = float(inside.mean()), max(float(inside.std()), 1e-6)
    return sitk.Cast((image - mean) / deviation, sitk.sitkFloat32), mean, deviation  # a division makes doubles


def window(image, low: float, high: float):
    """Clipped to low..high and scaled to 0..1."""
    import SimpleITK as sitk

    return sitk.IntensityWindowing(image, low, high, 0.0, 1.0)


def divided(image, field, lowest: float):
    """The image without the field that `bias_field` found, float32."""
    import SimpleITK as sitk

    return sitk.Cast((image - lowest + 1.0) / field - 1.0 + lowest, sitk.sitkFloat32)


def bias_field(image):
    """The bias field (N4, Tustison et al. 2010) of a float32 image on its own grid, and the value to count the signal from.

    N4 works on the logarithm, so the signal is counted from 1 below the lowest value (or from 0). The field is estimated
    over the foreground on a grid of about 4 mm and worked out at full resolution. A constant image has none.
    """
    import SimpleITK as sitk

    values = sitk.GetArrayFromImage(image)
    lowest = min(float(values.min()), 0.0)
    if values.min() == values.max():
        return image * 0.0 + 1.0, lowest
    positive = image - lowest + 1.0
    factors = [
        max(1, min(round(4.0 / spacing), size // 8))
        for spacing, size in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    small = sitk.Shrink(positive, factors)
    mask = sitk.GetImageFromArray(foreground(sitk.GetArrayFromImage(small)).astype("uint8"))
    mask.CopyInformation(small)
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations([30, 30, 20])
    corrector.Execute(small, mask)
    return sitk.Exp(corrector.GetLogBiasFieldAsImage(positive)), lowest


def body_box(image, modality: str, margin_mm: float = 10.0):
    """The box that holds the patient, with a margin: (index x y z, size x y z) in a SimpleITK image in modality units.

    CT: above -300 HU, without what is thinner than 20 mm (couch, clothing). Other modalities: `foreground`. Every part of
    at least a twentieth of the largest belongs to the patient (arms beside the trunk). The whole image where there is none.
    """
    import numpy as np
    import SimpleITK as sitk

    spacing, size = np.array(image.GetSpacing()), np.array(image.GetSize())
    factors = [int(max(1, min(round(4.0 / s), n // 4))) for s, n in zip(spacing, size, strict=True)]
    small = sitk.Shrink(image, factors)
    values = sitk.GetArrayFromImage(small)
    inside = values > -300 if modality == "CT" else foreground(values)
    mask = sitk.GetImageFromArray(inside.astype("uint8"))
    mask.CopyInformation(small)
    if modality == "CT":
        radius = [round(8.0 / s) for s in small.GetSpacing()[:2]] + [0]
        mask = sitk.BinaryMorphologicalOpening(mask, [int(r) for r in radius], sitk.sitkBall)
    labels = sitk.RelabelComponent(sitk.ConnectedComponent(mask))
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(labels)
    parts = statistics.GetLabels()
    if not parts:
        return [0, 0, 0], size.tolist()
    counts = {n: statistics.GetNumberOfPixels(n) for n in parts}
    boxes = [statistics.GetBoundingBox(n) for n in parts if counts[n] >= max(counts.values()) / 20]
    low = np.min([box[:3] for box in boxes], axis=0)
    high = np.max([np.add(box[:3], box[3:]) for box in boxes], axis=0)
    margin = np.ceil(margin_mm / spacing)
    # Shrink keeps the middle of every block, so block n begins at n * factor give or take the remainder at the border.
    start = np.clip(low * factors - margin, 0, size - 1).astype(int)
    end = np.clip((high + 1) * factors + margin, start + 1, size).astype(int)
    return start.tolist(), (end - start).tolist()
