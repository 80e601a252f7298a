"""The command line: a table of verbs, each loaded only when it is called."""

import difflib
import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from scripts.blockwise import DECODING
from scripts.engines.fork_server import start_fork_server
from scripts.messages import one_line, show_messages
from scripts.tools.command_line.arguments import help_text, parse_arguments

VERBS = {
    "inspect": (
        "scripts.tools.inspect:inspect",
        "describe a volume: shape, voxel size, section statistics, contact sheet",
    ),
    "synthesize": ("scripts.tools.synthesize:synthesize", "make a synthetic EM volume with instance labels"),
    "augmentations": ("scripts.tools.augmentations:augmentations", "draw what each augmentation does to a crop"),
    "fetch": ("scripts.tools.fetch:fetch", "download a public data set and convert it to a chunked file"),
    "refresh": ("scripts.tools.refresh:refresh", "take the averages of a network's batch norm anew on another volume"),
    "decode": ("scripts.tools.decode:decode", "turn affinities or probabilities into instances"),
    "tune": ("scripts.tools.tune:tune", "search a decoder's thresholds on a validation box"),
    "score": ("scripts.tools.score:score", "score a segmentation against ground truth"),
    "compare": ("scripts.tools.compare:compare", "print the headline scores of several evaluations side by side"),
    "experiment": ("scripts.tools.experiment:experiment", "compare conditions over several seeds by a grid of runs"),
    "report": ("scripts.tools.report:report", "show finished runs on one page: curves, pictures, scores, commands"),
    "export_labels": ("scripts.tools.export_labels:export_labels", "write corrected instances as labels to train on"),
    "convert": ("scripts.tools.convert:convert", "write a volume in a format that a viewer opens"),
    "view": ("scripts.tools.view:view", "show image, prediction, instances and the worst errors in the browser"),
    "serve": ("scripts.tools.serve:serve", "serve the files of a folder to a viewer in a browser"),
    "package": ("scripts.tools.package:package", "make a folder and a zip of a bundle, for the model zoo"),
    "doctor": ("scripts.tools.doctor:doctor", "check that everything the project needs is installed and works"),
}
"""Verb -> (module:function, one line for the list)."""
FORKED = {"decode": DECODING}
"""Verb -> modules that its workers import. They begin before this process imports the verb, which takes as long."""
OUTPUT_CLOSED = 141
"""Exit code where the program that reads our output has ended, as in a shell: 128 + SIGPIPE."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb. Errors that the user can fix are one line and exit code 2; `--debug` shows the trace."""
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
        if verb in FORKED and _has_workers(words):
            start_fork_server(FORKED[verb])
        function = _load(verb)
        if {"--help", "-h"} & set(words[1:]):
            print(help_text(verb, function))
            return
        show_messages()
        more, given = parse_arguments(verb, function, words[1:])
        result = function(*more, **given)
        if result is not None:
            print(result)
        sys.stdout.flush()
    except BrokenPipeError:  # a program that reads our output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(OUTPUT_CLOSED) from None
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        if debug:
            raise
        _stop(_message(error))
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


def _has_workers(words: Sequence[str]) -> bool:
    """Whether --workers asks for two or more; what else it may be is refused later."""
    values = [value for word, value in zip(words, [*words[1:], ""], strict=True) if word == "--workers"]
    values += [word.removeprefix("--workers=") for word in words if word.startswith("--workers=")]
    return any(value.isdecimal() and int(value) > 1 for value in values)


def _load(verb: str) -> Callable[..., object]:
    module, function = VERBS[verb][0].split(":")
    loaded: Callable[..., object] = getattr(importlib.import_module(module), function)
    return loaded


def _message(error: Exception) -> str:
    """The error's own message; for one of the system, what failed, where, and the remedy."""
    if isinstance(error, MemoryError):
        return f"not enough memory ({error or 'no size given'}); read a smaller --box"
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    place = f"'{error.filename}': " if error.filename else ""
    remedy = "; make space, or write elsewhere" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"{place}{error.strerror}{'' if remedy and 'make space' in str(error) else remedy}"


def _stop(message: str) -> None:
    print(f"error: {one_line(message)}", file=sys.stderr)
    raise SystemExit(2)
