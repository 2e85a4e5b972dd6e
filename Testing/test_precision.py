import pytest
import torch
from FedRTDatasetLib.errors import FedRTError
from FedRTTrainLib.precision import choose_device, choose_precision
from small_training import small_settings


def test_auto_measures_and_decides():
    assert choose_precision(small_settings(precision="auto"), torch.device("cpu")) in ("bf16", "fp32")


def test_a_stated_precision_is_taken():
    assert choose_precision(small_settings(precision="bf16"), torch.device("cpu")) == "bf16"


def test_measuring_leaves_the_global_random_numbers_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    choose_precision(small_settings(precision="auto", network={"name": "UNet", "features": 5}), torch.device("cpu"))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_a_missing_gpu_is_an_error_only_where_it_is_asked_for():
    assert choose_device(small_settings(device="auto")).type == "cpu"
    with pytest.raises(FedRTError, match="no CUDA GPU"):
        choose_device(small_settings(device="cuda"))
