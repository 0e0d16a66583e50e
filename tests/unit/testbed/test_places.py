from pathlib import Path

from tools.testbed.places import Places


def test_two_variables_name_the_folders() -> None:
    places = Places.from_environment({"NEXUS_TESTBED_CACHE": "/built", "NEXUS_TESTBED": "/running"})

    assert places == Places(Path("/built"), Path("/running"))


def test_without_them_everything_is_in_the_cache_of_the_user() -> None:
    places = Places.from_environment({"XDG_CACHE_HOME": "/cache"})

    assert places == Places(Path("/cache/nexus-testbed"), Path("/cache/nexus-testbed/run"))


def test_a_relative_folder_means_the_same_to_a_server_that_starts_elsewhere() -> None:
    places = Places.from_environment({"NEXUS_TESTBED": "here"})

    assert places.run == Path.cwd() / "here"
