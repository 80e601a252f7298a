"""The command line: a table of verbs, each loaded only when it is called."""

import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence

import fire

from scripts.tools.argument_errors import argument_error, help_text

VERBS = {
    "inspect": (
        "scripts.tools.inspect:inspect",
        "look at a volume: shape, voxel size, section statistics, contact sheet",
    ),
    "synthesize": ("scripts.tools.synthesize:synthesize", "make a synthetic EM volume with instance labels"),
    "augmentations": ("scripts.tools.augmentations:augmentations", "draw what each augmentation does to a crop"),
    "fetch": ("scripts.tools.fetch:fetch", "download a public data set and convert it to a chunked file"),
    "decode": ("scripts.tools.decode:decode", "turn affinities or probabilities into instances"),
    "tune": ("scripts.tools.tune:tune", "search a decoder's thresholds on a validation box"),
    "score": ("scripts.tools.score:score", "score a segmentation against ground truth"),
    "report": ("scripts.tools.report:report", "show finished runs on one page: curves, pictures, scores, commands"),
    "export_labels": ("scripts.tools.export_labels:export_labels", "write corrected instances as labels to train on"),
    "convert": ("scripts.tools.convert:convert", "write a volume in a format that a viewer opens"),
    "view": ("scripts.tools.view:view", "show image, prediction, instances and the worst errors in the browser"),
    "serve": ("scripts.tools.serve:serve", "give the files of a folder to a viewer in a browser"),
    "package": ("scripts.tools.package:package", "make a folder and a zip of a bundle, for the model zoo"),
    "doctor": ("scripts.tools.doctor:doctor", "look whether everything is here that the project needs, and works"),
}
"""Verb -> (module:function, one line for the list)."""
READER_LEFT = 141
"""Exit code where the reader of our output has gone, as the shell has it: 128 + SIGPIPE."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb. Errors the user can mend are one line and exit code 2; `--debug` shows the trace."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in ("-h", "--help", "help"):
        print(_listing())
        return
    verb = words[0]
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        _stop(f"unknown verb '{verb}'; {hint}there are: {', '.join(VERBS)}")
    try:
        function = _load(verb)
        if {"--help", "-h"} & set(words[1:]):
            print(help_text(verb, function))
            return
        wrong = argument_error(verb, function, words[1:])
        if wrong is not None:
            _stop(wrong)
        fire.Fire(function, command=words[1:], name=f"python -m scripts {verb}")
        sys.stdout.flush()
    except BrokenPipeError:  # who reads our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(READER_LEFT) from None
    except (ValueError, TypeError, OSError, ImportError) as error:
        if debug:
            raise
        _stop(str(error))
    except KeyboardInterrupt:
        if debug:
            raise
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None


def _listing() -> str:
    width = max(map(len, VERBS))
    lines = ["usage: python -m scripts VERB [options]", ""]
    lines += [f"  {verb:<{width}}  {line}" for verb, (_, line) in VERBS.items()]
    lines += ["", "`python -m scripts VERB --help` shows the options of a verb and an example."]
    return "\n".join(lines)


def _load(verb: str) -> Callable[..., object]:
    module, function = VERBS[verb][0].split(":")
    loaded: Callable[..., object] = getattr(importlib.import_module(module), function)
    return loaded


def _stop(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)
