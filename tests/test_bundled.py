"""The district that comes with the project is whole, unchanged and attributed."""

import numpy as np
import pytest

from ampacity.errors import NotFound
from ampacity.intake import bundled_folder, read_folder


def test_the_bundled_district_reads_without_a_fault():
    district = read_folder(bundled_folder())

    assert [e.kind for e in district.network.elements] == ["transformer"] + ["cable"] * 7
    assert len(district.network.groups) == 14
    assert district.measurements.load_w.shape == (8, 3, 6720)
    assert not np.isnan(district.measurements.load_w).any()
    assert len(district.weather) == 6720


def test_its_groups_want_far_more_than_there_is():
    network = read_folder(bundled_folder()).network

    wanted_w = sum(g.contracted_import_w for g in network.groups)
    assert wanted_w > 2 * network.limit_w(0.95)[0].sum()


def test_the_bundled_district_is_the_one_it_was_taken_from(shared):
    source, copy = shared / "data" / "simbench-urban6", bundled_folder()

    for path in source.iterdir():
        assert (copy / path.name).read_bytes() == path.read_bytes(), path.name


def test_its_readme_names_source_and_licence():
    readme = (bundled_folder() / "README.md").read_text()

    assert "SimBench, a benchmark dataset for the simulative analysis of electric grids, simbench.net" in readme
    assert "ODbL) 1.0" in readme


def test_a_package_without_its_clone_says_so(tmp_path):
    with pytest.raises(NotFound, match="comes with a clone"):
        bundled_folder(package=tmp_path / "site-packages" / "ampacity")
