"""Groups are never split, and the null control moves every comment to another group."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax.data import splits
from affectjax.errors import UserError
from tests.data.test_tsc import FakeSource, make_record

GROUPS = st.lists(st.integers(1, 9), min_size=3, max_size=30).map(
    lambda sizes: [f"g{i}" for i, n in enumerate(sizes) for _ in range(n)]
)


@given(GROUPS, st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_by_group_keeps_groups_whole_and_uses_every_record_once(groups, seed):
    fractions = (0.7, 0.2, 0.1)
    sets = splits.by_group(groups, fractions, seed)
    assert sorted(np.concatenate(sets).tolist()) == list(range(len(groups)))
    names = [{groups[i] for i in chosen} for chosen in sets]
    assert all(names) and sum(map(len, names)) == len(set(groups))
    assert all((np.diff(chosen) > 0).all() for chosen in sets)


def test_by_group_meets_the_fractions_when_groups_are_small():
    groups = [f"g{i // 4}" for i in range(400)]
    sizes = [len(chosen) for chosen in splits.by_group(groups, (0.8, 0.1, 0.1), 3)]
    assert np.abs(np.array(sizes) - [320, 40, 40]).max() <= 4


def test_by_group_depends_on_the_seed_and_not_on_the_order_of_records():
    groups = np.array([f"g{i // 3}" for i in range(90)])
    shuffled = np.random.default_rng(0).permutation(len(groups))

    def assigned(order, seed):
        sets = splits.by_group(groups[order], (0.5, 0.5), seed)
        return {g: s for s, chosen in enumerate(sets) for g in groups[order][chosen]}

    same = assigned(np.arange(90), 1)
    assert assigned(shuffled, 1) == same
    assert assigned(np.arange(90), 2) != same


def test_by_group_draws_each_group_into_the_small_set_equally_often():
    groups, times = [f"g{i}" for i in range(10)], collections.Counter()
    for seed in range(600):
        times.update(splits.by_group(groups, (0.8, 0.2), seed)[1].tolist())
    assert all(80 < times[i] < 160 for i in range(10)), times


def test_too_few_groups_are_a_users_error():
    with pytest.raises(UserError, match="2 groups cannot be split"):
        splits.by_group(["a", "a", "b"], (0.8, 0.1, 0.1), 0)


@given(GROUPS, st.integers(0, 1000))
@settings(max_examples=200, deadline=None)
def test_comments_go_to_another_group_each_once_or_not_at_all(groups, seed):
    largest = collections.Counter(groups).most_common(1)[0][1]
    if 2 * largest > len(groups):
        with pytest.raises(UserError, match="cannot all go to other groups"):
            splits.other_group(groups, seed)
        return
    donors = splits.other_group(groups, seed)
    assert sorted(donors.tolist()) == list(range(len(groups)))
    assert all(groups[i] != groups[d] for i, d in enumerate(donors))
    assert (donors == splits.other_group(groups, seed)).all()


def test_exactly_half_in_one_group_still_works():
    groups = ["a"] * 8 + ["b", "c"] * 4
    for seed in range(50):
        donors = splits.other_group(groups, seed)
        assert all(groups[i] != groups[d] for i, d in enumerate(donors))


def test_permuted_comments_change_the_comments_and_nothing_else():
    source = FakeSource([make_record(i, comments=4 + i) for i in range(8)])
    null = splits.PermutedComments(source, seed=5)
    assert len(null) == 8 and null.ids == source.ids and null.groups == source.groups
    for i in range(8):
        plain, moved = source[i], null[i]
        assert moved["comments"] is source[int(null.donors[i])]["comments"]
        assert moved["comments"] is not plain["comments"]
        assert all(moved[key] is plain[key] for key in plain if key != "comments")


def test_subset_is_a_source_of_the_named_records():
    source = FakeSource([make_record(i, comments=2) for i in range(6)])
    part = splits.Subset(source, [4, 1])
    assert len(part) == 2 and part.ids == ["clip4", "clip1"] and part.groups == ["g2", "g0"]
    assert part[0] is source[4] and part[1] is source[1]
