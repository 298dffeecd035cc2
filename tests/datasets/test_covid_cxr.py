"""fetch_covid_cxr against a local server that also fails in many ways."""

import gzip
import hashlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pooch
import pytest
from PIL import Image

from skcxr.datasets import _covid_cxr as covid_cxr
from skcxr.datasets import _downloading as downloading
from skcxr.datasets import load_image_folder
from skcxr.datasets._covid_cxr import fetch_covid_cxr
from skcxr.datasets._downloading import resume_download

ARCHIVED = {
    f"{split}/{finding}/{split}_{finding}.jpeg": f"chest_xray/{split}/{folder}/"
    for split in ("train", "test")
    for finding, folder in [
        ("normal", "NORMAL"),
        ("pneumonia_bac", "PNEUMONIA"),
        ("pneumonia_vir", "PNEUMONIA"),
    ]
}
SINGLE = ["test/covid/c.png", "train/covid/a.jpeg", "train/covid/b.jpeg"]
FILES = sorted([*SINGLE, *ARCHIVED])


def picture(seed, size=(40, 30), suffix=".jpeg"):
    """Bytes of a noisy gray image."""
    pixels = np.random.default_rng(seed).integers(0, 256, size[::-1], dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG" if suffix == ".png" else "JPEG")
    return stream.getvalue()


def zipped(members):
    """Bytes of a zip archive; keys are names or ZipInfos."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


PICTURES = {file: picture(i, suffix=file[file.rindex(".") :]) for i, file in enumerate(FILES)}
MEMBERS = {
    **{f"__MACOSX/{ARCHIVED[file]}._{file.rpartition('/')[2]}": b"no image" for file in ARCHIVED},
    **{ARCHIVED[file] + file.rpartition("/")[2]: PICTURES[file] for file in ARCHIVED},
    "chest_xray/train/NORMAL/of_no_interest.jpeg": b"never read",
}
ARCHIVE = zipped(MEMBERS)


class Handler(BaseHTTPRequestHandler):
    """Serves server.files with Range, except for the faults that are due."""

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers["Range"]))
        content = server.files.get(self.path)
        due = server.faults.get(self.path)
        fault = due.pop(0) if due else None
        if isinstance(fault, bytes):  # from now on the file is another
            content = server.files[self.path] = fault
            fault = None
        if fault == 404 or content is None:
            return self.answer(404, b"no such file")
        if isinstance(fault, int):
            return self.answer(fault, b"sorry")
        if fault == "login":
            return self.answer(200, b"<html>log in</html>", {"Content-Type": "text/html"})
        if fault == "short":  # and a Content-Length that fits the short body
            return self.answer(200, content[: len(content) // 2])
        if fault == "gzip":
            return self.answer(200, gzip.compress(content), {"Content-Encoding": "gzip"})
        headers = {}
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if asked and fault != "ignores range":
            start = int(asked[1]) - (3 if fault == "other range" else 0)
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if fault == "short rest":
            return self.answer(206, content[start : start + 250], headers)
        if fault == "no length":
            headers["Content-Length"] = None
        cut = (len(content) - start) // 2 if fault == "cut" else None
        self.answer(206 if start else 200, content[start:], headers, cut, hang=fault == "hangs")

    def answer(self, status, body, headers=None, cut=None, hang=False):
        self.send_response(status)
        for key, value in ({"Content-Length": len(body)} | (headers or {})).items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        if hang:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.server.halfway.set()
            self.server.release.wait(20)
        else:
            self.wfile.write(body[:cut])

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Only this machine can be reached."""
    connect = socket.socket.connect

    def connect_here(self, address):
        assert address[0] == "127.0.0.1", f"a test wants to reach {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server(monkeypatch):
    """Serves ``files``; ``faults`` maps a path to what goes wrong at its next requests."""
    monkeypatch.setattr(downloading, "_CHUNK_BYTES", 1)  # what is less than a chunk would be lost
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.url = f"http://127.0.0.1:{server.server_port}"
        server.files = {f"/images/{f.rpartition('/')[2]}": PICTURES[f] for f in SINGLE}
        server.files["/kermany"] = ARCHIVE
        server.faults, server.requests = {}, []
        server.halfway, server.release = threading.Event(), threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    """fetch_covid_cxr of nine small images from the server to tmp_path."""
    listed = {
        file: {
            "file": file,
            "patient_id": f"patient of {file}",
            "view": "AP",
            "license": f"license of {file}",
            "source": f"https://example.org/{file}",
        }
        for file in FILES
    }
    monkeypatch.setattr(covid_cxr, "_read_list", lambda: listed)
    monkeypatch.setattr(covid_cxr, "_COVID_URL", f"{server.url}/images/")
    monkeypatch.setattr(covid_cxr, "_ARCHIVE_URL", f"{server.url}/kermany")
    monkeypatch.setattr(covid_cxr, "_ARCHIVE_HASH", hashlib.sha256(ARCHIVE).hexdigest())

    def fetch(**params):
        return fetch_covid_cxr(**{"subset": "all", "data_home": tmp_path, "delay": 0} | params)

    fetch.root = tmp_path / "covid_cxr"
    return fetch


@pytest.fixture
def download(server, tmp_path):
    """Download /file, which is 1000 bytes, as fetch_covid_cxr downloads its archive."""
    server.files["/file"] = bytes(range(250)) * 4
    registry = {"file": hashlib.sha256(server.files["/file"]).hexdigest()}
    remote = pooch.create(path=tmp_path, base_url=f"{server.url}/", registry=registry)

    def download(n_retries=3, timeout=5):
        downloader = partial(resume_download, part=tmp_path / ".file.part", timeout=timeout)
        path = covid_cxr._download(remote, "file", downloader, n_retries, delay=0)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        return path.read_bytes()

    return download


def put(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*") if p.is_file()
    }


# Results


def test_the_first_call_downloads_and_the_second_reads(fetch, server):
    first = fetch()
    assert sorted(path for path, _ in server.requests) == sorted(server.files)
    server.requests.clear()
    second = fetch(download_if_missing=False)
    assert server.requests == []
    assert first.keys() == second.keys()
    np.testing.assert_array_equal(first.images, second.images)


def test_the_originals_are_kept_and_the_archive_is_not(fetch):
    fetch()
    assert contents(fetch.root / "images") == PICTURES
    assert {path.name for path in fetch.root.iterdir()} <= {"images", "registry.txt", ".lock"}


def test_the_bunch_holds_pixels_patients_licenses_and_sources(fetch):
    xrays = fetch(image_size=16)
    assert xrays.filenames.tolist() == FILES
    assert xrays.licenses.tolist() == [f"license of {file}" for file in FILES]
    assert xrays.sources.tolist() == [f"https://example.org/{file}" for file in FILES]
    assert xrays.groups.tolist() == [f"patient of {file}" for file in FILES]
    assert xrays.groups.dtype == object
    assert xrays.views.tolist() == ["AP"] * 9
    assert xrays.split.tolist() == ["test"] * 4 + ["train"] * 5
    assert xrays.target_names.tolist() == ["covid", "normal", "pneumonia_bac", "pneumonia_vir"]
    assert xrays.target.tolist() == [0, 1, 2, 3, 0, 0, 1, 2, 3]
    assert xrays.target.dtype == np.int64
    folder = load_image_folder(fetch.root / "images", image_size=16)
    np.testing.assert_array_equal(xrays.images, folder.images)
    assert np.shares_memory(xrays.data, xrays.images)
    assert xrays.data.shape == (9, 256)
    assert "9 grayscale" in xrays.DESCR
    assert "16x16" in xrays.DESCR


@pytest.mark.parametrize("subset", ["train", "test"])
def test_a_subset_is_that_part_of_all(fetch, subset):
    whole, part = fetch(), fetch(subset=subset)
    chosen = whole.split == subset
    for key in ["images", "data", "target", "groups", "split", "filenames", "licenses"]:
        np.testing.assert_array_equal(part[key], whole[key][chosen])
    assert part.target_names.tolist() == whole.target_names.tolist()


def test_return_x_y(fetch):
    xrays = fetch(subset="train")
    X, y = fetch(subset="train", return_X_y=True)
    np.testing.assert_array_equal(X, xrays.data)
    np.testing.assert_array_equal(y, xrays.target)


def test_images_that_users_add_are_not_returned(fetch):
    expected = fetch()
    put(fetch.root / "images", {"train/covid/aa.jpeg": PICTURES[FILES[0]]})
    put(fetch.root / "images", {"train/dog/aa.jpeg": PICTURES[FILES[0]]})
    assert fetch().filenames.tolist() == FILES
    np.testing.assert_array_equal(fetch().target, expected.target)
    np.testing.assert_array_equal(fetch().images, expected.images)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"subset": "val"}, "'subset' parameter"),
        ({"image_size": None}, "'image_size' parameter"),
        ({"n_retries": -1}, "'n_retries' parameter"),
        ({"delay": -1}, "'delay' parameter"),
    ],
)
def test_parameters_are_checked_before_anything_is_downloaded(fetch, server, params, message):
    with pytest.raises(ValueError, match=message):
        fetch(**params)
    assert server.requests == []


# Without the network


def test_without_download_the_error_says_what_is_missing_and_where_to_put_it(fetch, server):
    with pytest.raises(
        OSError, match=r"lacks 9 of 9 images, for example a\.jpeg.*ChestXRay2017.zip"
    ) as error:
        fetch(download_if_missing=False)
    assert str(fetch.root) in str(error.value)
    assert server.requests == []


def test_files_in_any_subfolder_are_used_and_kept(fetch, server):
    clone = {f"clone/images/{f.rpartition('/')[2]}": PICTURES[f] for f in SINGLE}
    put(fetch.root, clone)
    put(fetch.root, MEMBERS)
    before = contents(fetch.root)
    fetch(download_if_missing=False)
    assert contents(fetch.root / "images") == PICTURES
    assert before.items() <= contents(fetch.root).items()


def test_an_archive_of_the_user_is_used_and_kept(fetch, server):
    put(fetch.root, {"ChestXRay2017.zip": ARCHIVE})
    fetch()
    assert "/kermany" not in dict(server.requests)
    assert (fetch.root / "ChestXRay2017.zip").read_bytes() == ARCHIVE


def test_a_wrong_archive_of_the_user_is_refused_and_kept(fetch):
    put(fetch.root, {"ChestXRay2017.zip": b"version 3"})
    with pytest.raises(
        OSError, match=r"'.*ChestXRay2017.zip' is not the expected archive.* Move it away"
    ):
        fetch()
    assert (fetch.root / "ChestXRay2017.zip").read_bytes() == b"version 3"


def test_a_broken_image_of_the_user_is_refused_and_kept(fetch):
    put(fetch.root, {"mine/a.jpeg": PICTURES["train/covid/a.jpeg"][:-400]})
    with pytest.raises(OSError, match=r"mine.*a.jpeg is not a readable image.*truncated"):
        fetch()
    assert (fetch.root / "mine" / "a.jpeg").exists()
    assert not (fetch.root / "images" / "train/covid/a.jpeg").exists()


def test_existing_images_are_read_without_a_lock(fetch, monkeypatch):
    fetch()
    monkeypatch.setattr("filelock.FileLock", None)  # as from a folder that nobody may write to
    fetch()


# Checksums


def test_a_changed_image_is_reported_and_fetched_again_when_deleted(fetch, server):
    fetch()
    image = fetch.root / "images" / "train/covid/a.jpeg"
    image.write_bytes(picture(99))
    with pytest.raises(OSError, match=r"1 of the images .* changed .* train/covid/a.jpeg\. Delete"):
        fetch()
    image.unlink()
    server.requests.clear()
    fetch()
    assert image.read_bytes() == PICTURES["train/covid/a.jpeg"]
    assert server.requests == [("/images/a.jpeg", None)]


def test_an_image_that_is_another_than_at_the_first_fetch_is_refused(fetch, server):
    fetch()
    image = fetch.root / "images" / "train/covid/a.jpeg"
    image.unlink()
    server.files["/images/a.jpeg"] = picture(99)
    with pytest.raises(OSError, match=r"/images/a.jpeg is not the image of the earlier fetch"):
        fetch()
    assert not image.exists()


def test_an_archive_of_another_hash_is_refused(fetch, server):
    server.files["/kermany"] = zipped(MEMBERS | {"a": b"b"})
    with pytest.raises(OSError, match=r"/kermany is not the expected file: SHA256"):
        fetch()
    assert not (fetch.root / "ChestXRay2017.zip").exists()


# A server that fails


def test_a_broken_download_of_the_archive_resumes(fetch, server):
    server.faults["/kermany"] = ["cut", "cut"]
    with pytest.warns(UserWarning, match=r"Retry downloading .* IncompleteRead"):
        fetch()
    starts = [asked for path, asked in server.requests if path == "/kermany"]
    assert starts[:2] == [None, f"bytes={len(ARCHIVE) // 2}-"]
    assert len(starts) == 3
    assert contents(fetch.root / "images") == PICTURES


def test_a_broken_download_of_an_image_starts_again(fetch, server):
    server.faults["/images/a.jpeg"] = ["cut", "cut"]
    with pytest.warns(UserWarning, match=r"Retry downloading .* IncompleteRead"):
        fetch()
    assert [request for request in server.requests if request[0] == "/images/a.jpeg"] == [
        ("/images/a.jpeg", None)
    ] * 3
    assert contents(fetch.root / "images") == PICTURES


def test_a_download_that_failed_resumes_at_the_next_call(fetch, server):
    server.faults["/kermany"] = ["cut"]
    match = r"Could not download .*/kermany: .*incomplete archive is resumed.*ChestXRay2017\.zip'"
    with pytest.raises(OSError, match=match):
        fetch(n_retries=0)
    server.requests.clear()
    fetch(n_retries=0)
    assert server.requests == [("/kermany", f"bytes={len(ARCHIVE) // 2}-")]


@pytest.mark.parametrize(
    ("faults", "starts"),
    [
        (["cut", None], [None, "500"]),
        (["cut", "cut", None], [None, "500", "750"]),
        (["cut", "ignores range"], [None, "500"]),
        (["cut", 503, None], [None, "500", "500"]),
        (["gzip"], [None]),
        (["no length"], [None]),
        ([429, 500, 408, None], [None, None, None, None]),
    ],
)
def test_the_file_is_complete_with_servers_of_any_kind(download, server, faults, starts):
    server.faults["/file"] = faults
    if len(starts) > 1:
        with pytest.warns(UserWarning, match="Retry"):
            data = download()
    else:
        data = download()
    assert data == server.files["/file"]
    assert [asked for _, asked in server.requests] == [
        start and f"bytes={start}-" for start in starts
    ]


@pytest.mark.parametrize("fault", ["other range", "short rest", 416])
def test_a_wrong_rest_is_refused_and_the_next_call_starts_again(download, server, tmp_path, fault):
    server.faults["/file"] = ["cut", fault]
    with (
        pytest.warns(UserWarning, match="Retry"),
        pytest.raises(OSError, match=r"/file is not the expected file: SHA256"),
    ):
        download()
    assert list(tmp_path.iterdir()) == []
    assert download() == server.files["/file"]
    assert server.requests[-1] == ("/file", None)


def test_a_complete_part_needs_no_rest(download, server, tmp_path):
    (tmp_path / ".file.part").write_bytes(server.files["/file"])
    server.faults["/file"] = [416]
    assert download() == server.files["/file"]


def test_halves_of_two_versions_are_never_joined(download, server, tmp_path):
    server.faults["/file"] = ["cut"]
    with pytest.raises(OSError, match="Could not download"):
        download(n_retries=0)
    server.files["/file"] = b"new" * 300
    with pytest.raises(OSError, match=r"/file is not the expected file: SHA256"):
        download()
    assert list(tmp_path.iterdir()) == []


def test_a_login_page_is_reported_and_not_retried(download, server):
    server.faults["/file"] = ["login"]
    with pytest.raises(OSError, match=r"http.*/file returned a web page .* login page"):
        download()
    assert len(server.requests) == 1


def test_a_login_page_in_place_of_an_image_is_reported(fetch, server):
    server.faults["/images/a.jpeg"] = ["login"]
    with pytest.raises(OSError, match=r"http.*/images/a.jpeg is not a readable .* login page"):
        fetch()
    assert not (fetch.root / "images" / "train/covid/a.jpeg").exists()


@pytest.mark.parametrize(("fault", "reason"), [(404, "404"), ("login", "login page")])
def test_the_part_stays_when_the_server_fails(download, server, fault, reason):
    server.faults["/file"] = ["cut"]
    with pytest.raises(OSError, match="Could not download"):
        download(n_retries=0)
    server.faults["/file"] = [fault]
    with pytest.raises(OSError, match=reason):
        download(n_retries=0)
    assert download() == server.files["/file"]
    assert server.requests[-1] == ("/file", "bytes=500-")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_stays_broken_is_given_up_after_the_retries(download, server, status):
    server.faults["/file"] = [status] * 9
    match = rf"Could not download http.*/file: {status} .*file' by hand"
    with pytest.warns(UserWarning, match="Retry"), pytest.raises(OSError, match=match):
        download(n_retries=2)
    assert len(server.requests) == 3


def test_a_connection_that_falls_silent_is_broken(download, server):
    server.faults["/file"] = ["hangs"]
    with pytest.warns(UserWarning, match="Retry .*timed out"):
        data = download(timeout=0.2)
    assert data == server.files["/file"]
    assert server.requests[-1] == ("/file", "bytes=500-")


def test_a_server_that_does_not_exist(download, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(OSError, match="Could not download"):
        download(n_retries=0)


@pytest.mark.parametrize("fault", ["short", b"<html>log in</html>"])
def test_an_incomplete_image_is_refused(fetch, server, fault):
    server.faults["/images/a.jpeg"] = [fault]
    with pytest.raises(OSError, match=r"http.*/images/a.jpeg is not a .* call again, or save"):
        fetch()
    assert not (fetch.root / "images" / "train/covid/a.jpeg").exists()
    server.files["/images/a.jpeg"] = PICTURES["train/covid/a.jpeg"]
    fetch()


def test_a_truncated_archive_is_refused(fetch, server):
    server.faults["/kermany"] = ["short"]
    with pytest.raises(OSError, match=r"/kermany is not the expected file"):
        fetch()
    fetch()


# Killed processes and concurrent calls


def test_the_download_of_a_killed_process_is_resumed(download, server, tmp_path):
    server.faults["/file"] = ["hangs"]
    code = (  # the module alone, as the package takes seconds to import
        "import sys; from pathlib import Path\n"
        "module, folder, url = sys.argv[1:]\n"
        "sys.path.append(module)\n"
        "import _downloading\n"
        "_downloading._CHUNK_BYTES = 1\n"
        "target, part = Path(folder, 'file'), Path(folder, '.file.part')\n"
        "_downloading.resume_download(url, target, None, part=part)\n"
    )
    module = str(Path(downloading.__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", code, module, tmp_path, f"{server.url}/file"]
    ) as child:
        try:
            assert server.halfway.wait(30)
            part = tmp_path / ".file.part"
            too_late = time.monotonic() + 5  # before the server lets go and the child closes files
            while not part.is_file() or part.stat().st_size < 500:
                assert time.monotonic() < too_late
        finally:
            child.kill()
    assert not (tmp_path / "file").exists()
    assert download() == server.files["/file"]
    assert server.requests[-1] == ("/file", "bytes=500-")


N_RENAMED = 1 + len(FILES) + 1  # the archive, the images, the registry


@pytest.mark.parametrize("n_renamed", range(N_RENAMED))
def test_wherever_a_fetch_is_interrupted_the_next_one_completes_it(fetch, monkeypatch, n_renamed):
    replace, n_replaced = os.replace, 0

    def interrupted(*paths):
        nonlocal n_replaced
        if n_replaced == n_renamed:
            raise KeyboardInterrupt
        n_replaced += 1
        replace(*paths)

    def visible():
        images = contents(fetch.root / "images")
        return {name: data for name, data in images.items() if "/." not in name}

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch()
    assert visible().items() <= PICTURES.items()
    assert fetch().filenames.tolist() == FILES
    assert visible() == PICTURES


def test_two_at_once_download_each_file_once(fetch, server):
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(fetch) for _ in range(2)]
        assert [call.result().filenames.tolist() for call in both] == [FILES, FILES]
    assert sorted(path for path, _ in server.requests) == sorted(server.files)


# Archives


def test_an_archive_writes_nothing_but_the_listed_images(fetch, monkeypatch):
    hostile = zipped({"../../evil.jpeg": b"x", "/evil.jpeg": b"x", "C:\\evil.jpeg": b"x"} | MEMBERS)
    monkeypatch.setattr(covid_cxr, "_ARCHIVE_HASH", hashlib.sha256(hostile).hexdigest())
    put(fetch.root, {"ChestXRay2017.zip": hostile})
    fetch()
    assert contents(fetch.root / "images") == PICTURES
    assert not list(fetch.root.parents[1].rglob("*evil*"))


def test_of_several_members_with_one_name_the_first_path_counts(fetch, monkeypatch):
    double = zipped(MEMBERS | {"z/train_normal.jpeg": picture(99)})
    monkeypatch.setattr(covid_cxr, "_ARCHIVE_HASH", hashlib.sha256(double).hexdigest())
    put(fetch.root, {"ChestXRay2017.zip": double})
    fetch()
    assert contents(fetch.root / "images") == PICTURES


# The packaged list


def test_the_list_has_the_papers_counts_and_no_patient_in_both_splits():
    listed = pd.DataFrame(covid_cxr._read_list().values())
    parts = listed["file"].str.split("/", expand=True)
    assert parts.groupby([0, 1]).size().to_dict() == {
        (split, finding): n if split == "test" or finding != "covid" else 60
        for split, n in [("train", 70), ("test", 9)]
        for finding in ["covid", "normal", "pneumonia_bac", "pneumonia_vir"]
    }
    assert listed.groupby("patient_id")["file"].agg(lambda f: f.str[:4].nunique()).max() == 1
    assert parts[2].is_unique
    assert (listed != "").all(axis=None)
    assert listed["source"].str.startswith("https://").all()


def test_the_list_agrees_with_the_prepared_images(data_folder, tmp_path):
    folder = data_folder / "covid_cxr"
    table = pd.read_csv(folder / "metadata.csv", dtype=str).sort_values("file")
    for file, original in zip(table["file"], table["original"], strict=True):
        put(tmp_path / "covid_cxr" / "any", {original: (folder / file).read_bytes()})
    xrays = fetch_covid_cxr(subset="all", data_home=tmp_path, download_if_missing=False)
    prepared = load_image_folder(folder, groups=folder / "metadata.csv")

    order = np.argsort([Path(file).with_suffix(".png").as_posix() for file in xrays.filenames])
    np.testing.assert_array_equal(xrays.images[order], prepared.images)
    np.testing.assert_array_equal(xrays.target[order], prepared.target)
    np.testing.assert_array_equal(xrays.groups[order], prepared.groups)
    np.testing.assert_array_equal(xrays.split[order], prepared.split)
    np.testing.assert_array_equal(xrays.views[order], table["view"])


def test_all_306_are_read_from_files_of_the_user(tmp_path):
    small = picture(0, size=(2, 2))
    put(
        tmp_path / "covid_cxr" / "all",
        {f.rpartition("/")[2]: small for f in covid_cxr._read_list()},
    )
    train = fetch_covid_cxr(data_home=str(tmp_path), download_if_missing=False)
    assert train.data.shape == (270, 4096)
    shutil.rmtree(tmp_path / "covid_cxr" / "all")
    X, y = fetch_covid_cxr(
        subset="test", data_home=tmp_path, download_if_missing=False, return_X_y=True
    )
    assert X.shape == (36, 4096)
    assert np.bincount(y).tolist() == [9, 9, 9, 9]


@pytest.mark.parametrize("package", ["pooch", "requests", "filelock"])
def test_a_missing_package_is_named(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"fetch_covid_cxr needs {package}\. Install {package} \(the extra 'fetch'\)\."
    with pytest.raises(ImportError, match=message):
        fetch_covid_cxr(data_home=tmp_path)
    assert not list(tmp_path.iterdir())


def test_loading_images_of_ones_own_needs_no_package_for_downloads():
    hide = "import sys; sys.modules.update(dict.fromkeys(['pooch', 'requests', 'filelock']))"
    use = (
        "from skcxr.datasets import load_image_folder, make_chest_phantoms; make_chest_phantoms(4)"
    )
    subprocess.run([sys.executable, "-c", f"{hide}; {use}"], check=True)
