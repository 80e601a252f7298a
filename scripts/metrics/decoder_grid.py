"""Search for the best setting of a decoder on a validation box: whole table, ties by rule, resumable, parallel."""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.data.files.replacing import full_disk_reported, replacing
from scripts.ops.box import Box

Setting = Mapping[str, Any]
Scores = Mapping[str, float]


@dataclass(frozen=True)
class SearchTable:
    """All settings in the order they were given, with their scores.

    Attributes:
        settings: as given.
        scores: one mapping of metric -> number for each.
        metric: the one that decides.
        lower_is_better: how it decides.
    """

    settings: tuple[Setting, ...]
    scores: tuple[Scores, ...]
    metric: str
    lower_is_better: bool

    @property
    def best(self) -> int:
        """Position of the best setting; of equal ones the first given. A score that is not a number is the worst."""
        sign = 1 if self.lower_is_better else -1
        ranked = [sign * scores[self.metric] for scores in self.scores]
        return min(
            range(len(ranked)), key=lambda i: (ranked[i] != ranked[i], ranked[i] if ranked[i] == ranked[i] else 0, i)
        )

    def markdown(self) -> str:
        """The whole table; the best row is marked."""
        names, metrics = list(self.settings[0]), list(self.scores[0])
        direction = "lower" if self.lower_is_better else "higher"
        lines = [
            f"Decided by {self.metric}, {direction} is better; of equal rows the first is taken.",
            "",
            "| " + " | ".join([*names, *metrics, "best"]) + " |",
            "|" + " --- |" * (len(names) + len(metrics) + 1),
        ]
        for i, (setting, scores) in enumerate(zip(self.settings, self.scores, strict=True)):
            cells = [str(setting[name]) for name in names] + [f"{scores[metric]:.6g}" for metric in metrics]
            lines.append("| " + " | ".join([*cells, "<-" if i == self.best else ""]) + " |")
        return "\n".join(lines) + "\n"

    def plot(self, path: str | Path) -> None:
        """Draw the deciding metric over each setting that was varied, all other settings as dots, to a PNG."""
        from matplotlib.figure import Figure

        varied = [name for name in self.settings[0] if len({json.dumps(s[name]) for s in self.settings}) > 1]
        figure = Figure(figsize=(4 * max(1, len(varied)), 3.2), layout="constrained")
        panels = figure.subplots(1, max(1, len(varied)), squeeze=False)[0]
        for axes, name in zip(panels, varied or ["setting"], strict=True):
            places = [str(setting.get(name, "")) for setting in self.settings]
            order = list(dict.fromkeys(places))
            heights = [scores[self.metric] for scores in self.scores]
            axes.plot([order.index(place) for place in places], heights, "o", alpha=0.5)
            axes.plot(order.index(places[self.best]), heights[self.best], "*", markersize=14, color="black")
            axes.set_xticks(range(len(order)), order)
            axes.set_xlabel(name)
            axes.set_ylabel(self.metric)
        with replacing(path, overwrite=True) as partial:
            figure.savefig(partial, dpi=100, format="png")


def grid(choices: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination, the last name varying fastest: {'low': [.1, .2], 'high': [.9]} -> 2 settings.

    Raises:
        ValueError: nothing to choose from.
    """
    empty = [name for name, values in choices.items() if len(values) == 0]
    if not choices or empty:
        raise ValueError(f"no values for {empty or 'any setting'}; give at least one each")
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


def check_boxes(validation: Box, test: Box | None) -> None:
    """Raise ValueError, naming both, when the box to search on shares a voxel with the box kept for testing."""
    if test is None:
        return
    ends = zip(validation.start, validation.stop, test.start, test.stop, strict=True)
    if all(max(a, c) < min(b, d) for a, b, c, d in ends):
        raise ValueError(f"the search box {validation} shares voxels with the test box {test}, which it must not see")


def search(
    settings: Sequence[Setting],
    score: Callable[[Setting], Scores],
    metric: str,
    *,
    lower_is_better: bool,
    record: str | Path | None = None,
    subject: str = "",
    spread: Callable[[Sequence[Setting]], Iterable[tuple[int, Scores]]] | None = None,
) -> SearchTable:
    """Score every setting once.

    The table does not depend on who scores, nor on how often the search was broken off and resumed.

    Args:
        settings: what to try; plain JSON values.
        score: setting -> metrics; pure: it decodes the validation box and scores it.
        metric: which of its metrics decides.
        lower_is_better: True for errors, False for accuracies.
        record: a JSON-lines file; every finished setting is added, and read back instead of being scored again.
        subject: what is decoded and scored (files, box, decoder); a record of another subject is refused.
        spread: settings -> (place among them, scores) of each, in any order; in place of `score`, to score several at a
            time. By default one after the other.

    Raises:
        ValueError: no settings, a setting given twice, an unknown metric, a record of another subject.
    """
    keys = [_key(setting) for setting in settings]
    if not keys or len(set(keys)) < len(keys):
        raise ValueError(f"{len(keys)} settings, {len(set(keys))} of them different; give at least one, each once")
    path = None if record is None else Path(record)
    done = _read(path, subject)
    waiting = [i for i, key in enumerate(keys) if key not in done]
    left = [settings[i] for i in waiting]
    for place, scores in (enumerate(map(score, left)) if spread is None else spread(left)) if left else ():
        i = waiting[place]
        if metric not in scores:
            raise ValueError(f"the score has no metric '{metric}'; it has: {', '.join(scores)}")
        done[keys[i]] = {name: float(value) for name, value in scores.items()}
        if path is not None:
            remedy = "The same command resumes with the settings that are recorded"
            with full_disk_reported(path, remedy), path.open("a") as lines:
                lines.write(json.dumps({"subject": subject, "setting": settings[i], "scores": done[keys[i]]}) + "\n")
    if any(metric not in done[key] for key in keys):
        raise ValueError(f"the record {path} has no metric '{metric}'; it has: {', '.join(done[keys[0]])}")
    return SearchTable(tuple(settings), tuple(done[key] for key in keys), metric, lower_is_better)


def _key(setting: Setting) -> str:
    return json.dumps(setting, sort_keys=True)


def _read(path: Path | None, subject: str) -> dict[str, Scores]:
    """Finished settings; a last line cut short by a stop is dropped."""
    if path is None or not path.exists():
        return {}
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    done: dict[str, Scores] = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            entry = json.loads(line)
            found, key, scores = entry["subject"], _key(entry["setting"]), entry["scores"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}, is no record of a search: {line[:60]!r}; remove it") from error
        if found != subject:
            raise ValueError(f"{path} records the search of '{found}', not of '{subject}'; choose another file")
        done[key] = scores
    return done
