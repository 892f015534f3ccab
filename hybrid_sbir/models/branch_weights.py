"""Initial weights of two branches: from classifiers, from another two-branch model, from the published one.

Every tensor of the files and of the model is accounted for: loaded, skipped for a reason, or left to start afresh.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from torch import Tensor, nn

from hybrid_sbir.models.checkpoints import CheckpointError, State
from hybrid_sbir.models.published import stage_pairs, stem_pairs
from hybrid_sbir.models.two_branch import DOMAINS, TwoBranch
from hybrid_sbir.models.weights import check_fits, load_strictly

SharedFrom = Literal["sketch", "photo", "none"]

_PLURAL = {"sketch": "sketches", "photo": "photos"}
_BODY = "backbone."  # of a classifier's names
_CLASSIFIERS = ("sketch_head.classifier.", "photo_head.classifier.")


class Account(NamedTuple):
    """What became of every tensor.

    Attributes:
        loaded: names in the model that got a file's values.
        afresh: names in the model that keep their own initial values.
        skipped: names in the files that nothing was made of.
    """

    loaded: tuple[str, ...]
    afresh: tuple[str, ...]
    skipped: tuple[str, ...]

    def __str__(self) -> str:
        words = [f"loaded {len(self.loaded)} tensors"]
        words.append(f"starting afresh: {_grouped(self.afresh)}" if self.afresh else "none starts afresh")
        if self.skipped:
            words.append(f"skipped {_grouped(self.skipped)}")
        return "; ".join(words)


def load_branches(
    model: TwoBranch,
    sketch: Mapping[str, Tensor],
    photo: Mapping[str, Tensor],
    shared_from: SharedFrom = "photo",
) -> Account:
    """Start the branches from two classifiers of the same backbone; the same one may be given twice.

    Args:
        model: what to fill; its heads start afresh.
        sketch: state of the classifier of sketches (``backbone.*``, ``head.*``), for the sketch branch's own part.
        photo: state of the classifier of photos, for the photo branch's own part.
        shared_from: which of them the shared stages start from; "none" leaves them as they are, as the published code
            did: most of the model's weights, in a hybrid all the attention, then start at random.

    Raises:
        CheckpointError: if a tensor is missing, left over, or of another shape; nothing of the model was changed.
        ValueError: if ``shared_from`` is another word.
    """
    if shared_from not in (*DOMAINS, "none"):
        raise ValueError(f"shared_from is '{shared_from}'; it can be sketch, photo, none")
    sources = {"sketch": _body(sketch, "sketch"), "photo": _body(photo, "photo")}
    for domain, state in sources.items():
        _check_backbone(model, domain, state)
    given: State = {}
    for domain in DOMAINS:
        for name in model.branch(domain).state_dict():
            source = domain if _is_private(model, name) else shared_from
            if source != "none":
                given[f"{domain}.{name}"] = sources[source][name]
    own = model.state_dict()
    load_strictly(model, {**own, **given})
    unused = [f"{domain}: {n}" for domain, state in (("sketch", sketch), ("photo", photo)) for n in state]
    used = {
        f"{domain}: {_BODY}{name}"
        for domain, state in sources.items()
        for name in state
        if _is_private(model, name) or domain == shared_from
    }
    return Account(tuple(given), tuple(n for n in own if n not in given), tuple(n for n in unused if n not in used))


def load_stage(model: TwoBranch, state: Mapping[str, Tensor], classifier: bool = True) -> Account:
    """Start from another two-branch model, as stage N + 1 does from stage N.

    Args:
        model: what to fill.
        state: of a :class:`TwoBranch` of the same plan.
        classifier: whether to take the class scores' layer too; false where the classes differ.

    Raises:
        CheckpointError: if a tensor is missing, left over, or of another shape, or the file's model shares less than
            this one, so that one branch's values would be lost; nothing of the model was changed.
    """
    skipped = () if classifier else tuple(name for name in state if name.startswith(_CLASSIFIERS))
    own = model.state_dict()
    kept = {} if classifier else {name: own[name] for name in own if name.startswith(_CLASSIFIERS)}
    taken = {name: value for name, value in state.items() if name not in skipped}
    check_fits(model, {**taken, **kept})
    _check_ties(model, taken)
    load_strictly(model, {**taken, **kept})
    return Account(tuple(taken), tuple(kept), skipped)


def load_published_branches(model: TwoBranch, state: Mapping[str, Tensor]) -> Account:
    """Fill ``model`` from the published two-branch model's state dict (``sketchStem`` ... ``classifier``).

    Raises:
        CheckpointError: if a tensor is missing, left over, or of another shape, or the model's head or norms are not
            the published ones.
    """
    if model.shared_norm == "domain" or not hasattr(model.sketch_head, "embedding"):
        raise CheckpointError(
            "the published model has the published head and one norm for both domains; build the model with "
            "head='published' and shared_norm='separate'"
        )
    names = published_branch_names(model)
    missing, left_over = sorted(set(names.values()) - state.keys()), sorted(state.keys() - set(names.values()))
    if missing or left_over:
        raise CheckpointError(
            f"this is not the published two-branch model: missing {_grouped(missing)}; left over {_grouped(left_over)}"
        )
    load_strictly(model, {ours: state[theirs] for ours, theirs in names.items()})
    return Account(tuple(names), (), ())


def published_branch_names(model: TwoBranch) -> dict[str, str]:
    """Return our name -> published name of everything a two-branch model stores."""
    names: dict[str, str] = {}
    first, stages = model.first_shared, len(model.sketch.stages)
    for domain, theirs in (("sketch", "sketch"), ("photo", "image")):
        branch = model.branch(domain)  # type: ignore[arg-type]  # the tuple's first column is a Domain
        names |= {f"{domain}.{ours}": f"{theirs}Stem.{own}" for ours, own in stem_pairs(branch)}
        for part, numbers in ((f"{theirs}Backbone", range(first)), ("shareBackbone", range(first, stages))):
            names |= {f"{domain}.{ours}": f"{part}.{own}" for ours, own in stage_pairs(branch, numbers)}
        layers = {"fc": "shareFc", "norm": "bn", "embedding": "shareFeatVecFc", "classifier": "classifier"}
        for name in model.sketch_head.state_dict():
            layer, _, rest = name.partition(".")
            names[f"{domain}_head.{name}"] = f"{layers[layer]}.{rest}"
    return names


def _body(state: Mapping[str, Tensor], domain: str) -> State:
    body = {name.removeprefix(_BODY): value for name, value in state.items() if name.startswith(_BODY)}
    if not body:
        raise CheckpointError(f"the {domain} branch starts from a classifier, but no name begins with '{_BODY}'")
    return body


def _check_backbone(model: TwoBranch, domain: str, state: State) -> None:
    backbone: nn.Module = model.sketch if domain == "sketch" else model.photo
    try:
        check_fits(backbone, state)
    except CheckpointError as error:
        raise CheckpointError(f"the classifier of {_PLURAL[domain]} has another backbone: {error}") from error


def _check_ties(model: TwoBranch, state: Mapping[str, Tensor]) -> None:
    """Refuse a state that has two values for what is one tensor here."""
    first: dict[int, str] = {}
    apart = []
    for name, value in model.state_dict(keep_vars=True).items():
        other = first.setdefault(id(value), name)
        if other in state and name in state and not state[name].equal(state[other]):
            apart.append(name)
    if apart:
        raise CheckpointError(
            f"the branches have values of their own for what they share here: {_grouped(apart)}; set shared_stages and "
            "shared_norm to those of the stage before"
        )


def _is_private(model: TwoBranch, name: str) -> bool:
    """Whether a backbone's tensor of this name belongs to one branch alone."""
    part, _, rest = name.partition(".")
    if part == "stages":
        return int(rest.partition(".")[0]) < model.first_shared
    return part == "stem" or not model.shared_stages


def _grouped(names: Iterable[str]) -> str:
    """Names as counts of what they begin with: ``12 of photo.stages.2``."""
    counts: dict[str, int] = {}
    for name in names:
        parts = name.split(".")
        start = ".".join(parts[: 3 if "stages" in parts[:2] else 1])
        counts[start] = counts.get(start, 0) + 1
    return ", ".join(f"{count} of {start}" for start, count in counts.items()) or "nothing"
