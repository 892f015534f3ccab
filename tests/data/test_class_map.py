"""Class names are matched by equality or by the map, and by nothing else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_sbir.data.class_map import ClassMapError, match_classes, read_class_map


def written(tmp_path, content):
    path = tmp_path / "map.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_equal_names_match_and_alike_ones_are_only_suggested():
    matching = match_classes(["cat", "tea pot", "hot-dog", "ant"], ["hot dog", "teapot", "cat", "zebra"])
    assert matching.pairs == (("cat", "cat"),)
    assert matching.only_sketch == ("tea pot", "hot-dog", "ant")
    assert matching.only_photo == ("hot dog", "teapot", "zebra")
    assert matching.text.splitlines() == [
        "1 class is in both sets",
        "3 only among the sketches: tea pot, hot-dog, ant",
        "3 only among the photos: hot dog, teapot, zebra",
        "names that look alike; if they mean the same, say so in a map of class names:",
        '  "tea pot": "teapot"',
        '  "hot-dog": "hot dog"',
    ]


@pytest.mark.parametrize("turned", [False, True])
def test_a_mistyped_name_in_the_map_is_suggested(turned):
    table = {"ape": "monky", "bat": "bird"}
    table = {other: name for name, other in table.items()} if turned else table
    matching = match_classes(["ape", "bat", "cat"], ["cat", "monkey", "zebra"], table)
    assert matching.pairs == (("cat", "cat"),)
    assert '  "ape": "monkey"' in matching.text.splitlines()
    assert "bird" not in matching.text, "nothing is like it"


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_a_map_is_followed_from_either_side(tmp_path, nested, turned):
    table = {"hot-dog": "hot dog", "ape": "monkey"}
    table = {other: name for name, other in table.items()} if turned else table
    path = written(tmp_path, {"photo_of": table} if nested else table)
    matching = match_classes(["ape", "cat", "hot-dog"], ["cat", "hot dog", "monkey"], path)
    assert matching.pairs == (("ape", "monkey"), ("cat", "cat"), ("hot-dog", "hot dog"))
    assert (matching.only_sketch, matching.only_photo) == ((), ())
    assert matching.text == "3 classes are in both sets"
    assert matching.photo_of == {"ape": "monkey", "cat": "cat", "hot-dog": "hot dog"}
    assert matching.sketch_of["monkey"] == "ape"


def test_null_means_no_partner_even_of_the_same_name():
    matching = match_classes(["bat", "cat"], ["bat", "cat"], {"bat": None})
    assert matching.pairs == (("cat", "cat"),)
    assert (matching.only_sketch, matching.only_photo) == (("bat",), ("bat",))
    assert "look alike" not in matching.text, "the map has said what it has to say of bats"


def test_a_name_the_map_gives_away_is_not_matched_by_equality_too():
    matching = match_classes(["mouse", "rat"], ["mouse", "computer mouse"], {"mouse": "computer mouse", "rat": "mouse"})
    assert matching.pairs == (("mouse", "computer mouse"), ("rat", "mouse"))
    assert match_classes(["mouse"], ["mouse"], {"mouse": "computer mouse"}).pairs == ()


def test_two_classes_may_have_one_partner():
    matching = match_classes(["car", "sedan"], ["automobile"], {"car": "automobile", "sedan": "automobile"})
    assert matching.pairs == (("car", "automobile"), ("sedan", "automobile"))
    assert matching.photo_of == {"car": "automobile", "sedan": "automobile"}
    assert matching.sketch_of == {"automobile": "car"}


def test_entries_of_other_classes_are_said_not_refused():
    matching = match_classes(["cat"], ["cat"], {"dog": "hound", "cow": None})
    assert matching.pairs == (("cat", "cat"),)
    assert matching.text.endswith("2 entries of the map name no class of either set: dog, cow")


names = st.lists(st.sampled_from([f"{a}{b}" for a in "abc" for b in ("", " x", "_x", "y")]), unique=True)


@settings(deadline=None)
@given(names, names, st.dictionaries(st.sampled_from("abc"), st.sampled_from(["d", "e", None])))
def test_every_class_is_in_a_pair_or_alone(sketches, photos, table):
    matching = match_classes(sketches, photos, table)
    assert sorted({s for s, _ in matching.pairs} | {*matching.only_sketch}) == sorted(sketches)
    assert sorted({p for _, p in matching.pairs} | {*matching.only_photo}) == sorted(photos)
    for sketch, photo in matching.pairs:
        assert sketch == photo or table.get(sketch) == photo or table.get(photo) == sketch
    mirrored = match_classes(photos, sketches, table)
    assert sorted((s, p) for p, s in mirrored.pairs) == sorted(matching.pairs)


def test_sketchys_own_map(shared):
    path = shared / "data" / "sketchy" / "class_map.json"
    table = read_class_map(path)
    assert (len(table), table["hotdog"], table["ape"]) == (85, "hot-dog", None)
    matching = match_classes(list(table), ["hot-dog", "bear (animal)", "ape"], path)
    assert matching.pairs == (("bear", "bear (animal)"), ("hotdog", "hot-dog"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no JSON file"),
        ([1], "holds a list; it must be an object"),
        ({"a": 1}, "gives 'a' the value 1; it must be"),
        ({"a": "b", "c": {"d": "e"}}, "gives 'c' the value"),
        ({"a": {"x": "y"}, "b": {"x": "z"}}, r"holds 2 maps \(a, b\); keep the one that is meant"),
        ('{"a": "b", "a": "c"}', "'a' stands there twice"),
    ],
)
def test_what_is_no_map_is_refused(tmp_path, content, words):
    with pytest.raises(ClassMapError, match=words):
        read_class_map(written(tmp_path, content))


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match="no map of class names"):
        match_classes(["a"], ["a"], tmp_path / "none.json")
    with pytest.raises(ClassMapError, match="the photo class 'a' is named twice"):
        match_classes(["a"], ["a", "a"])
    with pytest.raises(ClassMapError, match="mixes its sides: 'a' is a sketch class with a photo class, 'y' a photo"):
        match_classes(["a", "b"], ["x", "y"], {"a": "x", "y": "b"})
