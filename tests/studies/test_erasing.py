"""The study of erasing runs from end to end, pairs what it compares, and does nothing twice."""

import pytest

from tests.studies import erasing


@pytest.mark.slow
def test_the_study_tells_every_score_of_every_model(tmp_path):
    models = {"cten": erasing.RUNS["cten"], "untrimmed": erasing.LOCALISERS["untrimmed"]}
    plan = {"as planted": models, "as planted: again": {"cten": models["cten"]}}
    (planted, found), (again, same) = erasing.scores(tmp_path, 1, 8, "quick", plan)
    assert (planted, again) == tuple(plan)
    assert set(found) == {*models, *erasing.FLOORS, *erasing.OBSERVERS}
    for name in models:
        assert len(found[name]) == 1 and set(found[name][0]) >= set(erasing.SCORES)
        assert all(-1 <= found[name][0][score] <= 1 for score in erasing.SCORES)
    # The keyframe lies in the truth, so a whole video overlaps every truth by its share of it.
    assert found["whole_video"][0]["map_any@0.3"] == 1
    assert found["observer"][0]["accuracy"] > found["observer, keyframe alone"][0]["accuracy"]
    assert same["cten"] == found["cten"]
    assert len(list(tmp_path.glob("quick-8/*/*/0/result.json"))) == 2
    text = erasing.show(planted, found)
    assert text.count("cten leads by") == len(erasing.SCORES) + 2 * len(erasing.MAPS) + 2


def test_every_run_is_a_variant_of_the_sample():
    for models in erasing.PLAN.values():
        assert "cten" in models
        for module, variant in models.values():
            assert module.get_config(variant).data.sample_story == "keyframes"
    names = [model for models in erasing.PLAN.values() for model in models]
    assert len(names) == 5 * 3 + 5
