"""``layerscope attribute``: where in the input did the network see it?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from layerscope.core.console import say
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.progress import Bar
from layerscope.interfaces.cli import options
from layerscope.interfaces.cli.model import Reading, opened
from layerscope.interfaces.cli.output import claim_folder, safe

if TYPE_CHECKING:
    from layerscope.recordings.attribution import Attribution

_STYLES = ("heat", "map", "contour", "top")


def add(commands: Any) -> None:
    """Add the command and its options."""
    parser = options.add_command(
        commands,
        "attribute",
        _run,
        "Draw where in an input the network's answer comes from, and say whether to believe it.",
    )
    options.add_model(parser)
    parser.add_argument("input", nargs="+", metavar="INPUT", help=options.INPUT)
    parser.add_argument(
        "--target",
        metavar="TARGET",
        help="the number of a class, or an address: mixed4:42, mixed4:42@7,7 (default: the class "
        "that the network answers with)",
    )
    parser.add_argument(
        "--method",
        action="append",
        default=[],
        metavar="NAME",
        help="saliency, integrated_gradients, grad_cam, occlusion and so on; may be given again "
        "(default: integrated_gradients, and occlusion where there are no gradients)",
    )
    parser.add_argument(
        "--probability",
        action="store_true",
        help="explain a class's probability (default: its logit, which goes into the softmax)",
    )
    parser.add_argument(
        "--baseline",
        metavar="NAME",
        help="what the input is compared with: zeros (default), mean, blur, noise, or a number",
    )
    parser.add_argument(
        "--steps", type=options.whole, metavar="N", help="of integrated gradients (default: as "
        "many as bring the gap of completeness below 1 %%)"
    )  # fmt: skip
    parser.add_argument(
        "--gamma",
        type=options.number,
        metavar="NUMBER",
        help="of lrp: how much more products count that speak for a layer's value (default: 0)",
    )
    parser.add_argument(
        "--layer", metavar="ADDRESS", help="of Grad-CAM and its kin (default: the last with a map)"
    )
    parser.add_argument(
        "--window", type=options.size, metavar="H,W", help="of occlusion (default: an eighth)"
    )
    parser.add_argument(
        "--stride", type=options.size, metavar="H,W", help="of occlusion (default: half a window)"
    )
    parser.add_argument(
        "--style",
        choices=_STYLES,
        default="heat",
        help="the map over the input (default), alone, as contours, or its strongest tenth",
    )
    parser.add_argument(
        "--strength",
        type=options.amount,
        metavar="S",
        help="of the map over the input, from 0 to 1 (default: 0.75)",
    )
    parser.add_argument(
        "--check", action="store_true", help="run the controls, and write what they say"
    )
    parser.add_argument(
        "--seed", type=options.index, default=0, metavar="N", help="of all that is random"
    )
    parser.add_argument(
        "--words", metavar="FILE", help="what the numbers of words stand for: one on each line"
    )
    options.add_input(parser)
    options.add_batches(parser)
    options.add_classes(parser)
    parser.add_argument(
        "--ground",
        choices=("dark", "light"),
        default="dark",
        help="what pictures stand on (default: dark)",
    )
    parser.add_argument(
        "--reshape", type=options.pair, metavar="H,W", help="show vectors of H×W values as images"
    )
    options.add_output(parser, "layerscope-NAME-attribution")


def _run(args: argparse.Namespace) -> None:
    from layerscope.inputs.classes import classes_of
    from layerscope.instruments.attribution.attribute import attribute, check_methods
    from layerscope.instruments.describe import outline
    from layerscope.views.sheet import sheet

    check_methods(args.method)
    classes = None if args.classes is None else classes_of(args.classes)
    model = opened(args)
    folder = args.out or f"layerscope-{safe(outline(model).name)}-attribution"
    output = claim_folder(folder, force=args.force)
    x = args.input[0] if len(args.input) == 1 else args.input
    with in_one_sentence(), Bar("Making maps"):
        result = attribute(
            model,
            x,
            _target(args.target),
            args.method or None,
            read="probability" if args.probability else "logit",
            baseline=_baseline(args.baseline),
            steps=args.steps,
            gamma=args.gamma,
            layer=args.layer,
            window=args.window,
            stride=args.stride,
            seed=args.seed,
            words=None if args.words is None else options.lines(args.words),
            classes=classes,
            **Reading.of(args).options(),
        )
        if args.check:
            result.check(seed=args.seed)
    panel = sheet(
        result,
        style=args.style,
        strength=args.strength,
        ground=args.ground,
        reshape=args.reshape,
    )
    output.write("maps.png", panel.save)
    output.write("maps.npz", result.save_arrays)
    output.write_text("report.txt", _report(result))
    say(*_report(result).splitlines(), f"Written to {output.path}/")


def _target(text: str | None) -> Any:
    return int(text) if text is not None and text.isdecimal() else text


def _baseline(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _report(result: Attribution) -> str:
    """Return what was made, and what is known of each map, in lines."""
    checked = tuple(f"  {method}: " for method in result.methods)  # which are written below
    lines = [line for line in repr(result).splitlines() if not line.startswith(checked)]
    for sample, target in enumerate(result.targets):
        for method in result.methods:
            words = result.line(method, sample)
            if words:
                name = result.samples[sample] if sample < len(result.samples) else str(sample)
                lines.append(f"{name}, {target}, {method}: {words}")
    return "\n".join(lines) + "\n"
