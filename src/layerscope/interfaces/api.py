"""Python: what takes a model and gives a picture, by an instrument and a view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.core.network import Network
    from layerscope.recordings.recording import Recording
    from layerscope.recordings.run import Run
    from layerscope.recordings.survey.survey import Survey
    from layerscope.recordings.visualization import FeatureVisualization
    from layerscope.views.render.panel import Panel


def diagram(
    model: Any,
    acts: Recording | None = None,
    *,
    style: str = "vertical",
    depth: int | None = None,
    expand: str | Iterable[str] = (),
    collapse: bool | None = None,
    show_shapes: bool = True,
    show_layer_names: bool = True,
    unit: int | None = None,
    sample: int | str = 0,
    step: int | None = None,
    scale: Any = None,
    palette: str | None = None,
    ground: str | None = None,
    wrap: int | None = None,
    reshape: tuple[int, ...] | None = None,
) -> Panel:
    """Draw the architecture of a model; with activations, the poster of their passage.

    Every box is a layer, with the normalisation and activation that follow it; every line is a
    value on its way. Blocks, by nesting, by name or by where paths meet again, are framed; alike
    ones that follow one another are drawn once, marked ``× 12``. ``save`` writes ``.svg``,
    ``.png`` or ``.pdf``.

    Parameters
    ----------
    model
        A model, or the :class:`Network` that ``describe`` returned; or what ``compare`` returned:
        then each box of the one carries the difference, and how large it is.
    acts
        Activations of this model: each box carries one of its maps.
    style
        ``"vertical"``, ``"horizontal"``, or ``"volume"``: boxes in proportion to height, width and
        channels, for networks that convolve.
    depth
        How many levels of blocks to open; those below are single boxes. By default all, as long as
        that is at most 260 boxes.
    expand
        Names or globs of blocks to open and to draw one by one, whatever ``depth`` says.
    collapse
        Whether to draw repeated blocks once; by default where there are no activations to show.
    show_shapes, show_layer_names
        Whether boxes tell the shape of what they return, in the framework's own layout, and the
        names of their layers.
    unit, sample, step
        Which channel to show, by default the one that varies most; of which sample, at which step.
    scale, palette
        As in :func:`layerscope.sheet`.
    ground
        ``"light"`` (default) or ``"dark"``.
    wrap
        In how many columns to draw it, of a horizontal one and of volumes in how many rows; 1 for
        none. By default a picture that is long, and more than twice as long as wide, takes as many
        as it needs to be less.
    reshape
        ``(height, width)`` of vectors, and of tokens, that are images.

    Raises
    ------
    ModelError
        When it is no model that layerscope knows.
    ViewError
        When an option is none that can be drawn, or the model does not know its own order of
        execution (PyTorch): then pass activations, or ``describe(model, x)``.
    """
    from layerscope.core.errors import ViewError
    from layerscope.core.network import Network
    from layerscope.core.table import a_kind
    from layerscope.instruments.describe import describe, outline
    from layerscope.recordings.comparison import Comparison
    from layerscope.recordings.recording import Recording
    from layerscope.views.diagram import diagram as draw

    if isinstance(model, Comparison):
        from layerscope.views.difference_diagram import difference_diagram

        return difference_diagram(
            model,
            style=style,
            depth=depth,
            expand=expand,
            show_shapes=show_shapes,
            show_layer_names=show_layer_names,
            unit=unit,
            sample=sample,
            ground=ground,
            wrap=wrap,
            reshape=reshape,
        )
    if isinstance(acts, Recording):
        network = acts.network
        theirs = model if isinstance(model, Network) else outline(model)
        if _shapes(theirs) != _shapes(network):
            raise ViewError(
                f"These activations are those of {network.name!r}, which has other parameters than "
                f"{theirs.name!r}: pass activations of the same model."
            )
    elif acts is not None:
        raise ViewError(
            f"diagram takes activations, and this is {a_kind(acts)}: pass what "
            "activations(model, x) returned."
        )
    elif isinstance(model, Recording):
        raise ViewError(
            "diagram takes a model first, and this is a recording: pass diagram(model, recording), "
            "with step= where it has steps."
        )
    else:
        network = model if isinstance(model, Network) else describe(model)
    return draw(
        network,
        acts,
        style=style,
        depth=depth,
        expand=expand,
        collapse=collapse,
        show_shapes=show_shapes,
        show_layer_names=show_layer_names,
        unit=unit,
        sample=sample,
        step=step,
        scale=scale,
        palette=palette,
        ground=ground,
        wrap=wrap,
        reshape=reshape,
    )


def examples(
    survey: Survey,
    address: str,
    *,
    which: str = "top",
    n: int = 9,
    columns: int | None = None,
    crop: bool | None = None,
    model: Any = None,
    preprocess: Callable[[Any], Any] | str | None = None,
    words: Mapping[int, str] | Sequence[str] | None = None,
    reshape: tuple[int, int] | None = None,
    ground: str | None = None,
) -> Panel:
    """Draw what a unit fired for: samples of a survey, each where the unit fired most.

    An image is cut to the unit's receptive field at that place, and a little around it, dimmed; of
    a signal that stretch is shaded, of a text those words. Where the unit is computed from the
    whole input, the cell of its map is marked. Above each stand the value, the sample's name and
    its label.

    Parameters
    ----------
    survey
        What :func:`survey` or :func:`open_recording` returned. Samples that were files are read
        again.
    address
        A unit, ``"mixed4:42"``.
    which
        ``"top"``, the strongest; ``"weak"``, the weakest; or ``"drawn"``, evenly over the unit's
        quantiles, from high to low: the strongest alone mislead.
    n
        How many at most.
    columns
        How many to a row.
    crop
        Whether to cut samples to the field; by default where no model is given.
    model
        The model that was surveyed: it is run on these samples, and the unit's map laid over them.
    preprocess
        What images went through, where the survey does not hold it.
    words
        What tokens stand for: a list, or a dict by their numbers.
    reshape
        ``(height, width)`` of vectors that are images.
    ground
        ``"dark"`` (default) or ``"light"``.

    Raises
    ------
    AddressError
        When the survey has no such unit.
    InputError
        When ``model`` is another than the one surveyed.
    ViewError
        When it is no survey, or an option is none that can be drawn.
    """
    from layerscope.views.render.defaults import ground_or
    from layerscope.views.survey.examples import examples_panel
    from layerscope.views.survey.gallery import Gallery, check_survey, check_which

    check_survey(survey)
    n = check_which(which, n)
    maps = None
    if model is not None:
        from layerscope.instruments.survey.example_maps import example_maps

        shown = Gallery(survey).examples(address, which, n)
        maps = example_maps(model, survey, address, shown, preprocess=preprocess)
    return examples_panel(
        survey,
        address,
        which=which,
        n=n,
        columns=columns,
        crop=crop,
        maps=maps,
        words=words,
        reshape=reshape,
        ground=ground_or(ground),
    )


def card(
    survey: Survey,
    address: str,
    *,
    model: Any = None,
    run: Run | None = None,
    features: FeatureVisualization | bool | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
    words: Mapping[int, str] | Sequence[str] | None = None,
    reshape: tuple[int, int] | None = None,
    ground: str | None = None,
) -> Panel:
    """Draw all that is known of a unit on one picture.

    Its strongest samples, some drawn evenly over its quantiles and its weakest; how its values are
    distributed, and which labels it prefers. With the model its kernel, what drives it on its
    strongest sample and who listens to it, and an image that is made for it; with a recording of
    the training its map over time, and what became of it.

    Parameters
    ----------
    survey
        What :func:`survey` or :func:`open_recording` returned.
    address
        A unit, ``"mixed4:42"``.
    model
        The model that was surveyed.
    run
        A recording of its training: what :func:`open_recording` returned.
    features
        Images that were made for units; by default one is made where there is a model through
        which gradients flow. False makes none.
    preprocess, words, reshape
        As in :func:`examples`.
    ground
        ``"light"`` (default) or ``"dark"``.

    Raises
    ------
    AddressError
        When the survey has no such unit.
    InputError
        When ``model`` is another than the one surveyed.
    ViewError
        When it is no survey.
    """
    from layerscope.views.survey.card import Beside, card_panel
    from layerscope.views.survey.gallery import check_survey

    check_survey(survey)
    beside = Beside(run=run)
    if model is not None:
        from layerscope.instruments.survey.unit_evidence import unit_evidence

        evidence = unit_evidence(model, survey, address, features, preprocess=preprocess)
        beside = Beside(
            evidence.activations, evidence.weights, evidence.images, run, evidence.notes
        )
    return card_panel(
        survey, address, beside, words=words, reshape=reshape, ground=ground or "light"
    )


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    return {parameter.key: parameter.shape for parameter in network.parameters}
