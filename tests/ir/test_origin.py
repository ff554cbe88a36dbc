from __future__ import annotations

import pytest

from nngraph.ir.origin import NOWHERE, Origin

ORIGINS = {
    "": NOWHERE,
    "head.fc": Origin("head.fc"),
    "head.fc @ train.py:14": Origin("head.fc", "train.py", 14),
    "@ train.py:14": Origin("", "train.py", 14),
    "head.fc @ train.py:14 · grad · fuse": Origin("head.fc", "train.py", 14, ("grad", "fuse")),
    "@ a b.py:0 · grad": Origin("", "a b.py", 0, ("grad",)),
    "· grad": Origin(transforms=("grad",)),
    "head · grad": Origin("head", transforms=("grad",)),
}


@pytest.mark.parametrize(("text", "origin"), ORIGINS.items())
def test_origins_read_back(text: str, origin: Origin) -> None:
    assert str(origin) == text
    assert Origin.parse(text) == origin


def test_folders_are_left_out() -> None:
    assert str(Origin("m", "/home/me/train.py", 3)) == "m @ train.py:3"


@pytest.mark.parametrize("text", ["m @ train.py", "m @ train.py:x", "@ :"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        Origin.parse(text)


def test_a_transform_is_named_once() -> None:
    origin = Origin("m").through("grad")
    assert origin.through("grad") is origin
    assert origin.through("") is origin
    assert origin.through("fuse").transforms == ("grad", "fuse")
