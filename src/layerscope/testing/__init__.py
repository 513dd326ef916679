"""The contract that every backend passes, for whoever writes another one.

``reference`` is a small network computed by hand, in plain loops; ``contract.BackendContract`` is
a pytest class to subclass. Only this package needs pytest.
"""
