"""A lesson with an exercise of several kinds is proved as it stands, stubs and mistakes included."""

import pytest

from autograder.authoring.prove import Prover
from autograder.authoring.reader import read_lesson

NOTEBOOK = """# %% setup=true
import autograder

lesson = autograder.lesson("97-kinds", track="pytorch")

# %%
import torch

# %% exercise="halve"
class halve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ### BEGIN SOLUTION
        return x / 2
        ### END SOLUTION

    @staticmethod
    def backward(ctx, upstream):
        ### BEGIN SOLUTION
        return upstream / 2
        ### END SOLUTION

# %% exercise="doubled_layer"
class doubled_layer(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = torch.nn.Linear(width, width)

    def forward(self, x):
        ### BEGIN SOLUTION
        return 2 * self.inner(x)
        ### END SOLUTION

# %% exercise="grows"
def grows(function):
    ### BEGIN SOLUTION
    low, high = torch.tensor([1.0]), torch.tensor([2.0])
    return bool(function(high) > function(low))
    ### END SOLUTION

# %% exercise="draw_rows"
def draw_rows(num_frequencies, dim, sigma2, rng):
    ### BEGIN SOLUTION
    return torch.randn(num_frequencies, dim, generator=rng) / sigma2**0.5
    ### END SOLUTION

# %% exercise="flaw"
flaw = None
### BEGIN SOLUTION
flaw = (2, 0.5)
### END SOLUTION
"""
START = "from autograder.judging.exercise import *\n"
COMMON = 'title="T", points=1, minutes=1, difficulty=1, source="s", hints=["a", "b"]'
FILES = {
    "halve": f"""
exercise = Exercise({COMMON}, kind=AutogradFunction(), oracle=lambda x: 0.5 * x,
    cases=[Case("five", "", lambda rng: {{"x": rng.normal(size=5)}})],
    mistakes=[Mistake("whole", "This does not halve at all.", edit=[("return x / 2", "return x * 1")]),
        Mistake("gradient", "The gradient is not halved yet.", edit=[("upstream / 2", "upstream * 1")],
            breaks="gradient")])
""",
    "doubled_layer": f"""
exercise = Exercise({COMMON}, kind=Module(build=("width",)), oracle=lambda width, x, w, b: 2 * (x @ w.T + b),
    cases=[Case("one", "", lambda rng: {{"width": 2, "x": rng.normal(size=(3, 2)),
        "inner.weight": rng.normal(size=(2, 2)), "inner.bias": rng.normal(size=2)}})],
    mistakes=[Mistake("once", "This does not double at all.", edit=[("2 * self", "1 * self")])])
""",
    "grows": f"""
exercise = Exercise({COMMON}, kind=Function(integer=True, plain=True), public_part="curves",
    oracle=lambda function: function.__name__ in ("up", "steep"), given={{"steep": lambda x: x**3}},
    cases=[Case("up", "", lambda rng: {{"function": Given("up")}}),
        Case("down", "", lambda rng: {{"function": Given("down")}})],
    mistakes=[Mistake("always", "This says yes to every curve.", function=lambda function: True)])
""",
    "draw_rows": f"""
exercise = Exercise({COMMON}, kind=Sampler(statistics=("mean", "variance", "fourth_moment")),
    cases=[Case("many", "", lambda rng: {{"num_frequencies": 4000, "dim": 3, "sigma2": 2.5,
        "rng": Seed(int(rng.integers(2**31)))}})],
    mistakes=[Mistake("inverted", "The variance is inverted, is it not?", edit=[("/ sigma2", "* sigma2")]),
        Mistake("not_given", "The generator that was given is not used.", edit=[(", generator=rng", "")],
            breaks="global_rng")])
""",
    "flaw": f"""
exercise = Exercise({COMMON}, kind=Reply(parts=("line", "value"), answer=(2, 0.5), explanation="Half."),
    mistakes=[Mistake("line", "The line is right, the value isn't.", reply=(2, None))],
    also_right=[Right("nearly", reply=(2, 0.501))])
""",
}


@pytest.fixture(scope="module")
def prover(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "97-kinds"
    (folder / "exercises").mkdir(parents=True)
    (folder / "public").mkdir()
    (folder / "pytorch.py").write_text(NOTEBOOK)
    (folder / "public" / "curves.py").write_text(
        "def up(x):\n    return x + 1\n\n\ndef down(x):\n    return -x\n"
    )
    for name, text in FILES.items():
        (folder / "exercises" / f"{name}.py").write_text(START + text)
    return Prover(read_lesson(folder))


@pytest.mark.parametrize("name", FILES)
def test_is_every_kind_proved(prover, name):
    proof = prover.prove(name, "pytorch")
    assert proof.problems == []
    assert proof.mistakes > 0
