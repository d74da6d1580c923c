"""The network that ships reproduces its known figures, and a missing one is told in one message."""

from __future__ import annotations

import numpy as np
import pytest

from nnlabs import data, pretrained

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def model():
    return pretrained.efficientnet_lite0()


@pytest.fixture(scope="module")
def demo():
    """The demonstration photos, ready for the network."""
    return pretrained.preprocess(np.stack(list(pretrained.demo_photos().values())))


@pytest.fixture(scope="module")
def probabilities(model, demo):
    return model.predict(demo, verbose=0)


# ---------------------------------------------------------------- the network that ships


def test_it_has_all_the_weights_of_the_file(model):
    arrays = data.arrays("efficientnet_lite0_imagenet_f16.npz")
    sizes = {name: array.size for name, array in arrays.items()}
    statistics = sum(size for name, size in sizes.items() if ".running_" in name)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert model.count_params() == sum(sizes.values()) == 4_694_024
    assert trainable == sum(sizes.values()) - statistics == 4_652_008
    assert np.isclose(
        sum(float(np.abs(weight).sum(dtype=np.float64)) for weight in model.get_weights()),
        sum(float(np.abs(array).sum(dtype=np.float64)) for array in arrays.values()),
    )


def test_it_names_the_demonstration_photos(probabilities):
    assert probabilities.shape == (3, 1000)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities.argmax(axis=1).tolist() == [285, 967, 657]
    assert probabilities[1, 967] == pytest.approx(0.94, abs=0.01)


def test_the_top_sits_on_the_feature_maps(model, demo, probabilities):
    features = pretrained.efficientnet_lite0(include_top=False).predict(demo, verbose=0)
    assert features.shape == (3, 7, 7, 1280)
    assert 0 <= features.min() < features.max() <= 6
    kernel, bias = model.get_layer("logits").get_weights()
    logits = features.mean(axis=(1, 2)) @ kernel + bias
    exponential = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = exponential / exponential.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)


@pytest.mark.parametrize("size", [32, 300])
def test_other_sizes(size):
    images = pretrained.preprocess(np.stack(list(pretrained.demo_photos(size).values())))
    assert images.shape == (3, size, size, 3)
    model = pretrained.efficientnet_lite0(input_shape=(size, size, 3))
    cat, espresso, _ = pretrained.decode(model.predict(images, verbose=0))
    if size >= 160:  # smaller ones are hard to tell
        assert cat[0][0] in range(281, 286)  # the domestic cats
        assert 967 in [index for index, *_ in espresso]
    features = keras.Model(model.input, model.get_layer("head_relu").output)
    assert features.output_shape == (None, -(-size // 32), -(-size // 32), 1280)


def test_a_size_that_varies_and_one_that_is_not_square(demo, probabilities):
    varying = pretrained.efficientnet_lite0(input_shape=(None, None, 3))
    np.testing.assert_allclose(varying.predict(demo, verbose=0), probabilities, atol=1e-5)
    oblong = pretrained.efficientnet_lite0(include_top=False, input_shape=(64, 96, 3), weights=None)
    assert oblong.output_shape == (None, 2, 3, 1280)


@pytest.mark.parametrize("shape", [(31, 224, 3), (224, 16, 3), (None, 8, 3)])
@pytest.mark.parametrize("name", ["efficientnet_lite0", "MobileNetV2"])
def test_below_32_is_refused(name, shape):
    with pytest.raises(ValueError, match=r"at least 32×32 pixels; found input_shape=\("):
        pretrained.backbone(name, shape)


@pytest.mark.parametrize("shape", [(224, 224), (224, 224, 1), (1, 224, 224, 3)])
def test_a_shape_that_is_none_of_colour_images_is_refused(shape):
    with pytest.raises(ValueError, match=r"must be \(height, width, 3\)"):
        pretrained.efficientnet_lite0(input_shape=shape)


def test_without_weights_it_knows_nothing(demo):
    with pytest.raises(ValueError, match='"imagenet" or None'):
        pretrained.efficientnet_lite0(weights="coco")
    untrained = pretrained.efficientnet_lite0(weights=None)
    assert untrained.count_params() == 4_694_024
    assert untrained.predict(demo, verbose=0).max() < 0.1


# ---------------------------------------------------------------- transfer learning


def test_frozen_it_is_in_inference_whatever_the_mode():
    model = pretrained.efficientnet_lite0(include_top=False, input_shape=(64, 64, 3))
    images = pretrained.preprocess(np.stack(list(pretrained.demo_photos(64).values())))
    before = [np.array(weight) for weight in model.get_weights()]
    inference = keras.ops.convert_to_numpy(model(images, training=False))
    model.trainable = False
    assert not model.trainable_weights
    frozen = keras.ops.convert_to_numpy(model(images, training=True))
    np.testing.assert_allclose(frozen, inference, atol=1e-5)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.trainable = True
    assert np.abs(keras.ops.convert_to_numpy(model(images, training=True)) - inference).max() > 0.1


def test_the_last_blocks_can_be_unfrozen_by_name():
    model = pretrained.efficientnet_lite0(include_top=False, input_shape=(64, 64, 3))
    for layer in model.layers:  # as in its documentation
        last = layer.name.startswith(("block_15", "head"))
        layer.trainable = last and not layer.name.endswith("_bn")
    assert [layer.name for layer in model.layers if layer.trainable_weights] == [
        "block_15_expand_conv",
        "block_15_depthwise_conv",
        "block_15_project_conv",
        "head_conv",
    ]
    before = {layer.name: layer.get_weights() for layer in model.layers}
    network = keras.Sequential([model, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=keras.optimizers.SGD(0.01), loss=loss)
    images = pretrained.preprocess(np.stack(list(pretrained.demo_photos(64).values())))
    network.fit(images, np.arange(3), verbose=0)
    changed = {
        layer.name
        for layer in model.layers
        for old, new in zip(before[layer.name], layer.get_weights(), strict=True)
        if not np.array_equal(old, new)
    }
    assert changed == {layer.name for layer in model.layers if layer.trainable_weights}


def test_its_features_tell_the_photos_apart():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    photos = data.photos()
    model, preprocess = pretrained.backbone("efficientnet_lite0", (160, 160, 3))
    train, test = (
        model.predict(preprocess(x), verbose=0).mean(axis=(1, 2)) for x in (photos.x_train, photos.x_test)
    )
    scaler = StandardScaler().fit(train)
    regression = LogisticRegression(max_iter=1000).fit(scaler.transform(train), photos.y_train)
    assert regression.score(scaler.transform(test), photos.y_test) >= 0.95


# ---------------------------------------------------------------- preprocess, decode, photos


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_preprocess(dtype):
    images = np.array([0, 127, 255], dtype=dtype).reshape(1, 1, 1, 3)
    ready = pretrained.preprocess(images)
    assert ready.dtype == np.float32
    np.testing.assert_array_equal(ready.ravel(), [-127 / 128, 0, 1])
    assert images.ravel().tolist() == [0, 127, 255]
    layer = keras.layers.Rescaling(1 / 128, offset=-127 / 128)  # as in its documentation
    np.testing.assert_allclose(layer(images.astype(np.float32)), ready, atol=1e-6)


def test_preprocess_tells_a_wrong_shape():
    with pytest.raises(ValueError, match=r"found \(8, 8, 3\). A single image is a batch of one"):
        pretrained.preprocess(np.zeros((8, 8, 3)))
    with pytest.raises(ValueError, match=r"found \(2, 8, 8, 1\).$"):
        pretrained.preprocess(np.zeros((2, 8, 8, 1)))


def test_decode(probabilities):
    cat, espresso, rocket = pretrained.decode(probabilities)
    assert [len(row) for row in (cat, espresso, rocket)] == [5, 5, 5]
    assert (cat[0][:2], espresso[0][:2], rocket[0][:2]) == (
        (285, "Egyptian Mau"),
        (967, "espresso"),
        (657, "missile"),
    )
    assert {tuple(map(type, entry)) for entry in cat} == {(int, str, float)}
    assert [entry[2] for entry in cat] == sorted((entry[2] for entry in cat), reverse=True)
    assert pretrained.decode(np.eye(1000)[[3, 999]], top=1) == [
        [(3, pretrained.class_names()[3], 1.0)],
        [(999, pretrained.class_names()[999], 1.0)],
    ]
    for wrong in (probabilities[0], probabilities[:, :10]):
        with pytest.raises(ValueError, match=r"must have the shape \(n, 1000\); found"):
            pretrained.decode(wrong)


def test_demo_photos():
    photos = pretrained.demo_photos()
    assert tuple(photos) == pretrained.DEMO_PHOTOS
    assert {(photo.shape, photo.dtype) for photo in photos.values()} == {((224, 224, 3), np.dtype("uint8"))}
    assert all((data.DATA_DIR / f"demo/{name}.jpeg").stat().st_size < 100_000 for name in photos)


# ---------------------------------------------------------------- any backbone by name


def test_backbone_that_ships(demo):
    model, preprocess = pretrained.backbone("efficientnet_lite0")
    assert model.output_shape == (None, 7, 7, 1280)
    assert preprocess is pretrained.preprocess


@pytest.mark.parametrize(
    ("name", "darkest", "brightest"),
    [("MobileNetV2", -1, 1), ("ResNet50", -123.68, 151.061)],
)
def test_backbone_of_keras(monkeypatch, recwarn, name, darkest, brightest):
    """With random weights in place of those that would be downloaded."""
    build = getattr(keras.applications, name)
    asked = []

    def build_without_download(weights, **options):
        asked.append(weights)
        return build(weights=None, **options)

    monkeypatch.setattr(keras.applications, name, build_without_download)
    model, preprocess = pretrained.backbone(name, (64, 80, 3))
    assert asked == ["imagenet"]
    assert not [warning for warning in recwarn if "input_shape" in str(warning.message)]
    assert model.output_shape[:3] == (None, 2, 3)
    images = np.stack([np.zeros((64, 80, 3)), np.full((64, 80, 3), 255)]).astype(np.float32)
    ready = np.asarray(preprocess(images))
    assert ready.dtype == np.float32
    assert (ready.min(), ready.max()) == pytest.approx((darkest, brightest))
    assert images.max() == 255  # Keras's own function writes into float32 images
    assert model.predict(ready, verbose=0).shape == (2, *model.output_shape[1:])


def test_every_model_of_keras_can_be_named():
    names = [name for name, value in vars(keras.applications).items() if name[0].isupper()]
    assert len(names) >= 38
    for name in names:
        build, prepare = pretrained._application(name)
        assert build is getattr(keras.applications, name)
        family = build.__module__.rpartition(".")[2]
        assert prepare is getattr(keras.applications, family).preprocess_input


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mobilenetv2", "MobileNetV2"),
        ("ResNet-50", "ResNet50"),
        ("EfficientNetLite0", "efficientnet_lite0"),
        ("VGG", "VGG16"),
        ("transformer", "The names: efficientnet_lite0, ConvNeXtBase"),
        ("", "The names: efficientnet_lite0, ConvNeXtBase"),
    ],
)
def test_an_unknown_name_is_told_with_near_ones(name, near):
    with pytest.raises(ValueError, match=f"no backbone named {name!r}.*{near}") as caught:
        pretrained.backbone(name)
    assert "\n" not in str(caught.value)


def test_other_failures_of_a_backbone_are_told_apart(monkeypatch):
    def damaged(**options):
        raise ValueError("Incomplete or corrupted file detected.")

    monkeypatch.setattr(keras.applications, "VGG16", damaged)
    with pytest.raises(data.DownloadError) as caught:
        pretrained.backbone("VGG16")
    assert "VGG16 does not ship with the course and could not be downloaded (Incomplete" in str(caught.value)
    assert str(caught.value).endswith('Offline, use pretrained.backbone("efficientnet_lite0").')
    with pytest.raises(ValueError, match="Xception: Input size must be at least 71x71") as caught:
        pretrained.backbone("Xception", (64, 64, 3))
    assert caught.value.__context__ is None
