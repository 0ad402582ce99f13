"""Conformance: what a connector must prove before citizens' reports go through it.

Every rule is one visible, documented test (`gateway.kit.rules.RULES`), run on real sockets against the connector's own
simulated app, through a wire on which everything can happen. `gateway.kit.check.check(folder)` tries them all and
computes the tier; as a pytest plugin the kit does the same in an app team's own repository.
"""
