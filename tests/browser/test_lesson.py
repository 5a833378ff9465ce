"""Each lesson is played in a real browser as a learner plays it; any error anywhere on the way fails the test."""

from __future__ import annotations

import importlib
import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nbformat
import pytest

from browser.page import NotebookPage
from browser.server import Server
from course_utils.environment import notebook_files
from course_utils.practice.progress import Progress

pytestmark = pytest.mark.browser

Opener = Callable[[str], NotebookPage]
START = notebook_files()[0].name
#: Seconds an explorer may take for a new figure, in the best of several tries: other tests are at work meanwhile.
SLOWEST_UPDATE = 1.0


@dataclass(frozen=True)
class Attempt:
    """What a learner types into one exercise of a lesson.

    Attributes:
        name: of what the exercise asks for.
        wrong: a source that the exercise knows as a mistake.
        feedback: part of what must be said to it.
        right: a source that is correct.
    """

    name: str
    wrong: str
    feedback: str
    right: str


ATTEMPTS = {
    "00": Attempt(
        name="halfway",
        wrong="def halfway(a, b):\n    return a + b / 2",
        feedback="only b is halved here",
        right="def halfway(a, b):\n    return (a + b) / 2",
    ),
    "01": Attempt(
        name="bias_variance",
        wrong="""def bias_variance(predictions, truth):
    return ((predictions - truth) ** 2).mean(), predictions.var(0, unbiased=False).mean()""",
        feedback="Your bias² is the whole error",
        right="""def bias_variance(predictions, truth):
    average = predictions.mean(0)
    return ((average - truth) ** 2).mean(), ((predictions - average) ** 2).mean()""",
    ),
    "02": Attempt(
        name="batch_norm",
        wrong="""def batch_norm(x, running_mean, running_var, gamma, beta, training, eps=1e-5):
    rows = x.transpose(1, -1)
    mean, var = running_mean, running_var
    if training:
        var, mean = torch.var_mean(rows.reshape(-1, x.shape[1]), 0)
    return (gamma * (rows - mean) / (var + eps) ** 0.5 + beta).transpose(1, -1)""",
        feedback="You divided by n − 1: BatchNorm normalises with the biased variance",
        right="""def batch_norm(x, running_mean, running_var, gamma, beta, training, eps=1e-5):
    rows = x.transpose(1, -1)
    mean, var = running_mean, running_var
    if training:
        var, mean = torch.var_mean(rows.reshape(-1, x.shape[1]), 0, correction=0)
    return (gamma * (rows - mean) / (var + eps) ** 0.5 + beta).transpose(1, -1)""",
    ),
    "03": Attempt(
        name="add_penalty",
        wrong="""def add_penalty(loss, model, l1, l2):
    for w in model.parameters():
        loss = loss + l1 * w.abs().sum() + l2 * (w**2).sum()
    return loss""",
        feedback="You penalise the biases too",
        right="""def add_penalty(loss, model, l1, l2):
    for name, w in model.named_parameters():
        if not name.endswith("bias"):
            loss = loss + l1 * w.abs().sum() + l2 * (w**2).sum()
    return loss""",
    ),
    "04": Attempt(
        name="augmented_set",
        wrong="""def augmented_set(texts, labels, augment, copies):
    more = [augment(text) for _ in range(copies) for text in texts]
    return texts + more, [label for label in labels for _ in range(copies + 1)]""",
        feedback="Texts and labels are repeated in different orders",
        right="""def augmented_set(texts, labels, augment, copies):
    more = [augment(text) for _ in range(copies) for text in texts]
    return texts + more, labels * (copies + 1)""",
    ),
    "05": Attempt(
        name="mixup",
        wrong="""def mixup(x, y, classes, lam, order):
    return lam * x + (1 - lam) * x[order], torch.eye(classes)[y]""",
        feedback="The labels are not mixed",
        right="""def mixup(x, y, classes, lam, order):
    rows = torch.eye(classes)[y]
    return [lam * part + (1 - lam) * part[order] for part in (x, rows)]""",
    ),
    "06": Attempt(
        name="skipgram_pairs_of",
        wrong="""def skipgram_pairs_of(sentences, window):
    pairs = []
    for sentence in sentences:
        for i, centre in enumerate(sentence):
            for word in sentence[max(0, i - window) : i + window + 1]:
                if word != centre:
                    pairs.append((centre, word))
    return pairs""",
        feedback="You compare words where places count",
        right="""def skipgram_pairs_of(sentences, window):
    pairs = []
    for sentence in sentences:
        for i, centre in enumerate(sentence):
            for word in sentence[max(0, i - window) : i] + sentence[i + 1 : i + window + 1]:
                pairs.append((centre, word))
    return pairs""",
    ),
    "07": Attempt(
        name="rnn_forward",
        wrong="""def rnn_forward(x, h0, w_ih, w_hh, b_ih, b_hh):
    outputs = [torch.tanh(x_t @ w_ih.T + b_ih + h0 @ w_hh.T + b_hh) for x_t in x]
    return torch.stack(outputs), outputs[-1]""",
        feedback="The state is not carried on",
        right="""def rnn_forward(x, h0, w_ih, w_hh, b_ih, b_hh):
    outputs = [h0]
    for x_t in x:
        outputs.append(torch.tanh(x_t @ w_ih.T + b_ih + outputs[-1] @ w_hh.T + b_hh))
    return torch.stack(outputs[1:]), outputs[-1]""",
    ),
}


@pytest.mark.parametrize("name", [file.name for file in notebook_files()])
def test_a_lesson_is_played(
    name: str, open_notebook: Opener, jupyter: Server, record_property: Callable[[str, object], None]
) -> None:
    notebook = open_notebook(name)
    notebook.clear()
    notebook.run_all()
    assert notebook.complaints() == []
    assert all(notebook.counts().values()), "a cell was not run"

    number = name.split("_")[0]
    content = importlib.import_module(f"course_utils.practice.lesson_{number}")
    meet_all_predictions_again(notebook)
    play_prediction(notebook)
    seconds = play_explorers(notebook)
    play_exercise(notebook, ATTEMPTS[number])
    play_quiz(notebook, content.QUIZ)
    notebook.screenshot("played")
    assert notebook.complaints() == []

    assert seconds, "no live explorer was found"
    fastest, median = min(seconds), statistics.median(seconds)
    record_property("explorer_update_seconds", round(median, 3))
    print(f"{name}: an explorer's update takes ≈ {median:.3f} s (median of {len(seconds)}; fastest ≈ {fastest:.3f} s)")
    assert fastest < SLOWEST_UPDATE, [round(second, 2) for second in seconds]

    (exercise,) = [task.number for task in content.EXERCISES if task.name == ATTEMPTS[number].name]
    check_progress(Progress(jupyter.home / "progress.sqlite"), number, exercise)
    start = notebook if name == START else open_notebook(START)
    check_map(start, number)
    assert start.complaints() == []


def check_progress(progress: Progress, number: str, exercise: str) -> None:
    """What was done is in the learner's file, in the order in which it was done."""
    for kind, item in (("exercise", exercise), ("quiz", f"{number}.1")):
        answers = [record.value for record in progress.records(kind) if record.item == item]
        assert answers == ["not yet", "correct"], kind
    assert any(item.startswith(f"{number}.") for item in progress.latest("prediction"))


def check_map(start: NotebookPage, number: str) -> None:
    """The map of the start page shows it, once its cell is run again."""
    cell = start.cell("course_map()")
    start.run(cell)
    row = start.output(cell).locator("tr").filter(has_text=re.compile(rf"^{number} "))
    row.filter(has_text="◯ begun").filter(has_text=re.compile(r"1 of \d")).wait_for()


def meet_all_predictions_again(notebook: NotebookPage) -> None:
    """Run each cell that ends a prediction once more, after the whole lesson has run: it must say the same as before.

    Who predicts late does just that; a name that a later cell uses for something else would break it.
    """
    for cell in notebook.cells(".recall("):
        notebook.see(cell, "Measured: ")
        (measured,) = re.findall(r"Measured: .*", notebook.output(cell).inner_text())
        notebook.run(cell)
        notebook.see(cell, measured)
    assert notebook.complaints() == []


def play_prediction(notebook: NotebookPage) -> None:
    """Predict, run the experiment, meet the prediction again; then once more, as if a day later."""
    asked = notebook.cell("= predict(")
    experiment = notebook.cell(".recall(", after=asked)
    notebook.see(experiment, "You made no prediction.")
    notebook.run(asked)
    first = notebook.output(asked).locator(".widget-radio-box label").first.inner_text()
    notebook.choose(asked, first)
    notebook.see(asked, "✓ Kept.")
    notebook.run(experiment)
    notebook.see(experiment, "You predicted")
    notebook.run(asked)
    notebook.see(asked, "Your prediction from last time is kept.")
    assert notebook.output(asked).locator("input:checked").count() == 1
    notebook.screenshot("prediction")


def play_explorers(notebook: NotebookPage) -> list[float]:
    """Move every slider of every explorer there and back.

    Returns:
        Seconds of each update.
    """
    seconds = []
    for cell in notebook.explorers():
        handles = notebook.output(cell).locator(".noUi-handle")
        for slider in range(handles.count()):
            at_the_end = handles.nth(slider).evaluate("handle => handle.ariaValueNow === handle.ariaValueMax")
            keys = ("ArrowLeft", "ArrowRight") if at_the_end else ("ArrowRight", "ArrowLeft")
            seconds += [notebook.move(cell, slider, key) for key in keys]
        notebook.screenshot("explorer")
    return seconds


def play_exercise(notebook: NotebookPage, attempt: Attempt) -> None:
    """Be corrected, take a hint, answer rightly."""
    call = f"check.{attempt.name}({attempt.name})"
    cell = notebook.cell(call)
    notebook.see(cell, "◻ not attempted.")
    notebook.run(cell, f"{attempt.wrong}\n\n\n{call}")
    notebook.see(cell, "◯ not yet.")
    notebook.see(cell, attempt.feedback)
    notebook.screenshot("not-yet")
    hint = notebook.add_below(cell, f"check.{attempt.name}.hint()")
    notebook.see(hint, "Hint 1 of")
    notebook.run(cell, f"{attempt.right}\n\n\n{call}")
    notebook.see(cell, "✓ correct.")
    notebook.screenshot("correct")


def play_quiz(notebook: NotebookPage, quiz: Any) -> None:
    """Give the first question a wrong answer and then the right one."""
    cell = notebook.cell("QUIZ", after=notebook.cell("import QUIZ"))
    choices = quiz.questions[0].choices
    for right, sign in ((False, "◯"), (True, "✓")):
        choice = next(choice for choice in choices if choice.right is right)
        notebook.choose(cell, choice.text)
        notebook.see(cell, f"{sign} {choice.why}")
    notebook.screenshot("quiz")


BROKEN_BUTTON = """import ipywidgets

button = ipywidgets.Button(description="press")
button.on_click(lambda _: int("a button"))
button"""
BROKEN_SLIDER = """import ipywidgets

slider = ipywidgets.IntSlider()
slider.observe(lambda change: int("a slider"), names="value")
slider"""
BROKEN_EXPLORER = """from matplotlib.figure import Figure
from course_utils.explorers import Explorer, Slider

def draw(n):
    if n == 2:
        raise ArithmeticError("two is too many")
    return Figure(), "an empty figure"

Explorer(draw, n=Slider("n", [1, 2], 1))"""
SCRIPT = "from IPython.display import Javascript\n\nJavascript({!r})"


def leave(notebook: NotebookPage, cell: str) -> None:
    """Running the cell is enough."""


def press(notebook: NotebookPage, cell: str) -> None:
    notebook.output(cell).get_by_role("button", name="press").click()


def push(notebook: NotebookPage, cell: str) -> None:
    notebook.output(cell).locator(".noUi-handle").focus()
    notebook.page.keyboard.press("ArrowRight")


BREAKS: list[tuple[str, Callable[[NotebookPage, str], None], str]] = [
    ("1 / 0", leave, "kernel: ZeroDivisionError"),
    ("import warnings\n\nwarnings.warn('a warning')", leave, "stderr: .*UserWarning: a warning"),
    (BROKEN_BUTTON, press, "kernel: ValueError: .*'a button'"),
    (BROKEN_SLIDER, push, "kernel: ValueError: .*'a slider'"),
    (BROKEN_EXPLORER, push, "explorer: ArithmeticError: two is too many"),
    (SCRIPT.format("console.error('to the console')"), leave, "console: to the console"),
    (SCRIPT.format("setTimeout(() => nothing.here)"), leave, "page: .*nothing is not defined"),
]


def test_what_breaks_is_noticed(open_notebook: Opener, jupyter: Server) -> None:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [nbformat.v4.new_code_cell(source) for source, _, _ in BREAKS]
    broken = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(broken, jupyter.notebooks / "broken.ipynb")
    notebook = open_notebook("broken.ipynb")
    assert notebook.complaints() == []
    for cell, (_, act, complaint) in zip(notebook.sources(), BREAKS, strict=True):
        assert not re.search(complaint, "\n".join(notebook.complaints()))
        notebook.run(cell)
        act(notebook, cell)
        notebook.wait_for_complaint(complaint)
