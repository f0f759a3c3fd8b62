"""Extractors by name: ours, the user's own, and names that lead nowhere."""

import pytest

from affectjax.errors import UserError
from affectjax.media.extractor import Extractor, Frames, resolve

OWN = "tests.media.films:Keep"


def test_ours_and_the_users_own_are_found_by_name():
    assert resolve("lowlevel").name == "lowlevel"
    own = resolve(OWN, {"see": Frames(1.0, (8, 8))})
    assert isinstance(own, Extractor) and set(own.modalities) == {"see"}
    assert resolve("mfcc", {"coefficients": 13}).modalities == {"mfcc": 13}


@pytest.mark.parametrize(
    "name,options,reason",
    [
        ("lowlvel", {}, "no extractor 'lowlvel'"),
        ("no.such.module:Thing", {}, "cannot be imported"),
        ("affectjax.media.lowlevel:Highlevel", {}, "cannot be imported"),
        ("lowlevel", {"size": 3}, "refuses its options"),
        ("collections:Counter", {}, "is no extractor"),
        ("fractions:Fraction", {"numerator": "x"}, "refuses its options {'numerator': 'x'}"),
        ("frames", {"side": "a"}, "side = 'a'.*at least 8"),
        ("frames", {"side": 112.5}, "side = 112.5"),
        ("frames", {"rate": True}, "rate = True"),
        ("frames", {"rate": float("nan")}, "rate = nan"),
        ("frames", {"quality": 96}, "quality = 96.*from 1 to 95"),
        ("mfcc", {"hop": 0}, "hop = 0.*at least 1"),
        ("mfcc", {"samples": "x"}, "samples = 'x'"),
        ("filterbanks", {"bands": 0}, "bands = 0"),
        ("filterbanks", {"samples": 100}, "samples = 100.*at least 8000"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_with_a_reason(name, options, reason):
    with pytest.raises(UserError, match=reason):
        resolve(name, options)
