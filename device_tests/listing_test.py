from pathlib import Path

from device_tests.listing import listing


def test_the_list_of_odd_devices_is_that_of_the_tests():
    readme = Path(__file__).with_name("README.md")
    assert readme.read_text() == listing(), "python -m device_tests.listing > device_tests/README.md"
