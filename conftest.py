"""Every test of the project, in tests/ and in connectors/, stands on the same rules and servers."""

pytest_plugins = ["tests.house", "tests.fixtures"]
