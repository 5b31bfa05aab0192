"""Files by key, in a folder, in a bucket, and behind another of fsspec's URLs."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from s3_server import make_bucket, running_s3, s3_variables

from dahlia.server.storage import remote
from dahlia.server.storage.storage import NotThere, Storage, StorageError


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with running_s3() as endpoint:
        yield endpoint


@pytest.fixture(params=["folder", "s3", "memory"])
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> Storage:
    if request.param == "s3":
        for name, value in s3_variables(s3).items():
            monkeypatch.setenv(name, value)
        return Storage(f"s3://{make_bucket(s3)}/files")
    if request.param == "memory":
        return Storage(f"memory://{uuid.uuid4().hex}")
    return Storage(str(tmp_path / "files"))


def listed(storage: Storage, prefix: str = "") -> list[str]:
    return sorted(entry.key for entry in storage.keys(prefix))


def test_gives_back_what_was_put(storage: Storage, tmp_path: Path) -> None:
    storage.put("images/ab/one.jpg", b"first")
    storage.put("images/ab/one.jpg", b"second")
    assert storage.get("images/ab/one.jpg") == b"second"
    assert storage.exists("images/ab/one.jpg")
    assert storage.size("images/ab/one.jpg") == 6
    with storage.open("images/ab/one.jpg") as file:
        file.seek(2)
        assert file.read() == b"cond"
    assert list(storage.stream("images/ab/one.jpg", chunk=4)) == [b"seco", b"nd"]
    storage.fetch("images/ab/one.jpg", tmp_path / "new" / "copy.jpg")
    storage.fetch("images/ab/one.jpg", tmp_path / "new" / "copy.jpg")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["copy.jpg"]
    assert (tmp_path / "new" / "copy.jpg").read_bytes() == b"second"


@pytest.mark.parametrize(
    "ask",
    [
        lambda storage, path: storage.get("images/none"),
        lambda storage, path: storage.open("images/none"),
        lambda storage, path: storage.stream("images/none"),
        lambda storage, path: storage.fetch("images/none", path),
        lambda storage, path: storage.fetch_folder("images", path),
    ],
    ids=["get", "open", "stream", "fetch", "fetch_folder"],
)
def test_a_missing_file_is_told(
    storage: Storage, tmp_path: Path, ask: Callable[[Storage, Path], object]
) -> None:
    storage.put("other", b"")
    with pytest.raises(NotThere, match=r"images/(none|\*)"):
        ask(storage, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_what_is_not_there_has_no_size_and_is_deleted(storage: Storage) -> None:
    storage.put("folder/file", b"data")
    assert storage.size("none") is None
    assert storage.size("folder") is None
    assert not storage.exists("folder")
    storage.delete("none")
    storage.delete("none/below")
    assert listed(storage, "none") == []


def test_lists_what_lies_below_a_folder(storage: Storage) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    items = {f"images/{name}/{name}{name}.jpg": name.encode() for name in ("ab", "cd", "ef")}
    storage.put_many(items | {"images2/x": b"", "thumbnails/ab/x.jpg": b"", "ödd [1]*?.txt": b"x"})
    assert listed(storage, "images") == listed(storage, "images/") == sorted(items)
    assert listed(storage, "images/cd") == ["images/cd/cdcd.jpg"]
    assert len(listed(storage)) == 6
    entry = next(iter(storage.keys("images")))
    assert (entry.key, entry.size) == ("images/ab/abab.jpg", 2)
    assert before < entry.modified < before + timedelta(minutes=1)
    storage.delete_many(["ödd [1]*?.txt", "images2/x", "none"])
    storage.delete_folder("images")
    assert listed(storage) == ["thumbnails/ab/x.jpg"]


@pytest.mark.slow
def test_many_files_at_once(storage: Storage) -> None:
    items = {f"images/{number % 7}/{number}": bytes([number]) * 1000 for number in range(100)}
    storage.put_many(items)
    storage.put_many({})
    assert {key: storage.get(key) for key in listed(storage)} == items


def test_folders_in_and_out(storage: Storage, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "model.json").write_text("{}")
    (source / "deep" / "er" / "weights").write_bytes(b"1" * 1000)
    storage.put("iterations/1/left over", b"")
    storage.put("iterations/10/other", b"")
    storage.put_folder("iterations/1", source)
    target.mkdir()
    (target / "old").write_text("goes")
    storage.fetch_folder("iterations/1", target)
    names = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert names == {"model.json", "deep/er/weights"}
    (target / "model.json").write_text("changed")
    assert storage.get("iterations/1/model.json") == b"{}"
    assert listed(storage, "iterations/10") == ["iterations/10/other"]
    storage.put_file("history.bundle", source / "deep" / "er" / "weights")
    assert storage.size("history.bundle") == 1000


def test_only_plain_files_go_in(storage: Storage, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(StorageError, match="received none"):
        storage.put_folder("iterations/1", folder)
    (folder / "link").symlink_to("/etc/hostname")
    with pytest.raises(StorageError, match="Expected plain files"):
        storage.put_folder("iterations/1", folder)
    with pytest.raises(StorageError, match="Expected the file"):
        storage.put_file("file", tmp_path / "none")
    assert listed(storage) == []


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\\b", "a\nb", "a\x00", ".staged/x",
     "a\ud800", "a" * 256, "/".join(["ab"] * 400)],
)  # fmt: skip
@pytest.mark.parametrize(
    "use",
    [
        lambda storage, key: storage.put(key, b""),
        lambda storage, key: storage.get(key),
        lambda storage, key: storage.delete(key),
        lambda storage, key: storage.fetch(key, Path("nowhere")),
        lambda storage, key: storage.size(key),
    ],
    ids=["put", "get", "delete", "fetch", "size"],
)
def test_no_key_leaves_the_storage(tmp_path: Path, use: Callable[[Storage, str], object], key: str) -> None:
    with pytest.raises(StorageError, match="Expected a key"):
        use(Storage(str(tmp_path)), key)


@pytest.mark.parametrize("prefix", ["", "/", "..", ".staged"])
def test_no_prefix_means_everything_by_accident(tmp_path: Path, prefix: str) -> None:
    storage = Storage(str(tmp_path))
    storage.put("file", b"")
    with pytest.raises(StorageError, match="Expected a key"):
        storage.delete_folder(prefix)
    with pytest.raises(StorageError, match="Expected a key"):
        storage.put_folder(prefix, tmp_path)
    assert storage.exists("file")


def test_stale_files_go_and_fresh_ones_stay(storage: Storage) -> None:
    storage.put("images/a", b"a")
    assert not storage.delete_stale("images/a", datetime.now(UTC) - timedelta(hours=1))
    assert storage.get("images/a") == b"a"
    assert storage.delete_stale("images/a", datetime.now(UTC) + timedelta(hours=1))
    assert not storage.exists("images/a")
    assert storage.delete_stale("images/a", datetime.now(UTC))


def test_a_check_leaves_nothing(storage: Storage) -> None:
    storage.check()
    assert listed(storage) == []
    assert storage.sweep(timedelta(0)) == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "received nothing"),
        ("s3://", "Expected a bucket"),
        ("nonsense://user:password@place?token=abc", "Protocol not known"),
    ],
)
def test_urls_that_cannot_be_used(url: str, message: str) -> None:
    with pytest.raises(StorageError, match=message) as refused:
        Storage(url)
    assert "password" not in str(refused.value)
    assert "abc" not in str(refused.value)


def test_a_bucket_that_is_not_there(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_variables(s3).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match="bucket does not exist"):
        Storage("s3://no-such-bucket/files").check()


def test_a_bucket_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(remote._S3_OPTIONS["config_kwargs"], "retries", {"max_attempts": 0})
    for name, value in s3_variables("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    storage = Storage("s3://photos/files")
    uses: list[Callable[[], Any]] = [
        storage.check,
        lambda: storage.get("a"),
        lambda: storage.size("a"),
        lambda: list(storage.keys("")),
    ]
    for use in uses:
        with pytest.raises(StorageError, match=r"Could not connect.*AWS_ENDPOINT_URL") as failed:
            use()
        assert not isinstance(failed.value, NotThere)
        assert "for-tests" not in str(failed.value)


def test_uploads_that_were_not_ended_are_swept(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_variables(s3).items():
        monkeypatch.setenv(name, value)
    bucket = make_bucket(s3)
    storage = Storage(f"s3://{bucket}/files")
    import s3fs

    client = s3fs.S3FileSystem(skip_instance_cache=True)
    for key in ("files/big", "elsewhere/big"):
        client.call_s3("create_multipart_upload", Bucket=bucket, Key=key)
    # moto says of every upload that it began on the same day of 2010.
    assert storage.sweep(timedelta(days=365 * 100)) == 0
    assert storage.sweep() == 1
    assert [upload["Key"] for upload in client.list_multipart_uploads(bucket)] == ["elsewhere/big"]


def test_a_bucket_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[socket.socket] = []
    monkeypatch.setitem(remote._S3_OPTIONS["config_kwargs"], "read_timeout", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for name, value in s3_variables(f"http://127.0.0.1:{listening.getsockname()[1]}").items():
            monkeypatch.setenv(name, value)

        def accept() -> None:
            with suppress(OSError):  # the server is closed
                while True:
                    connections.append(listening.accept()[0])

        accepting = threading.Thread(target=accept)
        accepting.start()
        with pytest.raises(StorageError, match="Expected s3://photos/files to take and give files"):
            Storage("s3://photos/files").get("images/ab/one.jpg")
        listening.shutdown(socket.SHUT_RDWR)
    accepting.join()
    assert len(connections) <= 4  # of half a minute each where nothing answers
    for connection in connections:
        connection.close()
