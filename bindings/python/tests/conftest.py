import itertools
import os

import pytest

_numbers = itertools.count()


@pytest.fixture
def address():
    """An inproc address that nobody else uses."""
    return f"inproc://test-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def ipc(tmp_path_factory):
    return f"ipc:///tmp/millrace-py-{os.getpid()}-{next(_numbers)}"
