"""First weights from a file: what fits is taken, what does not is refused whole, and the network stays as it was."""

import hashlib
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pqrst import weights
from pqrst.errors import DataError
from pqrst.models import efficientnet_b0, picture_cnn

# SHA-256 of the lines "name shape" of torchvision 0.28.0's efficientnet_b0().state_dict(), in its order
TORCHVISION = "cb7cfd236a19985856543963aaa1991fc1653203130886a7372d4d610af1e71b"


def picture(n_classes=4, channels=3, seed=0):
    """Build a small network for pictures."""
    torch.manual_seed(seed)
    return picture_cnn.build((channels, 64, 64), n_classes, picture_cnn.Params(widths=(4, 8)))


def copied(model):
    """Copy a network's tensors."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def learned(model):
    """Give a network the batch norm buffers of one that has seen rows."""
    with torch.no_grad():
        model(torch.randn(8, 3, 32, 32))
    return model


def save(state, file):
    """Write tensors in the form that the file's name says."""
    if file.suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save(state, file)
    return file


@pytest.fixture(params=["weights.safetensors", "weights.pth", "weights.pt"])
def file(request, tmp_path):
    """Name a file of each form."""
    return tmp_path / request.param


def refused(model, file, says):
    """Hold that a file is refused in one line, and that the network is as it was."""
    before = copied(model)
    with pytest.raises(DataError, match=says) as caught:
        weights.load(model, file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_every_tensor_is_taken_where_all_fit(file):
    """Make the second network the first, batch norms included, and say so."""
    first, second = learned(picture()), picture(seed=1)
    found = weights.load(second, save(first.state_dict(), file))
    assert found.fitted == tuple(first.state_dict())
    assert found.fresh == ()
    assert found.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert str(found) == f"20 of 20 tensors from {file}; none left as drawn"
    assert all(torch.equal(value, first.state_dict()[name]) for name, value in second.state_dict().items())
    x = torch.randn(2, 3, 40, 40)
    assert torch.equal(second.eval()(x), first.eval()(x))


def test_a_last_layer_of_other_classes_stays_as_it_was_drawn(file):
    """Take all but the last layer from a network of a thousand classes, and name the two tensors that were left."""
    first, second = learned(picture(1000)), picture(4, seed=1)
    drawn = copied(second)
    found = weights.load(second, save(first.state_dict(), file))
    last = ("head.1.weight", "head.1.bias")
    assert found.fresh == last
    assert str(found) == f"18 of 20 tensors from {file}; as drawn: head.1.weight, head.1.bias"
    for name, value in second.state_dict().items():
        assert torch.equal(value, drawn[name] if name in last else first.state_dict()[name])


def test_the_layout_in_memory_of_the_network_stays(tmp_path):
    """Fill a network that lies with its channels last."""
    first, second = picture(), picture(seed=1).to(memory_format=torch.channels_last)
    weights.load(second, save(first.state_dict(), tmp_path / "a.safetensors"))
    weight = second.state_dict()["features.1.0.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(weight, first.state_dict()["features.1.0.weight"])


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_a_checkpoint_that_wraps_its_tensors_is_opened(tmp_path, wrapper):
    """Find the tensors one level down."""
    first, second = picture(), picture(seed=1)
    file = save({wrapper: first.state_dict(), "epoch": 3}, tmp_path / "a.pth")
    assert len(weights.load(second, file).fitted) == 20


def test_counters_of_batch_norms_may_be_lacking(tmp_path):
    """Take weights that were saved before batch norms counted their batches."""
    state = {name: value for name, value in picture().state_dict().items() if not name.endswith("num_batches_tracked")}
    found = weights.load(picture(seed=1), save(state, tmp_path / "a.pth"))
    assert found.fresh == tuple(f"features.{place}.1.num_batches_tracked" for place in range(3))


def test_weights_in_half_precision_are_widened(tmp_path):
    """Keep the network's own type."""
    state = {
        name: value.half() if value.is_floating_point() else value for name, value in picture().state_dict().items()
    }
    second = picture(seed=1)
    weights.load(second, save(state, tmp_path / "a.safetensors"))
    assert second.state_dict()["head.1.weight"].dtype == torch.float32


def test_another_networks_names_are_refused(tmp_path):
    """Name the first tensor that is lacking, and count the others with those that are unknown."""
    file = save(nn.Linear(3, 4).state_dict(), tmp_path / "a.pth")
    refused(picture(), file, r"does not fit the network: it lacks features\.0\.0\.weight, and 18 more; take weights")
    state = picture().state_dict()
    file = save({**state, "extra": torch.zeros(1)}, tmp_path / "b.pth")
    refused(picture(), file, "it holds extra, unknown to the network; take weights")
    del state["features.1.1.running_mean"]
    refused(picture(), save(state, tmp_path / "c.pth"), r"it lacks features\.1\.1\.running_mean; take weights")


def test_another_number_of_channels_is_refused(tmp_path):
    """Say how many channels the weights take, and how many the network."""
    file = save(picture().state_dict(), tmp_path / "a.safetensors")
    refused(picture(channels=1), file, r"features\.0\.0\.weight takes 3 channels there, 1 here; take weights")
    file = save(
        efficientnet_b0.build((3, 64, 64), 5, efficientnet_b0.Params()).state_dict(), tmp_path / "b.safetensors"
    )
    refused(efficientnet_b0.build((2, 64, 64), 5, efficientnet_b0.Params()), file, "takes 3 channels there, 2 here")


def test_other_shapes_are_refused(tmp_path):
    """Allow only the last layer another shape, and that only by its classes."""
    wide = picture_cnn.build((3, 64, 64), 9, picture_cnn.Params(widths=(4, 16)))
    file = save(wide.state_dict(), tmp_path / "a.safetensors")
    refused(picture(), file, r"features\.1\.0\.weight is \(16, 4, 3, 3\) there, \(8, 4, 3, 3\) here, and 11 more")
    state = picture().state_dict() | {"head.1.weight": torch.zeros(9, 16)}  # without a bias for nine
    refused(picture(), save(state, tmp_path / "b.pth"), r"head\.1\.weight is \(9, 16\) there, \(4, 16\) here; take")
    state = picture().state_dict() | {"head.1.weight": torch.zeros(9, 17), "head.1.bias": torch.zeros(9)}
    refused(picture(), save(state, tmp_path / "c.pth"), r"head\.1\.weight is \(9, 17\) there, .*, and 1 more")


def test_a_file_that_is_not_there_is_named(file):
    """Say what is missing and what to do."""
    refused(picture(), file, "is missing; put the weights there")


def test_a_damaged_file_is_refused(file):
    """Refuse a file that was cut off, one of noise, an empty one, and a folder."""
    content = save(picture().state_dict(), file).read_bytes()
    for damaged in (content[: len(content) // 2], content[: len(content) - 30], bytes(range(256)), b""):
        file.write_bytes(damaged)
        refused(picture(), file, r"cannot be read as weights \(.*\); fetch or save it anew")
    file.unlink()
    file.mkdir()
    refused(picture(), file, "cannot be read as weights")


@pytest.mark.parametrize("content", [{}, {"a": 3}, {"a": torch.zeros(1), "note": "mine"}])
def test_a_file_without_tensors_alone_is_refused(tmp_path, content):
    """Want tensors by name."""
    refused(picture(), save(content, tmp_path / "a.pth"), "must hold tensors by name and nothing else")


@pytest.mark.parametrize("content", [torch.zeros(3), [torch.zeros(3)]])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, content):
    """Want a mapping."""
    refused(picture(), save(content, tmp_path / "a.pth"), r"cannot be read as weights \(it holds a ")


def test_the_name_says_the_form(tmp_path):
    """Refuse a name that says nothing of the form, whether or not it is there."""
    refused(picture(), tmp_path / "weights.bin", r"must end in \.safetensors, \.pth, \.pt$")


class Trap:
    """Something that runs code when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_a_file_cannot_run_code(tmp_path):
    """Refuse a pickle of more than tensors, and run nothing of it."""
    target, file = tmp_path / "touched", tmp_path / "a.pth"
    torch.save({"features.0.0.weight": Trap(target)}, file)
    refused(picture(), file, r"cannot be read as weights \(it is no file of torch, or holds more than tensors\)")
    file.write_bytes(pickle.dumps(Trap(target), protocol=2))
    refused(picture(), file, "holds more than tensors")
    assert not target.exists()


def test_efficientnet_b0_takes_torchvisions_weights(tmp_path):
    """Bear torchvision's names and shapes in torchvision's order, and take all but the classifier for nine classes."""
    thousand = efficientnet_b0.build((3, 224, 224), 1000, efficientnet_b0.Params())
    state = thousand.state_dict()
    lines = "".join(f"{name} {tuple(value.shape)}\n" for name, value in state.items())
    assert hashlib.sha256(lines.encode()).hexdigest() == TORCHVISION
    for name in ("features.0.0.weight", "features.0.1.running_mean", "features.1.0.block.0.0.weight",
                 "features.4.1.block.2.fc2.bias", "features.8.1.num_batches_tracked", "classifier.1.weight"):  # fmt: skip
        assert name in state
    nine = efficientnet_b0.build((3, 224, 224), 9, efficientnet_b0.Params())
    found = weights.load(nine, save(state, tmp_path / "efficientnet_b0.pth"))
    assert (len(found.fitted), found.fresh) == (358, ("classifier.1.weight", "classifier.1.bias"))


def test_a_file_of_torch_with_one_changed_byte_is_taken_or_refused(tmp_path):
    """Torch's reader of the older form raises whatever comes of a byte, an assertion among it; here it is one line."""
    model, file = nn.Linear(3, 2), tmp_path / "w.pth"
    torch.save(model.state_dict(), file, _use_new_zipfile_serialization=False)
    content = file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with suppress(DataError):
            weights.load(model, file)
