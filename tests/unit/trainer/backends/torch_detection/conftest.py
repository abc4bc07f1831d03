"""One thread for PyTorch: with several, they wait for each other where tests share the processor."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(count)
