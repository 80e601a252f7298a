"""The run on a GPU, tried at tiny sizes on a CPU: every part ends, and a part that fails or lasts stops no other."""

import subprocess
import sys
import time

import pytest

from tests.gpu import run as gpu_run
from tests.gpu.results import STATUS, Results
from tests.gpu.run import PARTS, ROOT, Part, main


def command(*words) -> list[str]:
    return [sys.executable, "-m", "tests.gpu.run", *map(str, words)]


@pytest.mark.slow
def test_every_part_runs_and_leaves_its_numbers(tmp_path):
    done = subprocess.run(
        command("--tiny", "--out", tmp_path, "--minutes", 60), cwd=ROOT, capture_output=True, text=True
    )
    logs = {path.stem: path.read_text() for path in (tmp_path / "logs").glob("*.log")}
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{logs}"
    rows = Results(tmp_path).rows()
    assert {row["part"]: row[STATUS] for row in rows if STATUS in row} == dict.fromkeys((*PARTS, "prepare"), "complete")
    assert not [row for row in rows if "error" in row]
    scored = [row["network"] for row in rows if row["part"] == "fine_tuning" and "adapted_rand_snemi3d" in row]
    assert scored == ["UNETR, pre-trained", "UNETR, scratch", "U-Net, scratch"]
    losses = {row["network"]: row["held-out loss"] for row in rows if row.get("measured") == "training"}
    assert losses["UNETR, pre-trained"] != losses["UNETR, scratch"]  # the encoder was loaded
    steps = [row for row in rows if row["part"] == "mae_step" and STATUS not in row]
    assert steps[-1]["ratio"] == pytest.approx(steps[0]["samples/s"] / steps[1]["samples/s"])
    assert "| unetr_scratch | complete |" in (tmp_path / "results.md").read_text()


def fails(results, size):
    results.add("fails", value=1)
    raise ValueError("no such thing")


def lasts(results, size):
    results.add("lasts", value=2)
    time.sleep(60)


def ends(results, size):
    results.add("ends", value=3)


def test_a_part_that_fails_or_lasts_stops_no_other(tmp_path, monkeypatch):
    parts = {name: Part(f"test_run:{name}", 60) for name in ("fails", "lasts", "ends")}
    parts["lasts"] = Part("test_run:lasts", 6.0)
    monkeypatch.setattr(gpu_run, "PARTS", parts)
    monkeypatch.setattr(gpu_run, "PRELOADED", ())
    assert gpu_run.run(tmp_path, None, tiny=True, minutes=12, parts=list(parts)) == 2
    rows = Results(tmp_path).rows()
    assert [row["value"] for row in rows if "value" in row] == [1, 2, 3]
    assert [row["error"] for row in rows if "error" in row] == ["ValueError: no such thing"]
    assert [row[STATUS] for row in rows if STATUS in row] == [
        "failed, exit code 1",
        "stopped at its limit of 6 s",
        "complete",
    ]
    assert "ValueError: no such thing" in (tmp_path / "logs" / "fails.log").read_text()


def test_a_part_without_time_is_not_begun(tmp_path):
    assert gpu_run.run(tmp_path, None, tiny=True, minutes=0.0, parts=["tests"]) == 1
    assert Results(tmp_path).rows("tests")[0][STATUS] == "not begun: no time left"


def test_rows_are_kept_when_a_line_was_cut_off(tmp_path):
    results = Results(tmp_path)
    results.add("a", x=1)
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"part": "a", "x"')
    assert results.rows("a") == [{"part": "a", "x": 1}]
    assert results.markdown() == "## a\n\n| x |\n|---|\n| 1 |\n\n"


def test_the_limits_of_the_parts_fit_into_twelve_minutes():
    assert sum(part.seconds for part in PARTS.values()) <= 11 * 60


def test_boxes_share_no_voxel_and_the_known_volume_has_those_of_the_documents():
    from tests.gpu.source import Source  # torch, which the processes of the other tests need not wait for

    assert Source("v", "l", (100, 1024, 1024)).boxes() == {
        "train_box": "0:80,0:1024,0:1024",
        "validation_box": "80:100,0:512,0:512",
        "test_box": "80:100,512:1024,512:1024",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "mae_step,everything"], "no part 'everything'; there are tests, mae_step"),
        (["--volume", "none.h5"], "--volume 'none.h5' is no file"),
    ],
)
def test_wrong_options_are_refused_before_the_first_part(words, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([*words, "--out", str(tmp_path / "new")])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_results_are_not_added_to_those_of_another_run(tmp_path, capsys):
    Results(tmp_path).add("a", x=1)
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path)])
    assert "has results; give another --out" in capsys.readouterr().err
