"""Write an evaluator's scores as scores.json and scores.md."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events

from scripts.metrics.decoder_search import DecoderSearch
from scripts.metrics.score_report import as_json, markdown_table, named_scores, write_reports


class ScoreTable:
    """Write the numeric metrics of an evaluator with their definitions after each run; the first process writes.

    The files of an earlier run of the same evaluator are replaced: they have the latest scores, with their epoch.

    Args:
        output_dir: folder of the two files; made where it is missing.
        name: file name without ending.
        metrics: names to write; None writes every metric that is a number.
        decoder_search: a metric of the engine that decodes; its scores are written as it defines them, with its
            decoder.
        metadata: values by name, such as volume, box and checkpoint; also written above the table.

    Raises:
        ValueError: a name that is not among the engine's metrics when it has run.

    Example::

        ScoreTable("runs/a/evaluation", decoder_search=decoder_search).attach(evaluator)
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        name: str = "scores",
        metrics: Sequence[str] | None = None,
        decoder_search: DecoderSearch | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(output_dir) / f"{name}.json"
        self.metrics, self.decoder_search, self.metadata = metrics, decoder_search, dict(metadata or {})

    def attach(self, engine: Engine) -> None:
        """Write when the evaluator completes."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        values = engine.state.metrics
        missing = [name for name in self.metrics or () if name not in values]
        if missing:
            raise ValueError(f"metric '{missing[0]}' was not computed; there are: {', '.join(values) or 'none'}")
        if idist.get_rank() != 0:
            return
        wanted = (
            self.metrics if self.metrics is not None else [k for k, v in values.items() if isinstance(v, (int, float))]
        )
        found = {name: values[name] for name in wanted}
        metadata = {**self.metadata, "epoch": engine.state.epoch, "iterations": engine.state.iteration}
        if self.decoder_search is None:
            scores = named_scores(found)
        else:
            scores, metadata["decoder"] = self.decoder_search.described(found), self.decoder_search.chosen
        heading = "".join(f"{name}: {value}  \n" for name, value in self.metadata.items())
        write_reports(self.path, f"{heading}\n{markdown_table(scores)}\n".lstrip(), as_json(scores, metadata))
