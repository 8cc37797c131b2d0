"""The PMTiles file that the pages' maps are drawn on, as browsers read it: in parts."""

from pathlib import Path

import pytest

import web
from gateway.http.ground import MAGIC, PART_BYTES_MAX, PATH, Ground, GroundError
from tests.contract.http.conftest import Site, problem
from tests.contract.http.test_pages import POLICY, styled

SIZE = PART_BYTES_MAX + 100


@pytest.fixture
def path(tmp_path: Path) -> str:
    """One that is larger than what is told at once."""
    file = tmp_path / "city.pmtiles"
    file.write_bytes((MAGIC + bytes(range(256)) * (SIZE // 256 + 1))[:SIZE])
    return str(file)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-7", 0, 7),
        ("Bytes=8-8", 8, 8),
        ("bytes=100-", 100, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1),
        (f"bytes={SIZE - 1}-{SIZE + 50}", SIZE - 1, SIZE - 1),
        # Of what is longer than an answer, the beginning.
        ("bytes=0-", 0, PART_BYTES_MAX - 1),
        (f"bytes=1-{10**17}", 1, PART_BYTES_MAX),
        (f"bytes=-{10**17}", 0, PART_BYTES_MAX - 1),
    ],
)
async def test_a_range_is_told(path: str, asked: str, first: int, last: int) -> None:
    answer = await styled(PATH, path, Range=asked)
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.content == Path(path).read_bytes()[first : last + 1]
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={10**17}-", "bytes=-0"])
async def test_what_is_behind_its_end_is_416(path: str, asked: str) -> None:
    answer = await styled(PATH, path, Range=asked)
    problem(answer, 416, "invalid_data")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "asked",
    [
        *("", "bytes=", "bytes=-", "bytes=9-8", "bytes=a-b", "bytes=0-1,4-5"),
        *("lines=0-1", "bytes=0-" + "9" * 5000),
    ],
)
async def test_without_a_range_that_can_be_read_a_large_one_is_422(
    path: str, asked: str
) -> None:
    headers = {"Range": asked} if asked else {}
    problem(await styled(PATH, path, **headers), 422, "invalid_data")


async def test_a_small_one_is_told_whole(tmp_path: Path) -> None:
    file = tmp_path / "small.pmtiles"
    file.write_bytes(MAGIC + b"and more")
    answer = await styled(PATH, str(file))
    assert (answer.status_code, answer.content) == (200, MAGIC + b"and more")


async def test_what_a_browser_has_is_not_sent_again_unless_it_changed(
    path: str,
) -> None:
    first = await styled(PATH, path, Range="bytes=0-7")
    etag = first.headers["etag"]
    again = await styled(PATH, path, Range="bytes=0-7", **{"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    same = await styled(PATH, path, Range="bytes=0-7", **{"If-Range": etag})
    assert same.status_code == 206
    Path(path).write_bytes(MAGIC)
    other = await styled(PATH, path, Range="bytes=0-1", **{"If-Range": etag})
    assert (other.status_code, other.content) == (200, MAGIC)
    assert other.headers["etag"] != etag


@pytest.mark.parametrize("page", ["/rider", "/driver", "/ops"])
async def test_pages_draw_it_and_may_fetch_from_their_own_origin_alone(
    path: str, page: str
) -> None:
    answer = await styled(page, path)
    assert f'<meta name="map-style" content="{PATH}">' in answer.text
    assert path not in answer.text
    usual = web.policy().replace("trusted-types shell", "trusted-types shell default")
    assert answer.headers[POLICY] == usual


async def test_where_there_is_none_nothing_is_there(site: Site) -> None:
    problem(await site.client.get(PATH), 404, "unknown_type")
    elsewhere = await styled(PATH, "https://tiles.example/city.pmtiles")
    problem(elsewhere, 404, "unknown_type")


@pytest.mark.parametrize("content", [b"", b"PMTiles", b"PMTiles\x02", b"SQLite format"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other.pmtiles"
    file.write_bytes(content)
    with pytest.raises(GroundError, match="no PMTiles file of version 3"):
        Ground(str(file))
    with pytest.raises(GroundError, match="No such file"):
        Ground(str(tmp_path / "none.pmtiles"))
    with pytest.raises(GroundError):
        Ground(str(tmp_path))
