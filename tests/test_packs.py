"""Small files packed as they come: whole or not at all, resumed group by group, and read back by their names."""

import hashlib
import os
import random
import subprocess
import sys
import zipfile
from contextlib import contextmanager

import pytest

from pqrst import downloads, files, packs
from pqrst.downloads import Patience, Source
from pqrst.errors import DataError, DownloadError
from pqrst.files import digest
from toys import kill_once, listed

QUICK = Patience(retries=1, backoff_s=0.01, stall_s=5.0, workers=1)
FILES = {
    f"{group}/{number}.dat": random.Random(f"{group}{number}").randbytes(3000) for group in "abc" for number in range(4)
}
GROUPS = {group: [name for name in FILES if name.startswith(group)] for group in "abc"}


def sha(content):
    return hashlib.sha256(content).hexdigest()


SUMS = {name: sha(content) for name, content in FILES.items()}


def lay(folder, files=FILES):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def get(shelf, tmp_path):
    """Fetch the three groups from the host into tmp_path/raw."""
    lay(shelf.folder)

    def call(source=None, groups=GROUPS, dest="raw", scratch="scratch", **more):
        more = {"sums": SUMS, "patience": QUICK, **more}
        return packs.fetch(source or Source(shelf.url, "host"), groups, tmp_path / dest, tmp_path / scratch, **more)

    return call


def refused(tmp_path, act, *words):
    """Expect one line with these words, and no trace of `raw`."""
    with pytest.raises(DownloadError) as caught:
        act()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("raw")]


def test_a_group_arrives_as_one_archive(get, tmp_path):
    """Three groups of four files are three archives, in which each file lies uncompressed under its own name."""
    get()
    assert listed(tmp_path / "raw") == ["a.zip", "b.zip", "c.zip"]
    with zipfile.ZipFile(tmp_path / "raw/b.zip") as archive:
        assert archive.namelist() == [*GROUPS["b"], "SHA256SUMS.txt"]
        assert all(archive.read(name) == FILES[name] for name in GROUPS["b"])
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("SHA256SUMS.txt").decode() == "".join(f"{SUMS[name]}  {name}\n" for name in GROUPS["b"])


def test_the_provenance_is_that_of_the_files(get, shelf, tmp_path):
    """Packed or not, the same files have the same provenance."""
    plain = downloads.fetch(Source(shelf.url, "host"), list(FILES), tmp_path / "plain", tmp_path / "other", sums=SUMS)
    assert get() == plain
    listing = "".join(f"{SUMS[name]}  {name}\n" for name in sorted(FILES)).encode()
    assert plain == {"source": "host", "synthetic": False, "verified": True, "files": 12, "sha256": sha(listing)}


def test_archives_are_the_same_bytes_again(get, shelf, tmp_path):
    """Where and when they were made, from a host or from a folder, does not show in the archives."""
    get()
    get(source=Source(str(shelf.folder), "mirror"), dest="again", scratch="elsewhere")
    assert digest(tmp_path / "raw") == digest(tmp_path / "again")


def test_nothing_else_is_left_behind(get, tmp_path):
    """Scratch holds a lock and no byte more."""
    get()
    assert [(tmp_path / "scratch" / name).stat().st_size for name in listed(tmp_path / "scratch")] == [0]


def test_a_failed_fetch_goes_on_in_its_group(get, shelf, tmp_path):
    """The group that was packed is not asked for again, nor the files of the next that had arrived."""
    shelf.refused = {"/b/2.dat"}
    refused(tmp_path, get, "b/2.dat", "HTTP 403")
    assert shelf.asked == [f"/{name}" for name in [*GROUPS["a"], "b/0.dat", "b/1.dat", "b/2.dat"]]
    shelf.asked.clear()
    shelf.refused = set()
    get()
    assert shelf.asked == [f"/{name}" for name in ["b/2.dat", "b/3.dat", *GROUPS["c"]]]
    assert listed(tmp_path / "raw") == ["a.zip", "b.zip", "c.zip"]


CHILD = """
import sys, pathlib
from pqrst.downloads import Patience, Source
from pqrst.packs import fetch
folder, groups = pathlib.Path(sys.argv[2]), {group: [f"{group}/{number}.dat" for number in range(4)] for group in "abc"}
sums = dict(line.split()[::-1] for line in sys.stdin)
fetch(Source(sys.argv[1], "host"), groups, folder / "raw", folder / "scratch", sums=sums, patience=Patience(workers=1))
"""


def test_a_killed_fetch_goes_on(get, shelf, tmp_path):
    """After SIGKILL in the second group nothing looks whole, and the first is not fetched again."""
    (shelf.folder / "b/2.dat").unlink()
    os.mkfifo(shelf.folder / "b/2.dat")  # opening it lasts until somebody writes
    child = subprocess.Popen([sys.executable, "-c", CHILD, shelf.url, str(tmp_path)], stdin=subprocess.PIPE)
    child.stdin.write("".join(f"{sum_} {name}\n" for name, sum_ in SUMS.items()).encode())
    child.stdin.close()
    kill_once(child, lambda: "/b/2.dat" in shelf.asked)
    with (shelf.folder / "b/2.dat").open("wb"):
        (shelf.folder / "b/2.dat").unlink()
    assert not (tmp_path / "raw").exists()
    (shelf.folder / "b/2.dat").write_bytes(FILES["b/2.dat"])
    shelf.asked.clear()
    get()
    assert shelf.asked == [f"/{name}" for name in ["b/2.dat", "b/3.dat", *GROUPS["c"]]]


def test_a_run_killed_while_it_laid_the_archives_down_loses_none(get, shelf, monkeypatch):
    """The archives stay in scratch until the folder is in place."""

    @contextmanager
    def stopped(folder):
        with files.whole(folder) as partial:
            yield partial
            raise KeyboardInterrupt

    monkeypatch.setattr(packs, "whole", stopped)
    with pytest.raises(KeyboardInterrupt):
        get()
    monkeypatch.undo()
    shelf.asked.clear()
    get()
    assert shelf.asked == []


def half_done(get, shelf, tmp_path):
    """Leave one finished archive in scratch, and give it."""
    shelf.refused = {"/b/0.dat"}
    refused(tmp_path, get, "HTTP 403")
    shelf.refused = set()
    shelf.asked.clear()
    (pack,) = (tmp_path / "scratch/packs").glob("*.zip")
    return pack


@pytest.mark.parametrize("place", [0, 1500, 9000, -10])
def test_a_damaged_archive_is_made_anew(get, shelf, tmp_path, place):
    """A finished archive in scratch is believed only as long as every file in it has its sum."""
    pack = half_done(get, shelf, tmp_path)
    content = bytearray(pack.read_bytes())
    content[place] ^= 1
    pack.write_bytes(content)
    get()
    assert shelf.asked[0] == "/a/0.dat"
    with packs.open_all(tmp_path / "raw") as files:
        assert {name: files.read(name) for name in files.names()} == FILES


def test_an_archive_of_another_edition_is_not_taken(get, shelf, tmp_path):
    """Where a sum has changed since, the group is fetched again."""
    half_done(get, shelf, tmp_path)
    lay(shelf.folder, {"a/1.dat": b"newer"})
    get(sums=SUMS | {"a/1.dat": sha(b"newer")})
    with packs.open_all(tmp_path / "raw") as files:
        assert files.read("a/1.dat") == b"newer"


def test_a_folder_without_sums_is_read_anew(get, shelf, tmp_path):
    """Nothing would tell that a folder's file was replaced since its group was packed."""
    mirror = Source(str(shelf.folder), "mirror")
    (shelf.folder / "b/0.dat").unlink()
    refused(tmp_path, lambda: get(source=mirror, sums={}), "b/0.dat: not found")
    lay(shelf.folder, {"a/1.dat": b"newer", "b/0.dat": FILES["b/0.dat"]})
    assert not get(source=mirror, sums={})["verified"]
    with packs.open_all(tmp_path / "raw") as files:
        assert files.read("a/1.dat") == b"newer"


def test_at_most_one_group_more_lies_on_the_disk(get, tmp_path, monkeypatch):
    """Neither while a group's files are put together, nor while its archive is written, do more than 3 + 1 groups lie there."""
    most, group = [], 4 * 3000

    def measured(act):
        def call(*given):
            result = act(*given)
            folders = [tmp_path / "scratch", tmp_path / "raw", tmp_path / "raw.partial"]
            stats = {
                stat.st_ino: stat.st_size
                for f in folders
                for path in f.rglob("*")
                if (stat := path.stat()).st_nlink and path.is_file()
            }
            most.append(sum(stats.values()))
            return result

        return call

    monkeypatch.setattr(files, "move_into_place", measured(files.move_into_place))
    monkeypatch.setattr(packs, "_write", measured(packs._write))
    get()
    assert len(most) == 7
    assert 3.9 * group < max(most) < 4.3 * group


def test_a_missing_file_is_told_with_what_to_do(get, shelf, tmp_path):
    """The line ends as the caller wishes."""
    (shelf.folder / "b/1.dat").unlink()
    refused(
        tmp_path, lambda: get(missing="set partial to true"), f"{shelf.url}/b/1.dat: not found; set partial to true"
    )


def test_optional_files_may_be_missing_and_are_counted(get, shelf, tmp_path):
    """A group with a gap is packed without it, a group that is not there at all makes no archive."""
    for name in ["b/1.dat", *GROUPS["c"]]:
        (shelf.folder / name).unlink()
    found = get(optional=list(FILES))
    assert (found["files"], found["missing"]) == (7, 5)
    assert listed(tmp_path / "raw") == ["a.zip", "b.zip"]
    with packs.open_all(tmp_path / "raw") as files:
        assert files.names() == [*GROUPS["a"], "b/0.dat", "b/2.dat", "b/3.dat"]


def test_a_source_that_holds_nothing_is_told(get, shelf, tmp_path):
    """All files may be missing, but not all at once."""
    for name in FILES:
        (shelf.folder / name).unlink()
    refused(tmp_path, lambda: get(optional=list(FILES), missing="look there"), "none of 12 files is there; look there")


def test_a_wrong_sum_is_told(get, shelf, tmp_path):
    """A file that is not what its sum says stops the fetch."""
    lay(shelf.folder, {"c/3.dat": b"damaged"})
    refused(tmp_path, get, "c/3.dat: wrong SHA-256, twice")


def test_plain_files_lie_beside_the_archives(get, tmp_path):
    """A table stays a file, and may come from another source than the groups."""
    other = lay(tmp_path / "other", {"table.csv": b"1,2\n", "notes/read.txt": b"me"})
    plain = dict.fromkeys(["table.csv", "notes/read.txt", "notes/none.txt"], Source(str(other), "mirror"))
    found = get(plain=plain, sums=SUMS | {"table.csv": sha(b"1,2\n")}, optional=["notes/none.txt"])
    assert listed(tmp_path / "raw") == ["a.zip", "b.zip", "c.zip", "notes/read.txt", "table.csv"]
    assert (found["files"], found["missing"], found["verified"]) == (14, 1, False)


def test_a_missing_plain_file_is_told_before_anything_is_packed(get, shelf, tmp_path):
    """Tables come first: without them the rest is worth nothing."""
    plain = {"table.csv": Source(shelf.url, "host")}
    refused(
        tmp_path, lambda: get(plain=plain, missing="complete the source"), "table.csv: not found; complete the source"
    )
    assert shelf.asked == ["/table.csv"]


@pytest.mark.parametrize("name", ["../x.dat", "/etc/x.dat", "a/../x.dat", "a\\x.dat", ""])
def test_names_that_lead_out_are_refused(get, shelf, tmp_path, name):
    """Neither a file nor an archive may lie outside its folder."""
    refused(tmp_path, lambda: get(groups={"a": [name]}), "is no name below it")
    refused(tmp_path, lambda: get(groups={name: ["a/0.dat"]}), "is no name below it")
    assert shelf.asked == []


def test_a_mirror_is_never_replaced_by_its_own_download(get, tmp_path):
    """Fetching a folder into itself or above itself is refused before anything is removed."""
    mirror = lay(tmp_path / "mirror/inner")
    for dest in ("mirror", "mirror/inner"):
        refused(tmp_path, lambda dest=dest: get(source=Source(str(mirror), "mirror"), dest=dest), "would replace it")
    assert listed(mirror) == sorted(FILES)


def test_archives_are_copied_to_another_disk(get, tmp_path, monkeypatch):
    """Where a file cannot have a second name, it is copied."""
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "Invalid cross-device link")))
    get()
    assert listed(tmp_path / "raw") == ["a.zip", "b.zip", "c.zip"]
    assert listed(tmp_path / "scratch") == ["packs.lock"]


@pytest.fixture
def packed(get, tmp_path):
    """Give a folder of three archives."""
    get()
    return tmp_path / "raw"


def test_files_are_read_by_their_names(packed):
    """Every file comes back out of the archives, and the list of sums in them is none of theirs."""
    with packs.open_all(packed) as files:
        assert files.names() == sorted(FILES)
        assert {name: files.read(name) for name in FILES} == FILES
        assert "a/0.dat" in files
        assert "SHA256SUMS.txt" not in files


def test_plain_files_are_read_where_no_archive_holds_them(packed):
    """A file that lies in the folder is found; where an archive has one of the same name, the archive's is taken."""
    lay(packed, {"d/0.dat": b"plain", "a/0.dat": b"another"})
    with packs.open_all(packed) as files:
        assert files.names() == sorted([*FILES, "d/0.dat"])
        assert files.read("d/0.dat") == b"plain"
        assert files.read("a/0.dat") == FILES["a/0.dat"]


def test_a_folder_of_plain_files_alone_will_do(tmp_path):
    """Made-up recordings are not packed."""
    with packs.open_all(lay(tmp_path / "plain")) as files:
        assert {name: files.read(name) for name in files.names()} == FILES


@pytest.mark.parametrize("name", ["a/9.dat", "a", "../secret", "/etc/hostname", "a\x00b"])
def test_what_is_not_there_is_not_found(packed, name):
    """Nor is what lies outside the folder."""
    (packed.parent / "secret").write_text("secret")
    with packs.open_all(packed) as files:
        assert name not in files
        with pytest.raises(FileNotFoundError):
            files.read(name)


def test_a_missing_folder_is_told(tmp_path):
    """One line says to download again."""
    with pytest.raises(DataError, match=r"raw is missing; download the database again"):
        packs.open_all(tmp_path / "raw")


def test_an_archive_cut_short_is_told(packed):
    """An archive that lost its end is named, and the others are closed."""
    (packed / "b.zip").write_bytes((packed / "b.zip").read_bytes()[:5000])
    with pytest.raises(DataError, match=r"b\.zip is no whole archive; download the database again"):
        packs.open_all(packed)


def test_a_damaged_file_in_an_archive_is_told(packed):
    """A changed byte breaks the archive's own checksum; the other files are still read."""
    content = bytearray((packed / "b.zip").read_bytes())
    content[content.index(FILES["b/2.dat"]) + 100] ^= 1
    (packed / "b.zip").write_bytes(content)
    with packs.open_all(packed) as files:
        with pytest.raises(DataError, match=r"b\.zip is damaged at b/2\.dat; download the database again"):
            files.read("b/2.dat")
        assert files.read("b/1.dat") == FILES["b/1.dat"]


def read_group(folder, group):
    """Give the files of a group that are there, or the fault that tells why they cannot be read."""
    try:
        with packs.open_all(folder) as files:
            return {name: files.read(name) for name in GROUPS[group] if name in files}
    except DataError as fault:
        return str(fault)


def test_an_archive_with_any_damage_gives_its_files_or_one_line(packed):
    """Whatever bytes change, a file comes out as it was, or is missed, or one line names the archive."""
    whole, draw, faults = (packed / "b.zip").read_bytes(), random.Random(7), 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            content[draw.choice([draw.randrange(len(content)), -draw.randrange(1, 700)])] = draw.randrange(256)
        (packed / "b.zip").write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
        found = read_group(packed, "b")
        if isinstance(found, str):
            faults += 1
            assert "b.zip" in found
            assert "\n" not in found
        else:
            assert found == {name: FILES[name] for name in found}
    assert 200 < faults < 300


def test_recordings_are_packed_by_the_thousand():
    """A folder of 2,001 recordings makes three archives, each folder its own."""
    stems = [*(f"georgia/E{n:05d}" for n in range(2001)), "georgia/g1/E9"]
    groups = packs.by_thousand(stems, ("hea", "mat"))
    assert {name: len(files) for name, files in groups.items()} == {
        "georgia/001": 2000, "georgia/002": 2000, "georgia/003": 2, "georgia/g1/001": 2,
    }  # fmt: skip
    assert groups["georgia/003"] == ["georgia/E02000.hea", "georgia/E02000.mat"]


def test_an_archive_of_packed_files_is_refused(tmp_path):
    """A few bytes that unpack to gigabytes are no archive of recordings; this project stores them as they are."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dat", bytes(10**6))
    with pytest.raises(DataError, match=r"a\.zip holds packed files, where they belong as they are; download"):
        packs.open_all(tmp_path)
