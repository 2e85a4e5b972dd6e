"""New images in, contours out: right references, right place, and one bad study stops nobody."""

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import torch
from dicom_maker import ORIENTATIONS, make_patient, make_series
from FedRTDatasetLib.commandline import main
from FedRTDatasetLib.contouring.rasterise import rasterise
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.geometry import sample_at, to_image
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.naming.structures import structure
from FedRTDatasetLib.pseudonym import SiteKey
from FedRTDatasetLib.storage.segmentation import read_segmentation
from FedRTInferenceLib.batch import contour_all
from FedRTInferenceLib.predictor import Predictor
from FedRTTrainLib.model import ModelCard, save_model
from FedRTTrainLib.network import build_network
from FedRTTrainLib.settings import UNet

KEY = SiteKey(b"k" * 32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "model", seed=0)


def write_model(folder, seed):
    """A network with random weights: its contours mean nothing but have all the shapes that give trouble."""
    torch.manual_seed(seed)
    network = UNet(channels=(4, 8), strides=(2,), num_res_units=0, features=4)
    structures = tuple(structure(name) for name in ("Bladder", "Rectum"))
    card = ModelCard(
        network=network,
        structures=structures,
        processing=Processing(spacing_mm=(4, 4, 4), hu_window=(-100, 300)),
    )
    built = build_network(network, len(structures))
    state = built.state_dict()
    state["head.weight"] *= 20  # probabilities cross one half often
    state["head.bias"] -= state["head.bias"]
    save_model(folder, state, card)
    return folder


def contour(model, sources, out, **options):
    return contour_all(Predictor(model), sources, out, KEY, **{"rtstruct": True, "segmentation": True, **options})


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS.keys())
def test_rtstruct_references_the_series_and_is_the_predicted_mask(tmp_path, model, orientation):
    series = make_series(tmp_path / "in", orientation=orientation)
    (outcome,) = contour(model, [tmp_path / "in"], tmp_path / "out")
    path = outcome.folder / "RTSTRUCT.dcm"
    index = index_folders([tmp_path / "in", path])
    assert list(index.links.values()) == [series.headers[0].SeriesInstanceUID]
    assert index.problems == []
    stored = read_segmentation(outcome.folder / "structures.seg.nrrd")
    stack = load_series(next(iter(index.series.values()))).stack
    rois = read_rtstruct(path)
    assert [roi.name for roi in rois] == stored.names == ["Bladder", "Rectum"]
    for roi, mask in zip(rois, stored.masks, strict=True):
        assert 50 < mask.sum() < mask.size - 50
        again, beyond = rasterise(roi.polygons, stack)
        assert beyond == 0
        assert np.array_equal(again, mask)
    dataset = pydicom.dcmread(path)
    assert dataset.PatientID == "MRN-4711"
    assert {item.ROIGenerationAlgorithm for item in dataset.StructureSetROISequence} == {"AUTOMATIC"}


def test_the_same_patient_turned_gets_the_same_physical_contours(tmp_path, model):
    """Feet first: the array is mirrored, the patient is not."""
    series = make_series(tmp_path / "in")
    (outcome,) = contour(model, [tmp_path / "in"], tmp_path / "out")
    image = to_image(series.voxels.astype(np.float32), load_series(_only(tmp_path / "in")).stack)
    turned = sitk.DICOMOrient(image, "RPS")
    sitk.WriteImage(turned, str(tmp_path / "turned.nrrd"))
    (other,) = contour(model, [tmp_path / "turned.nrrd"], tmp_path / "out")
    assert sorted(path.name for path in other.folder.iterdir()) == ["result.json", "structures.seg.nrrd"]
    masks = read_segmentation(other.folder / "structures.seg.nrrd").masks
    expected = read_segmentation(outcome.folder / "structures.seg.nrrd").masks
    assert np.array_equal(masks[:, :, :, ::-1], expected)


def test_missing_slice_contours_lie_on_real_slices(tmp_path, model):
    series = make_series(tmp_path / "in")
    series.files[4].unlink()
    (outcome,) = contour(model, [tmp_path / "in"], tmp_path / "out")
    loaded = load_series(_only(tmp_path / "in"))
    for roi in read_rtstruct(outcome.folder / "RTSTRUCT.dcm"):
        _, beyond = rasterise(roi.polygons, loaded.stack)
        assert beyond == 0
        heights = {round(float(p[:, 2].mean()), 3) for p in roi.polygons}
        assert heights <= {20.0 + 3 * k for k in (0, 1, 2, 3, 5, 6, 7)}
    record = json.loads((outcome.folder / "result.json").read_text())
    assert any("1 slice(s) missing" in note for note in record["notes"])


def test_gantry_tilt_contours_lie_in_the_tilted_slices(tmp_path, model):
    series = make_series(tmp_path / "in")
    for k, path in enumerate(series.files):
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient = [-50, -30 + 0.6 * k, 20 + 3 * k]
        dataset.save_as(path)
    (outcome,) = contour(model, [tmp_path / "in"], tmp_path / "out")
    assert not outcome.failed
    stack = load_series(_only(tmp_path / "in")).stack
    assert stack.is_sheared
    stored = read_segmentation(outcome.folder / "structures.seg.nrrd")
    for roi, mask in zip(read_rtstruct(outcome.folder / "RTSTRUCT.dcm"), stored.masks, strict=True):
        again, beyond = rasterise(roi.polygons, stack)
        assert beyond == 0 and again.sum() > 50
        upright = sitk.GetImageFromArray(mask.astype(np.float32))
        upright.CopyInformation(stored.reference)
        expected = sample_at(upright, stack, 0.0) >= 0.5
        dice = 2 * (again & expected).sum() / (again.sum() + expected.sum())
        by_pixel = 2 * (again & mask[:, : again.shape[1]]).sum() / (again.sum() + mask.sum())
        assert dice > by_pixel + 0.05
        assert dice > 0.93  # the noisy surface of a network that was never trained runs between voxels


def test_bad_studies_are_told_and_the_others_done(tmp_path, model, capsys):
    make_patient(tmp_path / "in" / "good", "good")
    make_series(tmp_path / "in" / "mr", patient="mr", modality="MR")
    broken = make_series(tmp_path / "in" / "broken", patient="broken")
    for file in broken.files[1:]:
        file.write_bytes(file.read_bytes()[:-300])
    arguments = ["infer", str(model), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--progress", "json"]
    assert main(arguments) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    done = next(event for event in events if event["event"] == "contoured")
    assert len(done["cases"]) == len(done["failed"]) == 1
    assert "fewer than two readable slices" in next(iter(done["failed"].values()))
    texts = " ".join(event.get("text", "") for event in events)
    assert "1 series of another modality left out" in texts


def test_what_is_done_is_not_done_again_unless_the_model_changed(tmp_path, model):
    make_series(tmp_path / "in")
    (outcome,) = contour(model, [tmp_path / "in"], tmp_path / "out")
    path = outcome.folder / "structures.seg.nrrd"
    before = path.stat().st_mtime_ns
    contour(model, [tmp_path / "in"], tmp_path / "out")
    assert path.stat().st_mtime_ns == before
    contour(write_model(tmp_path / "other", seed=1), [tmp_path / "in"], tmp_path / "out")
    assert path.stat().st_mtime_ns != before


def test_model_with_a_changed_byte_is_refused(tmp_path, model, capsys):
    make_series(tmp_path / "in")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in model.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    data = bytearray((damaged / "weights.safetensors").read_bytes())
    data[-5] ^= 1
    (damaged / "weights.safetensors").write_bytes(data)
    arguments = ["infer", str(damaged), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--progress", "none"]
    assert main(arguments) == 1
    assert "weights.safetensors was changed after it was written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_wrong_modality_and_unreadable_volume(tmp_path, model):
    make_series(tmp_path / "mr", modality="MR")
    with pytest.raises(FedRTError, match=r"no CT series .* this model is for CT"):
        contour(model, [tmp_path / "mr"], tmp_path / "out")
    (tmp_path / "x.nrrd").write_text("nothing")
    (outcome,) = contour(model, [tmp_path / "x.nrrd"], tmp_path / "out")
    assert "cannot be read as an image" in outcome.failed


def test_no_file_name_or_record_holds_the_patient(tmp_path, model):
    make_series(tmp_path / "Doe_Jane")
    (outcome,) = contour(model, [tmp_path / "Doe_Jane"], tmp_path / "out")
    text = str(outcome.folder.relative_to(tmp_path)) + (outcome.folder / "result.json").read_text()
    text += (outcome.folder / "structures.seg.nrrd").read_bytes()[:4000].decode("latin-1")
    assert not [secret for secret in ("Doe", "Jane", "4711") if secret in text]


def _only(folder):
    return next(iter(index_folders([folder]).series.values()))


def test_nothing_is_found_where_the_image_was_cropped_away(tmp_path):
    """The nearest value would go on to the border of the image."""
    card = Predictor(write_model(tmp_path / "model", seed=0)).card
    network = build_network(card.network, 2)
    state = network.state_dict()
    state["head.bias"] += 50  # every voxel belongs to every structure
    card = card.model_copy(update={"processing": Processing(spacing_mm=(4, 4, 4), crop="body")})
    save_model(tmp_path / "model", state, card)
    values = np.full((12, 60, 80), -1000.0, np.float32)
    values[:, 20:40, 30:50] = 40
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((3.0, 3.0, 3.0))
    for result in Predictor(tmp_path / "model").predict(image):
        found = result.probability > 0.5
        assert found[:, 20:40, 30:50].all()
        assert not found[:, :12].any() and not found[:, :, :22].any() and not found[:, 48:].any()
