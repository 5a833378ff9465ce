"""Live figures: sliders whose every move recomputes and redraws.

An explorer is a drawing function and the range of each of its parameters. The same function draws the static
figure beside it, so a reader without a kernel sees the same thing.
"""

from __future__ import annotations

import base64
import html
import inspect
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from course_utils import plots

#: What a drawing function returns: the figure, and its alt text for these settings.
Drawing = tuple[Figure, str]


@dataclass(frozen=True)
class Slider:
    """One control of an explorer.

    Attributes:
        label: what the learner reads, with its unit.
        choices: the values it can take, from left to right.
        start: the value it begins with; one of ``choices``.
    """

    label: str
    choices: Sequence[Any]
    start: Any


class Explorer:
    """Sliders over a drawing function; display it as the last line of a cell.

    Args:
        draw: called with one keyword argument a slider; returns the figure and its alt text.
        **sliders: one `Slider` for each parameter of ``draw``.

    Raises:
        ValueError: a slider starts at a value that is not among its choices, or is no parameter of ``draw``.
    """

    def __init__(self, draw: Callable[..., Drawing], **sliders: Slider) -> None:
        for name, slider in sliders.items():
            if slider.start not in slider.choices:
                raise ValueError(f"{name} starts at {slider.start!r}; expected one of {list(slider.choices)}")
        try:
            inspect.signature(draw).bind(**{name: slider.start for name, slider in sliders.items()})
        except TypeError as error:
            raise ValueError(f"sliders are {', '.join(sliders)}; they do not fit draw: {error}") from error
        self.draw = draw
        self.sliders = sliders
        self._places: list[Bbox] = []

    def __repr__(self) -> str:
        controls = "; ".join(
            f"{slider.label} from {slider.choices[0]} to {slider.choices[-1]}" for slider in self.sliders.values()
        )
        many = f"{len(self.sliders)} sliders" if len(self.sliders) > 1 else "one slider"
        return f"Explorer with {many}: {controls}. It needs a running kernel."

    def picture(self, **values: Any) -> str:
        """The figure for these settings as an HTML image with alt text; an error as a sentence with a red bar."""
        try:
            figure, alt = self.draw(**values)
            self._settle(figure)
            data = base64.b64encode(plots.png(figure)).decode()
        except Exception as error:  # a slider must never fail in silence, whatever went wrong
            detail = html.escape(traceback.format_exc(limit=-2))
            message = html.escape(f"{type(error).__name__}: {error}")
            # A red bar beside words in the theme's own colour: readable on white and on black.
            style = "border-left:5px solid #D64050;padding:.3em .8em"
            return f'<div class="course-error" style="{style}"><b>{message}</b><pre>{detail}</pre></div>'
        style = "max-width:100%"  # a narrow window scales the figure; it must not cut it
        return (
            f'<img class="course-explorer" style="{style}" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
        )

    def _settle(self, figure: Figure) -> None:
        """Give the axes the places that the first figure found for them: looking again takes longer than drawing."""
        if self._places and len(self._places) == len(figure.axes):
            figure.set_layout_engine("none")
            for axes, place in zip(figure.axes, self._places):
                axes.set_position(place)
        else:
            figure.draw_without_rendering()
            self._places = [axes.get_position() for axes in figure.axes]

    def widget(self) -> Any:
        """A fresh widget: the sliders above the picture, wired together."""
        import ipywidgets

        controls = {
            name: ipywidgets.SelectionSlider(
                options=list(slider.choices),
                value=slider.start,
                description=slider.label,
                style={"description_width": "14em"},
                layout={"width": "34em"},
            )
            for name, slider in self.sliders.items()
        }
        picture = ipywidgets.HTML(self.picture(**{name: control.value for name, control in controls.items()}))

        def redraw(_change: object) -> None:
            picture.value = self.picture(**{name: control.value for name, control in controls.items()})

        for control in controls.values():
            control.observe(redraw, names="value")
        return ipywidgets.VBox([*controls.values(), picture])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        view = self.widget()._repr_mimebundle_()
        # The stored text names the sliders, not the widget's inner state, so that it is the same in every run.
        display({**view, "text/plain": repr(self)}, raw=True)
