import io
import multiprocessing
import os
import pickle
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from imblearn.pipeline import Pipeline
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from skcxr import DCGAN, ConditionalDCGANOversampler, DCGANOversampler
from skcxr.augment import Affine
from skcxr.gan._checkpoint import build_header, fingerprint_training
from skcxr.gan._training import GANTraining, ShuffledRows
from skcxr.over_sampling import grow
from tests.conftest import full_disk


@pytest.fixture
def gan(tiny_gan, tmp_path):
    return tiny_gan.set_params(max_epochs=6, checkpoint=tmp_path / "gan.pt", checkpoint_every=2)


@pytest.fixture
def uninterrupted(gan, phantoms):
    return clone(gan).set_params(checkpoint=None).fit(phantoms.data)


def saved_in(file):
    """What a checkpoint holds behind its first line."""
    return torch.load(io.BytesIO(file.read_bytes().partition(b"\n")[2]), weights_only=True)


def save(value, file, dump=torch.save):
    """A checkpoint of anything, with the checksum that is right for it."""
    content = io.BytesIO()
    dump(value, content)
    file.write_bytes(build_header(content.getvalue()) + content.getvalue())


def assert_same_training(gan, other):
    for name in ("generator_", "discriminator_"):
        weights, others = (getattr(g, name).state_dict() for g in (gan, other))
        assert all(torch.equal(weights[key], others[key]) for key in weights)
    assert_frame_equal(*(g.history_.drop(columns="seconds") for g in (gan, other)))


def stopped_in(gan, X, epoch, monkeypatch, error=KeyboardInterrupt):
    """Fit until `error` strikes in the middle of an epoch."""
    count, draw = [0], ShuffledRows.draw

    def breaking(self):
        count[0] += 1
        if count[0] == (epoch - 1) * gan.steps_per_epoch + 2:
            raise error
        return draw(self)

    # Each step draws its rows, also where a CUDA graph does the rest.
    with monkeypatch.context() as patch:
        patch.setattr(ShuffledRows, "draw", breaking)
        with pytest.raises(error):
            gan.fit(X)


def test_a_training_that_was_stopped_goes_on(gan, phantoms, uninterrupted, monkeypatch):
    stopped_in(gan, phantoms.data, 4, monkeypatch, RuntimeError)
    counted, epoch = [], GANTraining.run_epoch
    monkeypatch.setattr(
        GANTraining, "run_epoch", lambda self, *args: counted.append(1) or epoch(self, *args)
    )
    resumed = clone(gan).fit(phantoms.data)
    assert len(counted) == 4  # the checkpoint is of epoch 2
    assert_same_training(resumed, uninterrupted)


def test_checkpointing_changes_nothing(gan, phantoms, uninterrupted):
    assert_same_training(gan.fit(phantoms.data), uninterrupted)


def test_ctrl_c_leaves_the_last_whole_epoch(gan, phantoms, uninterrupted, monkeypatch, tmp_path):
    stopped_in(gan.set_params(checkpoint_every=100), phantoms.data, 4, monkeypatch)
    saved = saved_in(tmp_path / "gan.pt")
    assert [row["epoch"] for row in saved["state"]["history"]] == [1, 2, 3]
    assert_same_training(clone(gan).fit(phantoms.data), uninterrupted)


def _fit(gan, X):
    torch.set_num_threads(1)
    gan.fit(X)


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch may be forked on Linux only")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_killed_at_twenty_random_moments(tiny_gan, phantoms, tmp_path):
    """SIGKILL, whatever it hits: the result is that of the training which was never killed."""
    gan = tiny_gan.set_params(max_epochs=250, checkpoint=tmp_path / "gan.pt", checkpoint_every=1)
    start = time.perf_counter()
    uninterrupted = clone(gan).set_params(checkpoint=None).fit(phantoms.data)
    whole = time.perf_counter() - start
    context, rng, kills = multiprocessing.get_context("fork"), np.random.default_rng(0), 0
    while kills < 20:
        process = context.Process(target=_fit, args=(gan, phantoms.data))
        process.start()
        process.join(rng.uniform(0, whole / 8))
        if not process.is_alive():  # it was done before its time: begin again
            assert process.exitcode == 0
            (tmp_path / "gan.pt").unlink()
            continue
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
    assert (tmp_path / "gan.pt").exists()
    assert_same_training(clone(gan).fit(phantoms.data), uninterrupted)


def test_a_finished_training_is_not_repeated(gan, phantoms, monkeypatch):
    gan.fit(phantoms.data)
    monkeypatch.setattr(GANTraining, "step", lambda self, rows: pytest.fail("training went on"))
    assert_same_training(clone(gan).fit(phantoms.data), gan)


def test_more_epochs_go_on_from_fewer(gan, phantoms, uninterrupted):
    clone(gan).set_params(max_epochs=3).fit(phantoms.data)
    assert_same_training(gan.fit(phantoms.data), uninterrupted)
    with pytest.raises(ValueError, match="holds 6 epochs of training, more than max_epochs=3"):
        clone(gan).set_params(max_epochs=3).fit(phantoms.data)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lr": 1e-3}, r"lr was 0\.0002 and is 0\.001"),
        ({"base_width": 8, "dropout": 0.1}, r"base_width was 4 and is 8; dropout was 0\.0 and"),
        ({"precision": "bfloat16"}, "precision was 'auto' and is 'bfloat16'"),
        ({"random_state": 1}, r"seed was \d+ and is \d+"),
        ({"augment": "classic"}, "augment was None and is 'classic'"),
        ({"augment": Affine(degrees=3)}, "augment was None and is Affine"),
        ({"diff_augment": None}, "diff_augment was 'classic' and is None"),
        ({"mode_seeking": 0.0}, r"mode_seeking was 0\.3 and is 0\.0"),
    ],
)
def test_another_training_is_refused(gan, phantoms, params, message, tmp_path):
    gan.fit(phantoms.data)
    before = (tmp_path / "gan.pt").read_bytes()
    with pytest.raises(
        ValueError, match=rf"gan.pt' belongs to another training: {message}.*Delete"
    ):
        clone(gan).set_params(**params).fit(phantoms.data)
    assert (tmp_path / "gan.pt").read_bytes() == before


def test_other_images_are_refused(gan, phantoms):
    gan.fit(phantoms.data)
    with pytest.raises(ValueError, match=r"images was \w+ and is \w+"):
        clone(gan).fit(255 - phantoms.data)


def test_without_a_seed_the_files_training_goes_on(gan, phantoms, monkeypatch):
    gan.set_params(random_state=None)
    stopped_in(gan, phantoms.data, 4, monkeypatch)
    first = saved_in(gan.checkpoint)["state"]["history"]
    assert clone(gan).fit(phantoms.data).history_[:3].to_dict("records") == first


@pytest.mark.parametrize("folder", [False, True])
def test_a_training_keeps_its_precision(gan, phantoms, monkeypatch, tmp_path, folder):
    """The check behind "auto" may say otherwise on another machine, or a busy one."""
    gan.set_params(checkpoint=tmp_path / ("folder" if folder else "gan.pt"))
    monkeypatch.setattr("skcxr.gan._fit.resolve_precision", lambda *args: "float32")
    expected = clone(gan).set_params(checkpoint=None).fit(phantoms.data)
    stopped_in(gan, phantoms.data, 4, monkeypatch)
    monkeypatch.setattr("skcxr.gan._fit.resolve_precision", lambda *args: "bfloat16")
    resumed = clone(gan).fit(phantoms.data)
    assert resumed.precision_ == "float32"
    assert_same_training(resumed, expected)


def test_an_edited_augmentation_is_another_training(gan, phantoms):
    """Its name is the same before and after an edit; its code is not."""

    def define(source):
        namespace = {"__name__": "__main__"}
        exec(source, namespace)
        return namespace["darken"]

    source = "def darken(x, generator): return x - {}"
    gan.set_params(augment=define(source.format(0.1))).fit(phantoms.data)
    gan.set_params(augment=define(source.format(0.1))).fit(phantoms.data)
    gan.set_params(augment=define(source.format(0.2)))
    with pytest.raises(ValueError, match=r"code of augmentation was '\w+' and is '\w+'"):
        gan.fit(phantoms.data)


def test_monitoring_and_verbosity_may_change(gan, phantoms, uninterrupted, capsys):
    clone(gan).set_params(max_epochs=3).fit(phantoms.data)
    resumed = gan.set_params(verbose=1, monitor="pixels").fit(phantoms.data)
    assert "Epoch 6 2/2" in capsys.readouterr().err
    assert resumed.history_["kernel_distance"].notna().tolist() == [False] * 5 + [True]
    np.testing.assert_array_equal(
        resumed.sample(2, random_state=0), uninterrupted.sample(2, random_state=0)
    )


def test_fingerprints_are_the_same_in_another_process():
    """Not by address: functions and objects without a repr go by their names."""
    X = np.zeros((2, 16))

    class Silent:
        pass

    params = [{"augment": value} for value in (Silent(), np.flip)]
    prints = [fingerprint_training(X, p)["augment"] for p in params]
    assert not any("0x" in words for words in prints)
    assert fingerprint_training(X, params[0]) == fingerprint_training(X, {"augment": Silent()})


def test_fingerprints_tell_images_apart():
    X = np.arange(3000 * 16, dtype=np.int16).reshape(3000, 16)
    known = fingerprint_training(X, {})
    last = X.copy()
    last[-1, -1] += 1
    assert fingerprint_training(X.copy(order="F"), {}) == known
    others = (last, X[:-1], X.reshape(-1, 32), X.view(np.uint16), X.astype(float))
    assert all(fingerprint_training(other, {}) != known for other in others)


def test_another_shape_of_the_same_values_is_refused(gan, phantoms):
    gan.fit(phantoms.data)
    assert len(clone(gan).fit(phantoms.images).history_) == 6
    with pytest.raises(ValueError, match=r"image_shape was \(1, 16, 16\) and is \(1, 8, 32\)"):
        clone(gan).set_params(image_size=32, image_shape=(8, 32)).fit(phantoms.data)


def broken(kind, file):
    content = bytearray(file.read_bytes())
    if kind == "empty":
        file.write_bytes(b"")
    elif kind == "truncated":
        file.write_bytes(content[:-1000])
    elif kind == "text":
        file.write_text("no checkpoint")
    elif kind == "without a checksum":
        file.write_bytes(content.partition(b"\n")[2])
    elif kind == "a bit":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif kind == "other":
        save({"weights": torch.zeros(3)}, file)
    elif kind == "list":
        save([1, 2], file)


KINDS = ["empty", "truncated", "text", "without a checksum", "a bit", "other", "list"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_file_is_told_and_left(gan, phantoms, kind, tmp_path):
    gan.fit(phantoms.data)
    file = tmp_path / "gan.pt"
    broken(kind, file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match="is broken or is not a checkpoint of skcxr"):
        clone(gan).fit(phantoms.data)
    assert file.read_bytes() == before


def test_no_flipped_bit_is_taken_for_a_weight(gan, phantoms, tmp_path):
    gan.fit(phantoms.data)
    file, rng = tmp_path / "gan.pt", np.random.default_rng(0)
    content = file.read_bytes()
    for place in rng.integers(0, len(content), 50):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.integers(8)
        file.write_bytes(changed)
        with pytest.raises(ValueError, match="is broken or is not a checkpoint of skcxr"):
            clone(gan).fit(phantoms.data)


class Hostile:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (self.file, "w"))


def pickled(value, file):
    file.write(pickle.dumps(value, protocol=2))


@pytest.mark.parametrize("dump", [torch.save, pickled])
def test_nothing_in_a_file_is_run(gan, phantoms, tmp_path, dump):
    hostile = {"skcxr": "0", "format": 1, "state": Hostile(str(tmp_path / "hit"))}
    save(hostile, tmp_path / "gan.pt", dump)
    with pytest.raises(ValueError, match="is broken or is not a checkpoint of skcxr"):
        gan.fit(phantoms.data)
    assert not (tmp_path / "hit").exists()


def test_another_format_states_its_version(gan, phantoms, tmp_path):
    save({"skcxr": "9.1", "format": 7}, tmp_path / "gan.pt")
    with pytest.raises(ValueError, match=r"saved by skcxr 9\.1 in format 7, and skcxr .* reads fo"):
        gan.fit(phantoms.data)


def test_tensors_that_were_saved_on_a_gpu_are_read_without_one(
    gan, phantoms, tmp_path, monkeypatch, uninterrupted
):
    clone(gan).set_params(max_epochs=2).fit(phantoms.data)
    saved = saved_in(tmp_path / "gan.pt")
    with monkeypatch.context() as patch:
        patch.setattr("torch.serialization.location_tag", lambda storage: "cuda:0")
        save(saved, tmp_path / "gan.pt")
    assert b"cuda:0" in (tmp_path / "gan.pt").read_bytes()
    assert_same_training(gan.fit(phantoms.data), uninterrupted)


def test_another_pytorch_is_warned_of(gan, phantoms, tmp_path):
    gan.fit(phantoms.data)
    save(saved_in(tmp_path / "gan.pt") | {"torch": "1.0"}, tmp_path / "gan.pt")
    with pytest.warns(UserWarning, match=r"was saved with PyTorch 1\.0"):
        clone(gan).fit(phantoms.data)


def test_a_full_disk_costs_no_training(gan, phantoms, tmp_path, uninterrupted):
    clone(gan).set_params(max_epochs=2).fit(phantoms.data)
    before = (tmp_path / "gan.pt").read_bytes()

    message = r"could not be written: .* File too large\. Training continues; the last one is kept"
    with full_disk(), pytest.warns(UserWarning, match=message):
        gan.fit(phantoms.data)
    assert_same_training(gan, uninterrupted)
    assert (tmp_path / "gan.pt").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["gan.pt"]
    assert_same_training(clone(gan).fit(phantoms.data), uninterrupted)


def test_a_folder_that_can_not_be_written_is_told_before_training(gan, phantoms, tmp_path):
    (tmp_path / "file").touch()
    gan.set_params(checkpoint=tmp_path / "file" / "gan.pt")
    with pytest.raises(OSError, match=r"gan.pt' cannot be written: .*Pass a file in a folder"):
        gan.fit(phantoms.data)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="root may write anywhere, and Windows has other rights",
)
def test_a_read_only_folder_is_told_before_training(gan, phantoms, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="cannot be written: Permission denied"):
        gan.fit(phantoms.data)


def test_in_a_folder_each_training_has_its_own_file(gan, phantoms, tmp_path):
    gan.set_params(checkpoint=tmp_path / "folder")
    clone(gan).fit(phantoms.data)
    clone(gan).fit(255 - phantoms.data)
    clone(gan).set_params(lr=1e-3).fit(phantoms.data)
    clone(gan).set_params(lr=1e-3, max_epochs=7).fit(phantoms.data)
    names = [file.name for file in (tmp_path / "folder").iterdir()]
    assert len(names) == 3
    assert all(re.fullmatch(r"[0-9a-f]{16}\.pt", name) for name in names)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_class_of_each_fold_goes_on_by_itself(gan, phantoms, tmp_path, tiny_clf, n_jobs):
    def predicted(checkpoint):
        sampler = DCGANOversampler(
            clone(gan).set_params(checkpoint=checkpoint, max_epochs=2),
            sampling_strategy=grow(1.5),
            random_state=0,
            n_jobs=n_jobs,
        )
        pipe = Pipeline([("gan", sampler), ("clf", tiny_clf)])
        return cross_val_predict(pipe, phantoms.data, phantoms.target, cv=2, method="predict_proba")

    expected = predicted(None)
    np.testing.assert_array_equal(predicted(tmp_path / "folder"), expected)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "folder").iterdir()}
    assert len(files) == 8
    np.testing.assert_array_equal(predicted(tmp_path / "folder"), expected)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "folder").iterdir()} == files


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_class_goes_on_from_the_middle(gan, phantoms, tmp_path, n_jobs):
    def resampled(**params):
        sampler = DCGANOversampler(
            clone(gan).set_params(**params),
            sampling_strategy=grow(1.5),
            random_state=0,
            n_jobs=n_jobs,
        )
        return sampler.fit_resample(phantoms.data, phantoms.target)[0]

    expected = resampled(checkpoint=None)
    resampled(checkpoint=tmp_path / "folder", max_epochs=3)
    before = {file: file.read_bytes() for file in (tmp_path / "folder").iterdir()}
    assert len(before) == 4
    np.testing.assert_array_equal(resampled(checkpoint=tmp_path / "folder"), expected)
    assert all(file.read_bytes() != before[file] for file in (tmp_path / "folder").iterdir())


@pytest.mark.parametrize(
    "sampler",
    [
        ConditionalDCGANOversampler(random_state=0),
        # Fine-tuning of 3 epochs a class behind a pretraining of 6.
        DCGANOversampler(pretrain="pooled", fine_tune_epochs=3, random_state=0),
    ],
)
def test_trainings_of_all_go_on_from_the_middle(gan, phantoms, tmp_path, monkeypatch, sampler):
    data, pooled = (phantoms.data, phantoms.target), "pretrain" in sampler.get_params()
    sampler = clone(sampler).set_params(estimator=gan, sampling_strategy=grow(1.5))
    expected, _ = clone(sampler).set_params(estimator__checkpoint=None).fit_resample(*data)
    gan.set_params(checkpoint=tmp_path / "folder", checkpoint_every=1)
    n_epochs, epoch = [], GANTraining.run_epoch

    def breaking(self, *args):
        if len(n_epochs) in stops:
            stops.remove(len(n_epochs))
            raise RuntimeError("stopped")
        n_epochs.append(1)
        return epoch(self, *args)

    monkeypatch.setattr(GANTraining, "run_epoch", breaking)
    # In the training of all classes, and in the fine-tuning of the first.
    stops = [4, 8] if pooled else [4]
    for _ in range(len(stops)):
        with pytest.raises(RuntimeError, match="stopped"):
            clone(sampler).fit_resample(*data)
    resumed, _ = clone(sampler).fit_resample(*data)
    np.testing.assert_array_equal(resumed, expected)
    # No epoch was trained twice.
    assert len(n_epochs) == (6 + 4 * 3 if pooled else 6)


def test_fewer_epochs_of_fine_tuning_than_its_checkpoint_holds_are_named(gan, phantoms, tmp_path):
    gan.set_params(checkpoint=tmp_path / "folder")
    sampler = DCGANOversampler(gan, sampling_strategy=grow(1.5), pretrain="pooled", random_state=0)
    sampler.set_params(fine_tune_epochs=3).fit_resample(phantoms.data, phantoms.target)
    with pytest.raises(ValueError, match=r"holds 3 epochs .* larger fine_tune_epochs"):
        sampler.set_params(fine_tune_epochs=2).fit_resample(phantoms.data, phantoms.target)


def test_classes_without_a_seed_go_on_too(gan, phantoms, tmp_path, monkeypatch):
    gan.set_params(checkpoint=tmp_path / "folder", random_state=None)
    sampler = DCGANOversampler(gan, sampling_strategy=grow(1.5))
    sampler.fit_resample(phantoms.data, phantoms.target)
    assert len(list((tmp_path / "folder").iterdir())) == 4
    monkeypatch.setattr(GANTraining, "step", lambda self, rows: pytest.fail("training began again"))
    again = clone(sampler)
    again.fit_resample(phantoms.data, phantoms.target)
    for k, fitted in again.estimators_.items():
        assert_same_training(fitted, sampler.estimators_[k])


def test_threads_that_train_the_same_do_not_mix_their_files(gan, phantoms, monkeypatch):
    """Such as two arms of a comparison with the same sampler."""
    expected, fsync = clone(gan).set_params(checkpoint=None).fit(phantoms.data), os.fsync
    monkeypatch.setattr("os.fsync", lambda file: time.sleep(0.02) or fsync(file))
    with ThreadPoolExecutor(2) as pool:  # a warning of a lost file would be an error
        trainings = [pool.submit(clone(gan).fit, phantoms.data) for _ in range(2)]
        assert all(assert_same_training(t.result(), expected) is None for t in trainings)
    assert_same_training(clone(gan).fit(phantoms.data), expected)


def test_one_file_for_several_classes_is_refused(gan, phantoms):
    sampler = DCGANOversampler(gan, sampling_strategy=grow(1.5), random_state=0)
    with pytest.raises(ValueError, match="or a folder, in which each training has its own"):
        sampler.fit_resample(phantoms.data, phantoms.target)


@pytest.mark.cuda
def test_a_training_on_a_gpu_resumes_there(gan, phantoms, monkeypatch):
    gan.set_params(device="cuda")
    uninterrupted = clone(gan).set_params(checkpoint=None).fit(phantoms.data)
    stopped_in(gan, phantoms.data, 4, monkeypatch)
    assert_same_training(clone(gan).fit(phantoms.data), uninterrupted)
    with pytest.raises(ValueError, match="device was 'cuda' and is 'cpu'"):
        clone(gan).set_params(device="cpu").fit(phantoms.data)


def test_a_checkpoint_is_no_part_of_the_fitted_gan(gan, phantoms, tmp_path):
    gan.fit(phantoms.data)
    (tmp_path / "gan.pt").unlink()
    assert isinstance(pickle.loads(pickle.dumps(gan)), DCGAN)
    assert gan.sample(2).shape == (2, 256)
