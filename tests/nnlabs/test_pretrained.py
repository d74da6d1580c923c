"""The network that ships reproduces its known figures, and a missing one is told in one message."""

from functools import wraps

import numpy as np
import pytest

from nnlabs import data, pretrained

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def model():
    return pretrained.efficientnet_lite0()


def demo(size=224):
    """Return the demonstration photos, ready for the network."""
    return pretrained.preprocess(np.stack(list(pretrained.demo_photos(size).values())))


@pytest.fixture(scope="module")
def probabilities(model):
    return model.predict(demo(), verbose=0)


def test_it_has_all_the_weights_of_the_file(model):
    arrays = data.arrays("efficientnet_lite0_imagenet_f16.npz")
    assert model.count_params() == sum(array.size for array in arrays.values()) == 4_694_024
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 4_652_008


def test_it_names_the_demonstration_photos(probabilities):
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities[1, 967] == pytest.approx(0.94, abs=0.01)
    rows = pretrained.decode(probabilities)
    assert [row[0][:2] for row in rows] == [(285, "Egyptian Mau"), (967, "espresso"), (657, "missile")]
    for row in rows:
        assert [entry[2] for entry in row] == sorted((entry[2] for entry in row), reverse=True)


def test_decode_takes_as_many_as_told_and_no_other_shape(probabilities):
    names = pretrained.class_names()
    assert pretrained.decode(np.eye(1000)[[3, 999]], top=1) == [[(3, names[3], 1)], [(999, names[999], 1)]]
    assert [len(row) for row in pretrained.decode(probabilities)] == [5, 5, 5]
    for wrong in (probabilities[0], probabilities[:, :10]):
        with pytest.raises(ValueError, match=r"must have the shape \(n, 1000\); found"):
            pretrained.decode(wrong)


def test_without_its_top_it_returns_the_feature_maps(model):
    backbone, preprocess = pretrained.backbone("efficientnet_lite0")
    assert preprocess is pretrained.preprocess
    features = backbone.predict(demo(), verbose=0)
    assert features.shape == (3, 7, 7, 1280)
    assert 0 <= features.min() < features.max() <= 6
    maps = keras.Model(model.input, model.get_layer("head_relu").output)
    np.testing.assert_allclose(features, maps.predict(demo(), verbose=0), atol=1e-4)


def test_other_sizes_one_that_varies_and_one_that_is_not_square(probabilities):
    varying = pretrained.efficientnet_lite0(input_shape=(None, None, 3))
    np.testing.assert_allclose(varying.predict(demo(), verbose=0), probabilities, atol=1e-5)
    cat, espresso, _ = pretrained.decode(varying.predict(demo(300), verbose=0))
    assert cat[0][0] in range(281, 286)  # the domestic cats
    assert 967 in [index for index, *_ in espresso]
    oblong = pretrained.efficientnet_lite0(include_top=False, input_shape=(32, 300, 3), weights=None)
    assert oblong.output_shape == (None, 1, 10, 1280)


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("efficientnet_lite0", (None, 8, 3), r"at least 32×32 pixels; found input_shape=\("),
        ("MobileNetV2", (224, 16, 3), r"at least 32×32 pixels; found input_shape=\("),
        ("Xception", (64, 64, 3), "Xception: Input size must be at least 71x71"),
        ("efficientnet_lite0", (224, 224, 1), r"must be \(height, width, 3\)"),
        ("MobileNetV2", (1, 224, 224, 3), r"must be \(height, width, 3\)"),
    ],
)
def test_a_shape_that_it_does_not_take_is_refused(name, shape, told):
    with pytest.raises(ValueError, match=told) as caught:
        pretrained.backbone(name, shape)
    assert caught.value.__context__ is None


def test_without_weights_it_knows_nothing():
    with pytest.raises(ValueError, match='"imagenet" or None'):
        pretrained.efficientnet_lite0(weights="coco")
    assert pretrained.efficientnet_lite0(weights=None).predict(demo(), verbose=0).max() < 0.1


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_preprocess(dtype):
    images = np.array([0, 127, 255], dtype=dtype).reshape(1, 1, 1, 3)
    ready = pretrained.preprocess(images)
    assert ready.dtype == np.float32
    np.testing.assert_array_equal(ready.ravel(), [-127 / 128, 0, 1])
    assert images.ravel().tolist() == [0, 127, 255]
    layer = keras.layers.Rescaling(1 / 128, offset=-127 / 128)  # as in its documentation
    np.testing.assert_allclose(layer(images.astype(np.float32)), ready, atol=1e-6)
    with pytest.raises(ValueError, match=r"found \(8, 8, 3\). A single image is a batch of one"):
        pretrained.preprocess(np.zeros((8, 8, 3)))


@pytest.mark.parametrize(("name", "low", "high"), [("MobileNetV2", -1, 1), ("ResNet50", -123.68, 151.061)])
def test_backbone_of_keras(monkeypatch, recwarn, name, low, high):
    """With random weights in place of those that would be downloaded."""
    build = getattr(keras.applications, name)

    @wraps(build)
    def build_without_download(weights, **options):
        assert weights == "imagenet"
        return build(weights=None, **options)

    monkeypatch.setattr(keras.applications, name, build_without_download)
    model, preprocess = pretrained.backbone(name, (64, 80, 3))
    assert not [warning for warning in recwarn if "input_shape" in str(warning.message)]
    assert model.output_shape[:3] == (None, 2, 3)
    images = np.stack([np.zeros((64, 80, 3)), np.full((64, 80, 3), 255)]).astype(np.float32)
    ready = np.asarray(preprocess(images))
    assert ready.dtype == np.float32
    assert (ready.min(), ready.max()) == pytest.approx((low, high))
    assert images.max() == 255  # Keras's own function writes into float32 images


def test_every_model_of_keras_can_be_named():
    names = [name for name, value in vars(keras.applications).items() if name[0].isupper()]
    assert len(names) >= 38
    prepares = {name: pretrained._application(name)[1] for name in names}
    assert all(callable(prepare) for prepare in prepares.values())
    assert prepares["MobileNetV3Small"] is keras.applications.mobilenet_v3.preprocess_input


def test_an_unknown_name_is_told_with_near_ones():
    near = {
        "ResNet-50": "ResNet50",
        "EfficientNetLite0": "efficientnet_lite0",
        "unheard": "The names: eff",
    }
    for name, told in near.items():
        with pytest.raises(ValueError, match=rf"^[^\n]*no backbone named {name!r}[^\n]*{told}[^\n]*$"):
            pretrained.backbone(name)


def test_a_damaged_download_is_told(monkeypatch):
    @wraps(keras.applications.VGG16)
    def damaged(**options):
        raise ValueError("Incomplete or corrupted file detected.")

    monkeypatch.setattr(keras.applications, "VGG16", damaged)
    told = r'VGG16 does not ship .*\(Incomplete.*Offline, use pretrained.backbone\("efficientnet_lite0"\)'
    with pytest.raises(data.DownloadError, match=told):
        pretrained.backbone("VGG16")
