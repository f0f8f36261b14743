"""Batches of P identities with K images each, drawn at random without repeats."""

from __future__ import annotations

import numpy as np

from autograder.judging.exercise import Case, Exercise, Mistake, Right, Sampler, Seed


def collection(*sizes, identities=3, images=3):
    """Return a draw of shuffled labels with these class sizes and of what to take from them."""

    def draw(rng):
        names = rng.choice(90, size=len(sizes), replace=False) * 7 - 50
        return {
            "labels": rng.permutation(np.repeat(names, sizes)),
            "num_identities": identities,
            "per_identity": images,
            "rng": Seed(int(rng.integers(2**31))),
        }

    return draw


SHUFFLED_PREFIX = """
def sample_identity_batch(labels, num_identities, per_identity, rng):
    members = {}
    for i in rng.permutation(len(labels)):
        members.setdefault(int(labels[i]), []).append(int(i))
    enough = sorted(name for name, images in members.items() if len(images) >= per_identity)
    if len(enough) < num_identities:
        raise ValueError("too few identities")
    chosen = rng.permutation(enough)[:num_identities]
    return [i for name in chosen for i in members[int(name)][:per_identity]]
"""

RANDOM_KEYS = """
def sample_identity_batch(labels, num_identities, per_identity, rng):
    names = [name for name in np.unique(labels) if np.sum(labels == name) >= per_identity]
    if num_identities > len(names):
        raise ValueError(f"only {len(names)} identities are large enough")
    batch = []
    for at in np.argsort(rng.random(len(names)))[:num_identities]:
        images = np.flatnonzero(labels == names[at])
        batch.append(images[np.argsort(rng.random(len(images)))[:per_identity]])
    return np.concatenate(batch).astype(np.int32)
"""

REJECTION = """
def sample_identity_batch(labels, num_identities, per_identity, rng):
    usable = {int(n) for n, c in zip(*np.unique(labels, return_counts=True)) if c >= per_identity}
    if len(usable) < num_identities:
        raise ValueError("not enough")
    taken = {}
    order = sorted(usable)
    while len(taken) < num_identities:
        name = order[rng.integers(len(order))]
        if name not in taken:
            taken[name] = rng.permutation(np.flatnonzero(labels == name))[:per_identity]
    return np.hstack(list(taken.values()))
"""

TORCH_KEYS = """
def sample_identity_batch(labels, num_identities, per_identity, rng):
    names, sizes = labels.unique(return_counts=True)
    names = names[sizes >= per_identity]
    if len(names) < num_identities:
        raise ValueError("too few identities")
    chosen = names[torch.rand(len(names), generator=rng).argsort()[:num_identities]]
    batch = []
    for name in chosen:
        images = (labels == name).nonzero().flatten()
        batch += images[torch.rand(len(images), generator=rng).argsort()[:per_identity]].tolist()
    return torch.tensor(batch)
"""

TORCH_MULTINOMIAL = """
def sample_identity_batch(labels, num_identities, per_identity, rng):
    names, sizes = torch.unique(labels, return_counts=True)
    weights = (sizes >= per_identity).double()
    if int(weights.sum()) < num_identities:
        raise ValueError("too few identities")
    chosen = names[torch.multinomial(weights, num_identities, generator=rng)]
    masks = (labels[None, :] == chosen[:, None]).double()
    return torch.multinomial(masks, per_identity, generator=rng).flatten()
"""

TORCH_SHUFFLED = """
def sample_identity_batch(labels, num_identities, per_identity, rng):
    members = {}
    for i in torch.randperm(len(labels), generator=rng).tolist():
        members.setdefault(int(labels[i]), []).append(i)
    enough = sorted(name for name, images in members.items() if len(images) >= per_identity)
    if num_identities > len(enough):
        raise ValueError(f"only {len(enough)} identities")
    order = torch.randperm(len(enough), generator=rng)[:num_identities].tolist()
    return torch.tensor([members[enough[k]][:per_identity] for k in order]).reshape(-1)
"""

exercise = Exercise(
    title="A batch of identities",
    points=2,
    minutes=10,
    difficulty=2,
    source="Schroff et al. 2015, FaceNet, section 3.2 (about 40 faces per identity in each mini-batch); "
    "Hermans et al. 2017, section 2 (P identities, K images each)",
    kind=Sampler(statistics=("batch_structure", "identities_uniform", "images_uniform"), draws=400),
    hints=[
        "First choose identities, then images of each. Which identities have too few images to be chosen?",
        "Both choices are without replacement: a repeated image makes a positive pair at distance zero, which "
        "teaches nothing.",
        "Count labels with `unique`. For each chosen one, permute the positions that carry it and keep the first few.",
    ],
    cases=[
        Case("typical", "nine identities, some with too few images", collection(5, 3, 1, 8, 2, 4, 3, 6, 7)),
        Case(
            "just_enough",
            "exactly as many identities as are asked for",
            collection(4, 1, 5, 4, identities=3, images=4),
        ),
        Case(
            "uneven",
            "one identity with thirty images, six with three",
            collection(3, 3, 30, 3, 3, 3, 3, identities=2),
        ),
        Case("one_each", "one image of each identity", collection(3, 1, 2, 5, identities=2, images=1)),
        Case(
            "larger",
            "forty identities of four, ten of them drawn",
            collection(*[4] * 40, identities=10, images=2),
        ),
        Case(
            "too_few",
            "too few identities are left: a ValueError",
            collection(4, 2, 2, 3, identities=3, images=3),
            raises="ValueError",
        ),
    ],
    mistakes=[
        Mistake(
            "images_repeated",
            "An image was drawn twice. It makes a positive pair at distance zero, from which nothing is learnt.",
            edit=[
                (
                    "rng.choice(np.flatnonzero(labels == identity), per_identity, replace=False)",
                    "rng.choice(np.flatnonzero(labels == identity), per_identity)",
                )
            ],
        ),
        Mistake(
            "identities_repeated",
            "An identity was drawn twice in one batch. Choose identities without replacement too.",
            edit=[
                ("rng.choice(enough, num_identities, replace=False)", "rng.choice(enough, num_identities)")
            ],
        ),
        Mistake(
            "always_the_first_images",
            "Each identity always gives its first images. The others are never seen.",
            edit=[
                (
                    "rng.choice(np.flatnonzero(labels == identity), per_identity, replace=False)",
                    "np.flatnonzero(labels == identity)[:per_identity]",
                )
            ],
        ),
        Mistake(
            "always_the_first_identities",
            "The same identities come in every batch. They should be drawn at random.",
            edit=[("rng.choice(enough, num_identities, replace=False)", "enough[:num_identities]")],
        ),
        Mistake(
            "more_than_enough",
            "Identities with exactly as many images as are asked for are never drawn. They have enough.",
            edit=[("counts >= per_identity", "counts > per_identity")],
        ),
        Mistake(
            "frequent_identities_favoured",
            "Identities with many images are drawn more often. Choose among identities first, images after.",
            edit=[
                (
                    "rng.choice(enough, num_identities, replace=False)",
                    "rng.choice(enough, num_identities, replace=False,\n"
                    "        p=counts[counts >= per_identity] / counts[counts >= per_identity].sum())",
                )
            ],
        ),
        Mistake(
            "shuffled",
            "The batch was shuffled. One identity comes after another, so that the batch falls into blocks.",
            edit=[("return np.concatenate(batch)", "return rng.permutation(np.concatenate(batch))")],
        ),
        Mistake(
            "no_error",
            "Too few identities went through silently. A ValueError says it where it happens.",
            edit=[
                (
                    "if len(enough) < num_identities:",
                    "if len(enough) < num_identities:\n        num_identities = len(enough)\n    if False:",
                )
            ],
            breaks="error",
        ),
        Mistake(
            "global_generator",
            "The numbers came from the global generator, so that the given seed does not decide them.",
            edit=[
                (
                    "rng.choice(enough, num_identities, replace=False)",
                    "np.random.permutation(enough)[:num_identities]",
                )
            ],
            breaks="global_rng",
            track="from_scratch",
        ),
        Mistake(
            "global_generator_in_torch",
            "The numbers came from the global generator, so that the given seed does not decide them.",
            edit=[("torch.randperm(len(enough), generator=rng)", "torch.randperm(len(enough))")],
            breaks="global_rng",
            track="pytorch",
        ),
    ],
    also_right=[
        Right("shuffled_prefix", source=SHUFFLED_PREFIX, track="from_scratch"),
        Right("random_keys", source=RANDOM_KEYS, track="from_scratch"),
        Right("rejection", source=REJECTION, track="from_scratch"),
        Right("random_keys", source=TORCH_KEYS, track="pytorch"),
        Right("multinomial", source=TORCH_MULTINOMIAL, track="pytorch"),
        Right("shuffled_prefix", source=TORCH_SHUFFLED, track="pytorch"),
    ],
)
