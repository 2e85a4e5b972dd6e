import numpy as np
import pytest
from FedRTFederationLib.aggregation import UpdateRefusedError, WeightedAverage, validate
from FedRTFederationLib.task import CaseCounts

ROWS = {"head.weight": ("Bladder", "Rectum", "Prostate"), "head.bias": ("Bladder", "Rectum", "Prostate")}


def weights(value: float, counter: int = 0) -> dict[str, np.ndarray]:
    return {
        "body": np.full((2, 2), value, np.float32),
        "head.weight": np.full((3, 2, 1), value, np.float32),
        "head.bias": np.full(3, value, np.float32),
        "counter": np.array(counter, np.int64),
    }


def test_body_is_weighted_by_labelled_cases():
    average = WeightedAverage(weights(0.0))
    average.add(weights(1.0), CaseCounts(30))
    average.add(weights(5.0), CaseCounts(10))
    assert np.array_equal(average.result()["body"], np.full((2, 2), 2.0, np.float32))


def test_row_is_weighted_by_cases_labelled_for_its_structure():
    average = WeightedAverage(weights(9.0), ROWS)
    average.add(weights(1.0), CaseCounts(30, {"Bladder": 30, "Rectum": 10}))
    average.add(weights(5.0), CaseCounts(10, {"Bladder": 10, "Prostate": 0}))
    result = average.result()
    expected = np.array([2.0, 1.0, 9.0], np.float32)  # both; the first site alone; nobody, so as before the round
    assert np.array_equal(result["head.bias"], expected)
    assert np.array_equal(result["head.weight"], np.broadcast_to(expected[:, None, None], (3, 2, 1)))
    assert np.array_equal(result["body"], np.full((2, 2), 2.0, np.float32))


def test_integers_stay_exact():
    large = 2**62 + 1
    average = WeightedAverage(weights(0.0))
    average.add(weights(1.0, large), CaseCounts(3))
    average.add(weights(1.0, large), CaseCounts(4))
    assert average.result()["counter"] == large
    average.add(weights(1.0, large + 1), CaseCounts(1))
    assert average.result()["counter"] == large + 1


def test_dtypes_and_order_of_sites_do_not_matter():
    random = np.random.default_rng(1)
    updates = [(weights(v), CaseCounts(int(n))) for v, n in zip(random.standard_normal(6), range(1, 7), strict=True)]
    results = []
    for order in (updates, updates[::-1]):
        average = WeightedAverage(weights(0.0), ROWS)
        for update, cases in order:
            average.add(update, cases)
        results.append(average.result())
    for name, tensor in results[0].items():
        assert tensor.dtype == weights(0.0)[name].dtype
        assert np.allclose(tensor, results[1][name], rtol=1e-6)


def test_one_site_comes_back_unchanged():
    average = WeightedAverage(weights(0.0))
    average.add(weights(0.1, 7), CaseCounts(13))
    for name, tensor in weights(0.1, 7).items():
        assert np.array_equal(average.result()[name], tensor)


def broken(**changes) -> dict[str, np.ndarray]:
    update = {**weights(1.0), **changes}
    return {name: tensor for name, tensor in update.items() if tensor is not None}


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        (broken(body=np.full((2, 2), np.nan, np.float32)), "not finite"),
        (broken(body=np.full((2, 2), np.inf, np.float32)), "not finite"),
        (broken(body=np.ones((2, 3), np.float32)), "shape"),
        (broken(body=np.ones((2, 2), np.float64)), "dtype"),
        (broken(body=None), "missing"),
        (broken(extra=np.ones(1, np.float32)), "unknown"),
    ],
)
def test_unusable_updates_are_refused(update, reason):
    with pytest.raises(UpdateRefusedError, match=reason):
        validate(update, weights(0.0))


def test_site_without_cases_is_refused():
    with pytest.raises(UpdateRefusedError, match="no labelled case"):
        WeightedAverage(weights(0.0)).add(weights(1.0), CaseCounts(0))


def test_nothing_to_average():
    with pytest.raises(ValueError, match="no update"):
        WeightedAverage(weights(0.0)).result()
