"""One series from a real PACS to a volume in Hounsfield units: wall, CPU and memory, raw, JPEG-LS and JPEG 2000.

Each measurement is a process of its own, so that its peak memory is its own. Beside it, in turns, the least that any
client must do on the same bytes: read the whole answer, cut it at the delimiter, decode in threads, stack.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if TYPE_CHECKING:
    from rich.progress import Progress

SLICES, SIZE, THREADS = 200, 512, 2
SHARE = 1.3
# seconds that a prototype of this pipeline took, 2 threads on a quiet machine of two processors
PROTOTYPE_S = {"raw": 0.30, "JPEG-LS": 0.76, "JPEG 2000": 3.35}
MEMORY = 3.0
STUDY = "1.2.826.0.1.3680043.10.9"


def run(folder: Path, progress: Progress, *, quick: bool) -> Any:
    sys.path.append(str(ROOT / "tests" / "plugins"))
    from orthanc import Orthanc
    from results import Section

    rounds = 1 if quick else 5
    section = Section(
        "imaging-fetch",
        "One CT series from the PACS to a volume",
        f"{SLICES} x {SIZE} x {SIZE} generated slices with noise as a CT has it, in Orthanc on this machine; one "
        f"WADO-RS GET, {THREADS} decoding threads, to int16 HU with its affine; median of {rounds} processes in turn. "
        "`least`: the same bytes read whole, cut, decoded in as many threads and stacked, without checks, limits or "
        f"geometry. Asked: {SHARE} times the seconds of a prototype on a quiet machine, and peak memory of the process "
        f"at most {MEMORY:g} volumes above what it had before.",
    )
    task = progress.add_task("imaging-fetch", total=3 * (1 + 2 * rounds))
    (folder / "pacs").mkdir()
    pacs = Orthanc(folder / "pacs")
    pacs.start()
    try:
        for number, name in enumerate(PROTOTYPE_S, start=1):
            stored = _stored(name, number)
            size = sum(map(len, stored)) / 1e6
            pacs.store(stored)
            del stored
            progress.advance(task)
            found: dict[str, list[dict[str, float]]] = {"ours": [], "least": []}
            for _ in range(rounds):
                for way, values in found.items():
                    values.append(_measured(way, pacs, number))
                    progress.advance(task)
            _report(section, name, size, found)
    finally:
        pacs.kill()
    return section


def _report(section: Any, name: str, size: float, found: dict[str, list[dict[str, float]]]) -> None:
    middle = {
        way: {key: statistics.median(value[key] for value in values) for key in values[0]}
        for way, values in found.items()
    }
    ours, least = middle["ours"], middle["least"]
    section.add(f"{name}: wall", ours["wall_s"], "s", bar=round(SHARE * PROTOTYPE_S[name], 3))
    section.add(f"{name}: wall, ours / least", ours["wall_s"] / least["wall_s"], "×", bar=SHARE)
    section.add(f"{name}: CPU, ours / least", ours["cpu_s"] / least["cpu_s"], "×", bar=SHARE)
    section.add(f"{name}: peak memory", ours["peak_volumes"], "volumes", bar=MEMORY)
    section.raw += [
        f"{name:10} {size:6.1f} MB  {way:6} wall {m['wall_s']:.2f} s  CPU {m['cpu_s']:.2f} s  "
        f"peak {m['peak_volumes']:.2f} volumes"
        for way, m in middle.items()
    ]


def _stored(name: str, number: int) -> list[bytes]:
    """The series' instances as the PACS keeps them."""
    from ct_series import compressed, phantom, slices_of, stored
    from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

    body = phantom(8, SIZE, noise=0).astype(np.float32)
    rng = np.random.default_rng(number)
    syntax = {"JPEG-LS": JPEGLSLossless, "JPEG 2000": JPEG2000Lossless}.get(name)
    series, out = f"{STUDY}.{number}", []
    for at in range(SLICES):
        one = body[at * len(body) // SLICES] + _noise(rng)
        hu = np.clip(np.rint(one), -1024, 3071).astype(np.int16)[None]
        place = [[-200.0, -200.0, float(at)]]
        (ds,) = slices_of(hu, spacing=(1.0, 0.78, 0.78), positions=place, study_uid=STUDY, series_uid=series)
        out.append(stored(compressed(ds, syntax) if syntax else ds))
    return out


def _noise(rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Noise of a soft kernel: 18 HU, neighbours alike, so that compression gains what it gains on patients."""
    white = rng.normal(0, 1, (SIZE, SIZE)).astype(np.float32)
    for axis in (0, 1):
        white = 0.5 * white + 0.25 * (np.roll(white, 1, axis) + np.roll(white, -1, axis))
    return white * (18 / white.std())


def _measured(way: str, pacs: Any, number: int) -> dict[str, float]:
    command = [sys.executable, __file__, way, pacs.base, pacs.user, pacs.password, STUDY, f"{STUDY}.{number}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure() -> None:
    """In the process of its own: one fetch, its figures as JSON."""
    parser = argparse.ArgumentParser()
    for name in ("way", "base", "user", "password", "study", "series"):
        parser.add_argument(name)
    given = parser.parse_args()
    fetch = {"ours": _ours, "least": _least}[given.way](given)
    before, begin, cpu = _peak_bytes(), time.perf_counter(), time.process_time()
    hu = fetch()
    wall, spent = time.perf_counter() - begin, time.process_time() - cpu
    assert hu.shape == (SLICES, SIZE, SIZE)
    figures = {"wall_s": wall, "cpu_s": spent, "peak_volumes": (_peak_bytes() - before) / hu.nbytes}
    sys.stdout.write(json.dumps(figures))


def _ours(given: argparse.Namespace) -> Any:
    from cds.imaging.codecs import codecs
    from cds.imaging.dicomweb import DicomWeb
    from cds.imaging.fetch import fetch_series
    from cds.imaging.pacs import Pacs
    from cds.imaging.stacks import stacks
    from cds.imaging.volume import build

    for name in ("jpegls_decode", "jpeg2k_decode"):
        getattr(codecs(), name)  # a worker has them loaded
    web = DicomWeb(Pacs(given.base, (given.base,), user=given.user, password=given.password))

    def fetch() -> Any:
        (stack,) = stacks(fetch_series(web, given.study, given.series, threads=THREADS).slices)
        return build(stack).hu

    return fetch


def _least(given: argparse.Namespace) -> Any:
    import io

    import imagecodecs
    import urllib3
    from pydicom import dcmread
    from pydicom.encaps import generate_frames

    for name in ("jpegls_decode", "jpeg2k_decode"):
        getattr(imagecodecs, name)
    headers = urllib3.make_headers(basic_auth=f"{given.user}:{given.password}")
    headers["Accept"] = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    pool = urllib3.PoolManager()
    tags = ["ImagePositionPatient", "Rows", "Columns", "RescaleIntercept", "PixelData"]

    def one(part: memoryview) -> tuple[float, Any]:
        ds = dcmread(io.BytesIO(part), specific_tags=tags)
        syntax = ds.file_meta.TransferSyntaxUID
        if syntax.is_compressed:
            decode = imagecodecs.jpegls_decode if syntax.endswith(".80") else imagecodecs.jpeg2k_decode
            values = decode(next(generate_frames(ds.PixelData, number_of_frames=1)))
        else:
            values = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns)
        return float(ds.ImagePositionPatient[2]), values.astype(np.int16) + np.int16(ds.RescaleIntercept)

    def fetch() -> Any:
        url = f"{given.base}/studies/{given.study}/series/{given.series}"
        answer = pool.request("GET", url, headers=headers)
        boundary = answer.headers["Content-Type"].partition("boundary=")[2].partition(";")[0].strip('"').encode()
        parts = []
        for piece in answer.data.split(b"\r\n--" + boundary)[:-1]:
            parts.append(memoryview(piece)[piece.index(b"\r\n\r\n") + 4 :])
        with ThreadPoolExecutor(THREADS) as threads:
            slices = sorted(threads.map(one, parts), key=lambda pair: pair[0])
        return np.stack([hu for _, hu in slices])

    return fetch


def _peak_bytes() -> int:
    """Of this program: getrusage would count what the parent had before it started us."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM in /proc/self/status")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # a checkout that is not installed works as well
    measure()
